#[path = "../side/smol_kcp.rs"]
mod side;

fn main() {
    peers::echo_server::<side::SmolKcp>();
}
