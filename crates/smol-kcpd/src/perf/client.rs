//! The end that measures.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_lite::future;

use super::load::{block, Count, Event, Load};
use super::wire::{Answer, Request, LEN, PATH_LEN, RECEIVED_LEN, SENT_LEN};
use super::{
    Direction, Outcome, PathSummary, Received, Sent, ASK, BLOCK, GRACE, MAX_TIME, MIN_TIME, MORE,
};
use crate::perf_conv;
use crate::runtime::{now, within};
use smol_kcp::{KcpConfig, KcpEndpoint, KcpError, StreamStats, UdpTransport};

/// For the reset that ends the stream to leave.
const RST_FLUSH: Duration = Duration::from_millis(500);

/// Why there is no measurement.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PerfError {
    /// The server could not be reached.
    Unreachable(KcpError),
    /// Nobody answers who has the keys.
    NoAnswer,
    /// The server resets measurements.
    Off,
    /// The server measures for somebody else.
    Busy,
    /// The server speaks this version, which is another one.
    Version(u8),
    /// The server does not accept the request.
    NotAccepted,
    /// What answers does not measure: it is another program.
    Foreign,
    /// The stream ended, or fell silent, in the middle.
    Broken(KcpError),
    /// Somebody wanted it to end.
    Stopped,
}

impl fmt::Display for PerfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PerfError::Unreachable(error) => error.fmt(f),
            PerfError::NoAnswer => f.write_str(crate::keys::NO_ANSWER),
            PerfError::Off => {
                f.write_str(
                    "the server refuses measurements: its option perf is off, \
                     or its max_connections are in use",
                )
            }
            PerfError::Busy => {
                f.write_str("the server measures for somebody else; try again in a minute")
            }
            PerfError::Version(theirs) => write!(
                f,
                "the server speaks version {theirs} of measurements, this program version {}",
                super::wire::VERSION
            ),
            PerfError::NotAccepted => write!(
                f,
                "the server does not accept the request: it measures for {MIN_TIME:?} to {MAX_TIME:?}"
            ),
            PerfError::Foreign => f.write_str("what answers there is no smol-kcpd"),
            PerfError::Broken(error) => write!(f, "the measurement broke off: {error}"),
            PerfError::Stopped => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for PerfError {}

/// How a measurement goes.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since its beginning.
    pub elapsed: Duration,
    /// Bytes that have arrived, as far as the client knows.
    pub bytes: u64,
    /// Upload: what its sender knows.
    pub sender: Option<StreamStats>,
}

/// Measures one direction against the server at `addr`, from a socket of its own. `progress` hears
/// of it ten times a second. It ends early when `stop` does, with what there is by then.
///
/// # Errors
/// Why there is no measurement.
///
/// # Cancel safety
/// Dropped before it is done, the measurement ends; the server learns of it by silence.
pub async fn measure(
    config: &KcpConfig,
    addr: SocketAddr,
    direction: Direction,
    time: Duration,
    mut progress: impl FnMut(Progress),
    stop: impl Future<Output = ()>,
) -> Result<Outcome, PerfError> {
    let config = KcpConfig { stream: true, ..config.clone() };
    let unreachable = |error: KcpError| PerfError::Unreachable(error);
    let transport = UdpTransport::connect(&config, addr).map_err(|e| unreachable(e.into()))?;
    let peer = transport.peer_addr().unwrap_or(addr);
    let (endpoint, driver) =
        KcpEndpoint::with_driver(config.clone(), transport).map_err(unreachable)?;
    let mut driver = pin!(driver);
    let mut watch =
        Watch { began: now(), progress: &mut progress, count: Count::new(time), measuring: false };
    let talk = async {
        let opened = endpoint.connect_with_conv(perf_conv(), peer).await;
        let stream = opened.map_err(|error| match error {
            KcpError::TimedOut if config.secure.is_some() => PerfError::NoAnswer,
            error => refused(error),
        })?;
        let mut load = Load::new(stream, &config);
        let stopped = async {
            stop.await;
            Err(PerfError::Stopped)
        };
        let result = future::or(talk(&mut load, direction, time, &mut watch), stopped).await;
        let result = match result {
            Err(PerfError::Stopped) => watch.so_far(direction, &load).ok_or(PerfError::Stopped),
            result => result,
        };
        load.stream.abort();
        result
    };
    let drive = async {
        let ended = driver.as_mut().await.err().unwrap_or(KcpError::Closed);
        Err(PerfError::Broken(ended))
    };
    let result = future::or(talk, drive).await;
    // A server in the middle of sending takes the reset for a forged one if it echoes what is acknowledged
    // already: its next segments are answered by others, for which the endpoint has to be there.
    let is_cut = matches!(&result, Ok(outcome) if !outcome.complete);
    let _endpoint = is_cut.then_some(endpoint);
    let _ = within(RST_FLUSH, driver).await;
    result
}

/// A server that does not measure resets the stream at once.
fn refused(error: KcpError) -> PerfError {
    match error {
        KcpError::Reset => PerfError::Off,
        error => PerfError::Unreachable(error),
    }
}

