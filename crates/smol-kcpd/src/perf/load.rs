//! A stream under load.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::{AsyncRead, AsyncWrite, Stream};

use super::path::PathSamples;
use super::Sent;
use crate::runtime::{now, within};
use smol_kcp::{KcpConfig, KcpError, KcpStream};

/// Between two looks at the statistics.
const TICK: Duration = Duration::from_millis(100);

/// Bytes read at a time.
const SCRATCH: usize = 32 * 1024;

/// What happens next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// So many bytes are in [`Load::scratch`]; 0: the peer has closed.
    Read(usize),
    /// So many bytes were taken.
    Wrote(usize),
    /// Time has passed.
    Tick,
}

/// A stream whose round trips are watched.
pub(super) struct Load {
    pub stream: KcpStream,
    pub scratch: Vec<u8>,
    /// Bytes of payload in a full segment.
    mss: u64,
    ticks: Timer,
    samples: Samples,
    path: PathSamples,
}

impl Load {
    pub(super) fn new(stream: KcpStream, config: &KcpConfig) -> Load {
        let path = PathSamples::new(stream.stats());
        Load {
            stream,
            scratch: vec![0; SCRATCH],
            mss: config.mss() as u64,
            ticks: Timer::interval(TICK),
            samples: Samples::default(),
            path,
        }
    }

    /// Waits until something has been read, some of `out` was taken, or time has passed. Nothing is
    /// lost when it is dropped.
    pub(super) async fn next(&mut self, out: &[u8]) -> Result<Event, KcpError> {
        let event = poll_fn(|cx| {
            if Pin::new(&mut self.ticks).poll_next(cx).is_ready() {
                return Poll::Ready(Ok(Event::Tick));
            }
            if let Poll::Ready(n) = Pin::new(&mut self.stream).poll_read(cx, &mut self.scratch) {
                return Poll::Ready(n.map(Event::Read));
            }
            if !out.is_empty() {
                if let Poll::Ready(n) = Pin::new(&mut self.stream).poll_write(cx, out) {
                    return Poll::Ready(n.map(Event::Wrote));
                }
            }
            Poll::Pending
        });
        let event = event.await?;
        if event == Event::Tick {
            // Before the first acknowledgement there is nothing to see.
            if self.acknowledged() > 0 {
                let stats = self.stream.stats();
                self.samples.add(stats.srtt);
                self.path.add(&stats);
            }
        }
        Ok(event)
    }

    /// Reads until `buf` is full, within `limit`.
    ///
    /// # Errors
    /// [`KcpError::TimedOut`]; [`KcpError::Closed`] where the peer closes before.
    pub(super) async fn read_exact(
        &mut self,
        buf: &mut [u8],
        limit: Duration,
    ) -> Result<(), KcpError> {
        let mut missing = &mut buf[..];
        let read = async {
            while !missing.is_empty() {
                let n = self.stream.recv(missing).await?;
                if n == 0 {
                    return Err(KcpError::Closed);
                }
                missing = missing.get_mut(n..).unwrap_or_default();
            }
            Ok(())
        };
        within(limit, read).await.unwrap_or(Err(KcpError::TimedOut))
    }

    /// Writes all of `bytes`, within `limit`.
    ///
    /// # Errors
    /// [`KcpError::TimedOut`]; what ended the stream.
    pub(super) async fn write_all(
        &mut self,
        mut bytes: &[u8],
        limit: Duration,
    ) -> Result<(), KcpError> {
        let write = async {
            while !bytes.is_empty() {
                let n = self.stream.send(bytes).await?;
                bytes = bytes.get(n..).unwrap_or_default();
            }
            Ok(())
        };
        within(limit, write).await.unwrap_or(Err(KcpError::TimedOut))
    }

    /// Bytes that have left for the first time.
    pub(super) fn carried(&self) -> u64 {
        let stats = self.stream.stats();
        // The segments that wait are not all full.
        stats.bytes_sent.saturating_sub(stats.send_queue as u64 * self.mss).max(stats.bytes_acked)
    }

    /// Bytes that the peer has acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.stream.stats().bytes_acked
    }

    /// What the sender has to say.
    pub(super) fn sent(&self) -> Sent {
        let stats = self.stream.stats();
        Sent {
            payload: self.carried(),
            wire: stats.wire_bytes_sent,
            segments: stats.segments_sent,
            timeout_retransmits: stats.timeout_retransmits,
            fast_retransmits: stats.fast_retransmits,
            srtt: self.samples.mean(),
            srtt_min: self.samples.min,
            srtt_max: self.samples.max,
            path: self.path.summary(),
        }
    }
}

/// The receiver's time: `limit` from the first byte on.
#[derive(Debug)]
pub(super) struct Count {
    pub bytes: u64,
    limit: Duration,
    began: Option<Instant>,
}

impl Count {
    pub(super) fn new(limit: Duration) -> Count {
        Count { bytes: 0, limit, began: None }
    }

    /// So many bytes have arrived; they count if it is not too late.
    pub(super) fn add(&mut self, bytes: u64) {
        let began = *self.began.get_or_insert_with(now);
        if began.elapsed() < self.limit {
            self.bytes += bytes;
        }
    }

    /// The time since the first byte.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    pub(super) fn has_begun(&self) -> bool {
        self.began.is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        self.elapsed() >= self.limit
    }

    pub(super) fn received(&self) -> super::Received {
        super::Received { bytes: self.bytes, elapsed: self.elapsed().min(self.limit) }
    }
}

/// Round-trip times.
#[derive(Clone, Copy, Debug, Default)]
struct Samples {
    count: u32,
    sum: Duration,
    min: Duration,
    max: Duration,
}

impl Samples {
    fn add(&mut self, sample: Duration) {
        self.min = if self.count == 0 { sample } else { self.min.min(sample) };
        self.max = self.max.max(sample);
        self.sum += sample;
        self.count += 1;
    }

    fn mean(&self) -> Duration {
        self.sum / self.count.max(1)
    }
}

/// Bytes that no link compresses (a linear congruential generator, Numerical Recipes' constants).
pub(super) fn block() -> Vec<u8> {
    let mut state = 1u32;
    let step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(step).take(super::BLOCK).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_a_mean_and_two_ends() {
        let mut samples = Samples::default();
        assert_eq!(samples.mean(), Duration::ZERO);
        [40, 10, 70].into_iter().for_each(|ms| samples.add(Duration::from_millis(ms)));
        let ends = (samples.min.as_millis(), samples.mean().as_millis(), samples.max.as_millis());
        assert_eq!(ends, (10, 40, 70));
    }
}
