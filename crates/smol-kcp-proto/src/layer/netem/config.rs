//! What a bad network can be told to do.

use std::fmt;
use std::time::Duration;

use super::random::below;
use crate::error::KcpError;

/// Longest accepted delay of a link: more than any path on Earth, and finite.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Slowest accepted link in bits per second; the longest datagram takes it nine minutes.
const MIN_RATE: u64 = 1000;

/// How often something happens, in millionths.
///
/// ```
/// # use smol_kcp::Probability;
/// assert_eq!(Probability::percent(2), Probability::per_million(20_000));
/// assert_eq!(Probability::default(), Probability::NEVER);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u32);

impl Probability {
    /// It does not happen.
    pub const NEVER: Probability = Probability(0);
    /// It happens every time.
    pub const ALWAYS: Probability = Probability(1_000_000);

    /// `n` times in a hundred. More than 100 is refused by [`NetemConfig::check`].
    pub const fn percent(n: u32) -> Probability {
        Probability(n.saturating_mul(10_000))
    }

    /// `n` times in a million. More than 1,000,000 is refused by [`NetemConfig::check`].
    pub const fn per_million(n: u32) -> Probability {
        Probability(n)
    }

    /// Does it happen, given this random number?
    pub(super) fn hits(self, random: u64) -> bool {
        below(random, Probability::ALWAYS.0) < self.0
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per million", self.0)
    }
}

/// A bad network between an endpoint and its socket: it loses, delays, repeats and reorders
/// datagrams, the same way each time for the same seed and the same datagrams.
///
/// ```
/// # use std::time::Duration;
/// # use smol_kcp::{KcpConfig, LinkConfig, NetemConfig, Probability};
/// let radio = LinkConfig {
///     loss: Probability::percent(5),
///     delay: Duration::from_millis(40),
///     jitter: Duration::from_millis(10),
///     ..LinkConfig::default()
/// };
/// let config = KcpConfig {
///     netem: Some(NetemConfig { seed: 7, send: radio.clone(), receive: radio }),
///     ..KcpConfig::default()
/// };
/// # assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetemConfig {
    /// What the fate of every datagram is drawn from: under equal seeds equal datagrams have equal fates.
    pub seed: u64,
    /// The way of datagrams that this endpoint sends.
    pub send: LinkConfig,
    /// The way of datagrams that this endpoint receives.
    pub receive: LinkConfig,
}

/// One direction of a bad network. The default is a perfect link: nothing is lost, nothing waits.
///
/// A datagram meets, in this order: loss, duplication, the queue before a link of limited rate, and
/// the delay. The fields are those of Linux' `tc netem`.
///
/// Whatever is configured, a link holds at most 32,768 datagrams and 32 MiB; what comes on top is
/// dropped and counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkConfig {
    /// How often a datagram is lost; with [`bursts`](LinkConfig::bursts), between them.
    pub loss: Probability,
    /// Times of heavier loss; `None`: every datagram is lost or not independently of its
    /// neighbours.
    pub bursts: Option<BurstConfig>,
    /// Time on the way, at most one minute.
    pub delay: Duration,
    /// The delay varies evenly by so much to both sides; at most the delay. Datagrams closer to
    /// each other than twice the jitter can change places.
    pub jitter: Duration,
    /// How often a datagram skips delay and jitter, and so overtakes those under way. Needs a
    /// delay.
    pub reorder: Probability,
    /// How often a datagram is sent twice. The copy takes its own place in the queue and its own
    /// jitter.
    pub duplicate: Probability,
    /// Bits per second, at least 1,000, counting what is in the datagrams without UDP and IP
    /// headers; `None`: sending takes no time.
    pub rate: Option<u64>,
    /// Datagrams that may wait behind the one that is being sent, the next is dropped; `None`: as
    /// many as the link holds. Needs a rate: without one, nothing waits.
    pub queue_datagrams: Option<usize>,
    /// The same in bytes. Both limits can be given.
    pub queue_bytes: Option<usize>,
}

