#[path = "../side/udp.rs"]
mod side;

use peers::runtime::Smol as Runtime;
use smol::net::UdpSocket;

#[global_allocator]
static ALLOCATOR: peers::usage::Counting = peers::usage::Counting;

fn main() {
    peers::scenario::run::<side::Udp>();
}
