//! `smol-kcpd ping`: round-trip times to a KCP server, printed as ping(8) does.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use async_io::Timer;
use futures_lite::future;

use super::interrupt::Interrupt;
use super::keys::NO_ANSWER;
use super::runtime::now;
use super::{HostPort, Runtime};
use smol_kcp::{happy_eyeballs, KcpConfig, KcpError, KcpPing, UdpTransport};

/// Holds the options of `smol-kcpd ping`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ping {
    /// The server.
    pub server: HostPort,
    /// How it is spoken with: the keys, if there are any.
    pub kcp: KcpConfig,
    /// Pings to send; `None`: until interrupted.
    pub count: Option<u32>,
    /// Time from one ping to the next; longer where an answer takes longer.
    pub every: Duration,
    /// Time after which a ping is lost.
    pub timeout: Duration,
}

impl Ping {
    /// Pings, and prints a line for each and a summary. Returns whether anything was answered.
    ///
    /// # Errors
    /// The name cannot be resolved, or no socket opened; those of writing and of signals.
    ///
    /// # Cancel safety
    /// Dropped before it is done, there is no summary.
    pub async fn run(&self, runtime: &Runtime, out: &mut dyn Write) -> io::Result<bool> {
        let interrupt = Interrupt::new()?;
        let mut summary = Summary::default();
        let pings = async {
            let mut ping = self.open(runtime).await?;
            self.announce(ping.peer_addr()?, out)?;
            self.pings(&mut ping, &mut summary, out).await
        };
        let interrupted = async {
            interrupt.wait().await;
            Ok(())
        };
        future::or(pings, interrupted).await?;
        write!(out, "--- {} ---\n{summary}", self.server)?;
        if summary.received == 0 && self.kcp.secure.is_some() {
            writeln!(out, "{NO_ANSWER}")?;
        }
        Ok(summary.received > 0)
    }

    /// Chooses the address that answers first, or else the first that the system has a route to.
    async fn open(&self, runtime: &Runtime) -> io::Result<KcpPing> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.server));
        let addrs = runtime.resolve(&self.server).await.map_err(named)?;
        if addrs.len() > 1 {
            let answered = happy_eyeballs(&addrs, |addr| async move {
                let transport = UdpTransport::connect(&self.kcp, addr)?;
                let mut ping = KcpPing::with_config(&self.kcp, transport, addr)?;
                ping.ping(self.timeout).await?;
                Ok::<_, KcpError>(ping)
            });
            if let Ok((_, ping)) = answered.await {
                return Ok(ping);
            }
        }
        let ping = KcpPing::connect(&self.kcp, &addrs[..]).await;
        ping.map_err(|error| named(error.into()))
    }

    fn announce(&self, addr: SocketAddr, out: &mut dyn Write) -> io::Result<()> {
        match self.server.literal() {
            Some(_) => writeln!(out, "KCP ping {}", self.server),
            None => writeln!(out, "KCP ping {} ({addr})", self.server),
        }
    }

    async fn pings(
        &self,
        ping: &mut KcpPing,
        summary: &mut Summary,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut next = now();
        while self.count.is_none_or(|count| summary.sent < count) {
            Timer::at(next).await;
            // Late pings are not made up for.
            next = (next + self.every).max(now());
            summary.sent = summary.sent.saturating_add(1);
            let (number, from) = (summary.sent, ping.peer_addr()?);
            match ping.ping(self.timeout).await {
                Ok(rtt) => {
                    summary.add(rtt);
                    writeln!(out, "answer from {from}: number={number} time={} ms", Millis(rtt))?;
                }
                Err(KcpError::TimedOut) => {
                    writeln!(out, "no answer: number={number} within {:?}", self.timeout)?;
                }
                Err(KcpError::Refused) => {
                    writeln!(out, "refused: number={number}, nobody listens at {from}")?;
                }
                Err(error) => writeln!(out, "failed: number={number}, {error}")?,
            }
            out.flush()?;
        }
        Ok(())
    }
}

/// Sums up the round-trip times.
#[derive(Clone, Debug, Default)]
struct Summary {
    sent: u32,
    received: u32,
    min: Duration,
    max: Duration,
    /// Sum of microseconds, and of their squares.
    sum: u128,
    squares: u128,
}

impl Summary {
    fn add(&mut self, rtt: Duration) {
        self.min = if self.received == 0 { rtt } else { self.min.min(rtt) };
        self.max = self.max.max(rtt);
        self.received = self.received.saturating_add(1);
        let micros = rtt.as_micros();
        self.sum = self.sum.saturating_add(micros);
        self.squares = self.squares.saturating_add(micros.saturating_mul(micros));
    }

    /// Returns mean and standard deviation, which ping(8) calls mdev. In whole numbers: routers have no
    /// floating-point unit.
    fn mean(&self) -> (Duration, Duration) {
        let count = u128::from(self.received.max(1));
        let spread = self.squares.saturating_mul(count);
        let variance = spread.saturating_sub(self.sum.saturating_mul(self.sum)) / (count * count);
        let micros = |n: u128| Duration::from_micros(u64::try_from(n).unwrap_or(u64::MAX));
        (micros((self.sum + count / 2) / count), micros(variance.isqrt()))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = u64::from(self.sent.saturating_sub(self.received)) * 1000;
        let tenths = lost / u64::from(self.sent.max(1));
        let (sent, received, loss) = (self.sent, self.received, tenths / 10);
        writeln!(f, "{sent} sent, {received} received, {loss}.{} % loss", tenths % 10)?;
        if self.received > 0 {
            let (mean, deviation) = self.mean();
            let [min, mean, max, deviation] = [self.min, mean, self.max, deviation].map(Millis);
            writeln!(f, "rtt min/avg/max/jitter = {min}/{mean}/{max}/{deviation} ms")?;
        }
        Ok(())
    }
}

/// Prints microseconds as milliseconds with three decimal places.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_millis(), self.0.subsec_micros() % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_loss_and_the_spread_of_what_came_back() {
        let mut summary = Summary { sent: 4, ..Summary::default() };
        [10_000, 12_000, 20_500]
            .into_iter()
            .for_each(|micros| summary.add(Duration::from_micros(micros)));
        let text = summary.to_string();
        // Population deviation of 10, 12, 20.5: sqrt(((4.167)² + (2.167)² + (6.333)²) / 3).
        let expected = "4 sent, 3 received, 25.0 % loss\n\
                        rtt min/avg/max/jitter = 10.000/14.167/20.500/4.552 ms\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn nothing_received_has_no_round_trip() {
        let summary = Summary { sent: 2, ..Summary::default() };
        assert_eq!(summary.to_string(), "2 sent, 0 received, 100.0 % loss\n");
        assert_eq!(Summary::default().to_string(), "0 sent, 0 received, 0.0 % loss\n");
    }

    #[test]
    fn equal_times_have_no_jitter_and_microseconds_are_kept() {
        let mut summary = Summary { sent: 3, ..Summary::default() };
        (0..3).for_each(|_| summary.add(Duration::from_micros(83)));
        assert!(summary.to_string().ends_with("= 0.083/0.083/0.083/0.000 ms\n"), "{summary}");
        assert_eq!(Millis(Duration::from_micros(1_234_567)).to_string(), "1234.567");
    }
}
