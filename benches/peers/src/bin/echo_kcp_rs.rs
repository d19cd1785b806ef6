#[path = "../side/kcp_rs.rs"]
mod side;

fn main() {
    peers::echo_server::<side::KcpRs>();
}
