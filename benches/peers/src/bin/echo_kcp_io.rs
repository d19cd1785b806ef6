#[path = "../side/kcp_io.rs"]
mod side;

fn main() {
    peers::echo_server::<side::KcpIo>();
}
