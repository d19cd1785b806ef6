#[path = "../side/tokio_kcp.rs"]
mod side;

fn main() {
    peers::echo_server::<side::TokioKcp>();
}
