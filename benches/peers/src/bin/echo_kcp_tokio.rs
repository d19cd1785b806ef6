#[path = "../side/kcp_tokio.rs"]
mod side;

fn main() {
    peers::echo_server::<side::KcpTokio>();
}