/// Losses that come in bursts: the model of Gilbert and Elliott. Before each datagram the link may
/// go from its good state to its bad one or back.
///
/// A burst lasts 1 / `leave` datagrams on average, and the link is in bursts for
/// `enter` / (`enter` + `leave`) of all datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BurstConfig {
    /// How often a datagram in the good state begins a burst.
    pub enter: Probability,
    /// How often a datagram in a burst ends it; more than never.
    pub leave: Probability,
    /// How often a datagram is lost in a burst.
    pub loss: Probability,
}

impl NetemConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`KcpError::Config`] with the name of the first bad field, such as `netem.send.loss`.
    pub fn check(&self) -> Result<(), KcpError> {
        self.send.check(&SEND)?;
        self.receive.check(&RECEIVE)
    }
}

/// The names of a link's fields, as errors give them.
struct Names {
    loss: &'static str,
    enter: &'static str,
    leave: &'static str,
    burst_loss: &'static str,
    delay: &'static str,
    jitter: &'static str,
    reorder: &'static str,
    duplicate: &'static str,
    rate: &'static str,
    queue_datagrams: &'static str,
    queue_bytes: &'static str,
}

macro_rules! names {
    ($link:literal) => {
        Names {
            loss: concat!($link, ".loss"),
            enter: concat!($link, ".bursts.enter"),
            leave: concat!($link, ".bursts.leave"),
            burst_loss: concat!($link, ".bursts.loss"),
            delay: concat!($link, ".delay"),
            jitter: concat!($link, ".jitter"),
            reorder: concat!($link, ".reorder"),
            duplicate: concat!($link, ".duplicate"),
            rate: concat!($link, ".rate"),
            queue_datagrams: concat!($link, ".queue_datagrams"),
            queue_bytes: concat!($link, ".queue_bytes"),
        }
    };
}

const SEND: Names = names!("netem.send");
const RECEIVE: Names = names!("netem.receive");

impl LinkConfig {
    fn check(&self, names: &Names) -> Result<(), KcpError> {
        probability(names.loss, self.loss)?;
        if let Some(bursts) = &self.bursts {
            probability(names.enter, bursts.enter)?;
            probability(names.leave, bursts.leave)?;
            probability(names.burst_loss, bursts.loss)?;
            if bursts.leave == Probability::NEVER {
                let accepted = format!("1 to {}: a burst has to end", Probability::ALWAYS);
                return refused(names.leave, bursts.leave, accepted);
            }
        }
        if self.delay > MAX_DELAY {
            return refused(names.delay, Shown(self.delay), format!("0s to {MAX_DELAY:?}"));
        }
        if self.jitter > self.delay {
            let accepted = format!("0s to {:?}, the delay", self.delay);
            return refused(names.jitter, Shown(self.jitter), accepted);
        }
        probability(names.reorder, self.reorder)?;
        if self.reorder != Probability::NEVER && self.delay.is_zero() {
            return refused(names.reorder, self.reorder, "never, without a delay to skip".into());
        }
        probability(names.duplicate, self.duplicate)?;
        match self.rate {
            Some(rate) if rate < MIN_RATE => {
                return refused(names.rate, rate, format!("{MIN_RATE}.. bits per second"));
            }
            Some(_) => {}
            None => {
                for (name, limit) in [
                    (names.queue_datagrams, self.queue_datagrams),
                    (names.queue_bytes, self.queue_bytes),
                ] {
                    if let Some(limit) = limit {
                        return refused(name, limit, "none, without a rate to wait for".into());
                    }
                }
            }
        }
        Ok(())
    }
}

