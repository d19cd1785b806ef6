//! What a bad network can be told to do.

use std::fmt;
use std::time::Duration;

use super::random::below;

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
/// A datagram meets, in this order: the MTU and the blackouts, loss, duplication, the policer, the queue
/// before a link of limited rate, and the delay. The fields are those of Linux' `tc netem`, `tc police`
/// and `tc tbf`. Times at which something begins are counted from the endpoint's own beginning.
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
    /// They do not: whose jitter would let it overtake arrives with the one before it, as over a radio link
    /// that repeats what it loses. What follows a long delay comes in a lump.
    pub in_order: bool,
    /// How often a datagram skips delay and jitter, and so overtakes those under way. Needs a
    /// delay.
    pub reorder: Probability,
    /// How often a datagram is sent twice. The copy takes its own place in the queue and its own
    /// jitter.
    pub duplicate: Probability,
    /// Bits per second, at least 1,000, counting what is in the datagrams and the
    /// [`overhead`](LinkConfig::overhead) of each; `None`: sending takes no time.
    pub rate: Option<u64>,
    /// When the rate changes and to what, one after another. Needs a rate to begin with.
    pub rate_steps: Vec<RateStep>,
    /// Datagrams that may wait behind the one that is being sent, the next is dropped; `None`: as
    /// many as the link holds. Needs a rate: without one, nothing waits.
    pub queue_datagrams: Option<usize>,
    /// The same in bytes, overhead included. Both limits can be given.
    pub queue_bytes: Option<usize>,
    /// A limit that drops what is too much and lets nothing wait; `None`: there is none.
    pub policer: Option<PolicerConfig>,
    /// Times in which everything is dropped that would enter the link. What is under way arrives.
    pub blackouts: Vec<BlackoutConfig>,
    /// The largest datagram that passes, longer ones vanish without a word; `None`: all do.
    pub mtu: Option<MtuConfig>,
    /// Bytes of headers by which each datagram is longer on this link, at most 1,000: 28 for UDP and
    /// IPv4, 48 for IPv6. They count for rate, queue, policer and MTU, not for [`LinkStats::bytes`].
    ///
    /// [`LinkStats::bytes`]: crate::LinkStats::bytes
    pub overhead: usize,
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

/// A change of a link's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStep {
    /// When; after the step before.
    pub at: Duration,
    /// Bits per second from then on, at least 1,000.
    pub rate: u64,
}

/// A policer: a token bucket without a queue (RFC 2697 with one colour). A datagram that finds tokens
/// for all its bytes takes them and passes at once; one that does not is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicerConfig {
    /// Bits per second by which the bucket fills, at least 1,000.
    pub rate: u64,
    /// Bytes that the bucket holds, and has at the beginning; at least 1. No longer datagram ever
    /// passes.
    pub burst_bytes: usize,
}

/// A time in which a link takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlackoutConfig {
    /// When it begins.
    pub from: Duration,
    /// How long it lasts.
    pub lasts: Duration,
}

/// A black hole for long datagrams: a link whose MTU is smaller than the sender believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MtuConfig {
    /// The longest datagram that passes, with the link's [`overhead`](LinkConfig::overhead).
    pub bytes: usize,
    /// Since when.
    pub from: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

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