async fn talk(
    load: &mut Load,
    direction: Direction,
    time: Duration,
    watch: &mut Watch<'_>,
) -> Result<Outcome, PerfError> {
    let request = Request { direction, time }.encode();
    load.write_all(&request, GRACE).await.map_err(refused)?;
    let mut answer = [0; LEN];
    load.read_exact(&mut answer, GRACE).await.map_err(|error| match error {
        KcpError::Closed => PerfError::Foreign,
        error => refused(error),
    })?;
    match Answer::decode(&answer) {
        Some(Answer::Accepted) => {}
        Some(Answer::Busy) => return Err(PerfError::Busy),
        Some(Answer::Version(theirs)) => return Err(PerfError::Version(theirs)),
        Some(Answer::Malformed) => return Err(PerfError::NotAccepted),
        None => return Err(PerfError::Foreign),
    }
    (watch.began, watch.measuring) = (now(), true);
    let measured = match direction {
        Direction::Upload => upload(load, time, watch).await,
        Direction::Download => download(load, time, watch).await,
    };
    let (received, sent) = measured.map_err(PerfError::Broken)?;
    Ok(Outcome { direction, received, sent, complete: true })
}

type Measured = Result<(Received, Option<Sent>), KcpError>;

async fn upload(load: &mut Load, time: Duration, watch: &mut Watch<'_>) -> Measured {
    let (block, mut at) = (block(), 0);
    let mut report = Vec::with_capacity(RECEIVED_LEN);
    loop {
        match load.next(&block[at..]).await? {
            Event::Wrote(n) => at = (at + n) % BLOCK,
            Event::Read(0) => return Err(KcpError::Closed),
            Event::Read(n) => report.extend_from_slice(load.scratch.get(..n).unwrap_or_default()),
            Event::Tick => {
                watch.tell(load.acknowledged(), Some(load.stream.stats()));
            }
        }
        if let Some(report) = report.first_chunk::<RECEIVED_LEN>() {
            return Ok((Received::decode(report), Some(load.sent())));
        }
        if watch.began.elapsed() > time + GRACE {
            return Err(KcpError::TimedOut);
        }
    }
}

async fn download(load: &mut Load, time: Duration, watch: &mut Watch<'_>) -> Measured {
    let mut blocks = Blocks::default();
    while !blocks.ended {
        match load.next(&[]).await? {
            Event::Read(0) => return Err(KcpError::Closed),
            Event::Read(n) => {
                let payload = blocks.feed(load.scratch.get(..n).unwrap_or_default());
                watch.count.add(payload);
            }
            Event::Wrote(_) => {}
            Event::Tick => watch.tell(watch.count.bytes, None),
        }
        if watch.began.elapsed() > time + GRACE {
            if !watch.count.has_begun() {
                return Err(KcpError::TimedOut);
            }
            // A long queue: what arrived in time is known, the sender's view is not.
            return Ok((watch.count.received(), None));
        }
    }
    let received = watch.count.received();
    let mut report = [0; SENT_LEN];
    let asked = async {
        load.write_all(&[ASK], GRACE).await?;
        load.read_exact(&mut report, GRACE).await
    };
    if asked.await.is_err() {
        return Ok((received, None));
    }
    // An older server closes instead.
    let mut path = [0; PATH_LEN];
    let told = load.read_exact(&mut path, GRACE).await.ok();
    let path = told.map(|()| PathSummary::decode(&path));
    Ok((received, Some(Sent { path, ..Sent::decode(&report) })))
}

/// Reads the blocks of a download.
#[derive(Debug, Default)]
struct Blocks {
    /// Bytes of the block that are still to come.
    left: usize,
    ended: bool,
}

impl Blocks {
    /// Takes what has arrived; returns how much of it is payload.
    fn feed(&mut self, mut bytes: &[u8]) -> u64 {
        let mut payload = 0;
        while let (Some(&first), false) = (bytes.first(), self.ended) {
            if self.left == 0 {
                // Anything else is not spoken here: it ends too.
                self.ended = first != MORE;
                self.left = BLOCK - 1;
                bytes = &bytes[1..];
            } else {
                let n = bytes.len().min(self.left);
                self.left -= n;
                payload += n as u64;
                bytes = &bytes[n..];
            }
        }
        payload
    }
}

/// Tells of the progress, and knows what there is when it is stopped.
struct Watch<'a> {
    began: Instant,
    progress: &'a mut dyn FnMut(Progress),
    /// What arrives of a download.
    count: Count,
    /// Whether the server has agreed.
    measuring: bool,
}

impl Watch<'_> {
    /// What was measured until now, if anything was.
    fn so_far(&self, direction: Direction, load: &Load) -> Option<Outcome> {
        let (received, sent) = match direction {
            Direction::Upload => {
                let elapsed = self.began.elapsed();
                (Received { bytes: load.acknowledged(), elapsed }, Some(load.sent()))
            }
            Direction::Download => (self.count.received(), None),
        };
        let outcome = Outcome { direction, received, sent, complete: false };
        (self.measuring && received.bytes > 0).then_some(outcome)
    }

    fn tell(&mut self, bytes: u64, sender: Option<StreamStats>) {
        (self.progress)(Progress { elapsed: self.began.elapsed(), bytes, sender });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::LAST;

    #[test]
    fn blocks_are_read_however_they_are_cut() {
        let mut block = vec![7; BLOCK];
        block[0] = MORE;
        let mut whole = [&block[..], &block[..]].concat();
        whole.push(LAST);
        for cut in [1, 2, 1000, BLOCK - 1, BLOCK, BLOCK + 1, whole.len()] {
            let mut blocks = Blocks::default();
            let payload: u64 = whole.chunks(cut).map(|part| blocks.feed(part)).sum();
            assert_eq!((payload, blocks.ended), (2 * (BLOCK as u64 - 1), true), "{cut}");
        }
    }
}
