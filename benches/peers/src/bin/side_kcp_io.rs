#[path = "../side/kcp_io.rs"]
mod side;

#[global_allocator]
static ALLOCATOR: peers::usage::Counting = peers::usage::Counting;

fn main() {
    peers::scenario::run::<side::KcpIo>();
}
