//! `smol-kcpd perf`: how much a path carries.
//!
//! A measurement is a stream of a conversation that [says so](super::is_perf_conv). The client says what
//! it wants in 8 bytes, the server answers with 8, and whoever sends then does so for the agreed
//! time. The receiver's clock counts, from its first byte on, so that what waits in queues at the
//! end decides nothing. Numbers travel in little endian, as those of KCP.
//!
//! - Upload: the client sends bytes until the server's report arrives, and ends the stream.
//! - Download: the server sends blocks of 16 KiB, the first of which says whether more
//!   follow. After the last the client asks for the report with one byte.
//!
//! Behind its report the server says what the path did; who does not know of that does not read it.

mod client;
mod load;
mod path;
mod plot;
mod server;
mod table;
mod wire;

use std::fmt;
use std::time::Duration;

pub use client::{measure, PerfError, Progress};
pub use path::PathSummary;
pub use plot::plot;
pub use server::PerfServer;
pub use table::Perf;

/// A measurement takes at most so long.
pub const MAX_TIME: Duration = Duration::from_secs(60);

/// The shortest measurement: less is a handful of round trips on many paths.
pub const MIN_TIME: Duration = Duration::from_millis(100);

/// How long a peer may take to say what it has to, and what waits in queues at the end to arrive.
const GRACE: Duration = Duration::from_secs(15);

/// Bytes of a block of a download. Its first byte is [`MORE`] or [`LAST`], the rest of the last
/// block is not there.
const BLOCK: usize = 16 * 1024;
const MORE: u8 = 1;
const LAST: u8 = 0;

/// The byte that asks for the report of a download.
const ASK: u8 = b'?';

/// The direction of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Upload,
    /// From the server to the client.
    Download,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Upload => "upload",
            Direction::Download => "download",
        })
    }
}

/// What the receiver saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes that arrived in time.
    pub bytes: u64,
    /// The time that counts, from the first byte on.
    pub elapsed: Duration,
}

/// What the sender saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes of payload that have left, each counted once.
    pub payload: u64,
    /// Bytes of all datagrams, without UDP and IP headers.
    pub wire: u64,
    /// Segments with data, retransmissions included.
    pub segments: u64,
    /// Segments sent again because their timeout passed.
    pub timeout_retransmits: u64,
    /// Segments sent again because later ones were acknowledged.
    pub fast_retransmits: u64,
    /// The smoothed round-trip time under load: the mean of samples ten times a second.
    pub srtt: Duration,
    /// The smallest of these samples.
    pub srtt_min: Duration,
    /// The largest of these samples.
    pub srtt_max: Duration,
    /// What the path did; `None`: nothing was seen of it, or the server does not tell.
    pub path: Option<PathSummary>,
}

/// One direction, measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The direction.
    pub direction: Direction,
    /// What the receiver saw.
    pub received: Received,
    /// What the sender saw; `None`: the server's figures did not arrive.
    pub sent: Option<Sent>,
    /// Whether it was measured to its end; otherwise this is what there was when it was stopped.
    pub complete: bool,
}

impl Outcome {
    /// Payload per second that arrived, in bits; zero where nothing did.
    pub fn goodput(&self) -> u64 {
        rate(self.received.bytes, self.received.elapsed)
    }
}

/// Bits per second.
fn rate(bytes: u64, elapsed: Duration) -> u64 {
    let micros = elapsed.as_micros().max(1);
    u64::try_from(u128::from(bytes) * 8_000_000 / micros).unwrap_or(u64::MAX)
}