/// A duration reads better in its debug form: `40ms`.
struct Shown(Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn probability(field: &'static str, value: Probability) -> Result<(), KcpError> {
    if value > Probability::ALWAYS {
        return refused(field, value, format!("0 to {}", Probability::ALWAYS));
    }
    Ok(())
}

fn refused(
    field: &'static str,
    value: impl fmt::Display,
    accepted: String,
) -> Result<(), KcpError> {
    Err(KcpError::Config { field, value: value.to_string(), accepted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(link: LinkConfig) -> NetemConfig {
        NetemConfig { send: link, ..NetemConfig::default() }
    }

    fn receive(link: LinkConfig) -> NetemConfig {
        NetemConfig { receive: link, ..NetemConfig::default() }
    }

    fn refusal(config: &NetemConfig) -> String {
        config.check().expect_err("must be refused").to_string()
    }

    #[test]
    fn a_perfect_and_a_thoroughly_bad_network_are_accepted() {
        assert!(NetemConfig::default().check().is_ok());
        let bad = LinkConfig {
            loss: Probability::ALWAYS,
            bursts: Some(BurstConfig {
                enter: Probability::NEVER,
                leave: Probability::per_million(1),
                loss: Probability::ALWAYS,
            }),
            delay: MAX_DELAY,
            jitter: MAX_DELAY,
            reorder: Probability::ALWAYS,
            duplicate: Probability::ALWAYS,
            rate: Some(MIN_RATE),
            queue_datagrams: Some(0),
            queue_bytes: Some(0),
        };
        assert!(NetemConfig { seed: 0, send: bad.clone(), receive: bad }.check().is_ok());
    }

    #[test]
    fn a_bad_field_is_named_with_its_direction() {
        let lossy = LinkConfig { loss: Probability::percent(101), ..LinkConfig::default() };
        assert_eq!(
            refusal(&send(lossy.clone())),
            "configuration: netem.send.loss = 1010000 per million: must be 0 to 1000000 per million"
        );
        assert!(refusal(&receive(lossy)).contains("netem.receive.loss = "));
    }

    #[test]
    fn every_field_is_checked() {
        let base = LinkConfig::default;
        let too_often = Probability::per_million(1_000_001);
        let bursts = BurstConfig {
            enter: Probability::percent(1),
            leave: Probability::percent(25),
            loss: Probability::ALWAYS,
        };
        let with = |bursts| LinkConfig { bursts: Some(bursts), ..base() };
        let delay = Duration::from_millis(10);
        for (field, link) in [
            ("bursts.enter", with(BurstConfig { enter: too_often, ..bursts.clone() })),
            ("bursts.leave", with(BurstConfig { leave: too_often, ..bursts.clone() })),
            ("bursts.leave", with(BurstConfig { leave: Probability::NEVER, ..bursts.clone() })),
            ("bursts.loss", with(BurstConfig { loss: too_often, ..bursts.clone() })),
            ("delay", LinkConfig { delay: Duration::MAX, ..base() }),
            ("jitter", LinkConfig { delay, jitter: delay * 2, ..base() }),
            ("reorder", LinkConfig { delay, reorder: too_often, ..base() }),
            ("reorder", LinkConfig { reorder: Probability::percent(1), ..base() }),
            ("duplicate", LinkConfig { duplicate: too_often, ..base() }),
            ("rate", LinkConfig { rate: Some(0), ..base() }),
            ("queue_datagrams", LinkConfig { queue_datagrams: Some(10), ..base() }),
            ("queue_bytes", LinkConfig { queue_bytes: Some(10), ..base() }),
        ] {
            let text = refusal(&receive(link));
            assert!(text.contains(&format!("netem.receive.{field} = ")), "{text}");
        }
    }

    #[test]
    fn never_and_always_mean_it() {
        for random in [0, 1, 1 << 32, 1 << 63, u64::MAX] {
            assert!(!Probability::NEVER.hits(random));
            assert!(Probability::ALWAYS.hits(random));
        }
        // One in a million: 4,294 of the 2^32 upper halves, and the one that is cut.
        assert!(Probability::per_million(1).hits(4_294 << 32));
        assert!(!Probability::per_million(1).hits(4_295 << 32));
    }

    #[test]
    fn too_many_percent_saturate_and_are_still_too_many() {
        assert!(Probability::percent(u32::MAX) > Probability::ALWAYS);
    }
}
