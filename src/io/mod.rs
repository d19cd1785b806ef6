//! The async shell: the only room that touches sockets and clocks.

mod clock;
mod driver;
mod endpoint;
mod halves;
mod handle;
mod happy_eyeballs;
mod listener;
mod ping;
mod shared;
mod spawn;
mod stream;
pub(crate) mod transport;

pub use driver::Driver;
pub use endpoint::{KcpEndpoint, SessionInfo};
pub use halves::{ReadHalf, WriteHalf};
pub use happy_eyeballs::happy_eyeballs;
pub use listener::{Incoming, KcpListener};
pub use ping::KcpPing;
pub use spawn::AsyncToSocketAddrs;
pub use stream::KcpStream;
