//! How much may be in flight beyond what both windows say: the seam for congestion controllers.
//!
//! A controller is a variant here and a file beside this one. It hears of every event and answers
//! two questions: how large the [window](Congestion::window) is and what the
//! [pace](Congestion::budget) allows now.

mod ikcp;
#[cfg(test)]
mod steady;

#[cfg(test)]
pub(super) use self::steady::Steady;

use self::ikcp::Ikcp;
use super::rtt::Rtt;
use crate::arq::knobs::Knobs;

/// The congestion controller of one session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Congestion {
    /// None (`nc`): only the windows of both ends bound what is in flight.
    None,
    /// The one of ikcp.c.
    Ikcp(Ikcp),
    /// A fixed pace, with which the tests show that the seam carries one.
    #[cfg(test)]
    Steady(Steady),
}

/// What every event comes with.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlowLimits {
    /// Numbers from the oldest unacknowledged segment to the newest sent one.
    pub span: u32,
    /// The smaller window of both ends, in segments.
    pub windows: u32,
    /// The peer's window alone.
    pub peer_window: u32,
}

/// What a datagram has acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    /// Segments acknowledged for the first time.
    pub newly: u32,
    /// Has the oldest unacknowledged number gone on, or were only others acknowledged?
    pub advanced: bool,
}

/// What the pace allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Segments that may be sent for the first time now.
    pub segments: u32,
    /// The clock, later than now, at which it will be more; `None`: when something is acknowledged.
    pub more_at: Option<u64>,
}

impl Budget {
    /// As many as the windows allow.
    const ALL: Budget = Budget { segments: u32::MAX, more_at: None };
}

impl Congestion {
    pub(super) fn new(knobs: &Knobs) -> Congestion {
        match knobs.nc {
            // ikcp.c's `nocwnd`: most of its users set it, as its window collapses at the first
            // loss.
            true => Congestion::None,
            false => Congestion::Ikcp(Ikcp::new(knobs.mss, knobs.resend)),
        }
    }

    /// How many segments may be in flight.
    pub(super) fn window(&self) -> u32 {
        match self {
            Congestion::None => u32::MAX,
            Congestion::Ikcp(ikcp) => ikcp.window(),
            #[cfg(test)]
            Congestion::Steady(_) => u32::MAX,
        }
    }

    /// What the pace allows at `clock`.
    pub(super) fn budget(&self, clock: u64) -> Budget {
        let _ = clock;
        match self {
            Congestion::None | Congestion::Ikcp(_) => Budget::ALL,
            #[cfg(test)]
            Congestion::Steady(steady) => steady.budget(clock),
        }
    }

    /// A datagram has acknowledged something. What a controller of rates needs beside that is at
    /// hand: the clock, the round trip ([`Rtt::latest`] of this datagram's newest echo, and the
    /// shortest), and the bytes delivered so far.
    pub(super) fn on_ack(
        &mut self,
        clock: u64,
        acked: Acked,
        rtt: &Rtt,
        delivered: u64,
        limits: FlowLimits,
    ) {
        let _ = (clock, rtt, delivered);
        match self {
            Congestion::None => {}
            // ikcp_input grows the window only where `snd_una` has gone on, however much was
            // acknowledged.
            Congestion::Ikcp(ikcp) if acked.newly > 0 && acked.advanced => ikcp.on_advance(limits),
            Congestion::Ikcp(_) => {}
            #[cfg(test)]
            Congestion::Steady(steady) => steady.on_ack(clock, acked, rtt, delivered),
        }
    }

    /// A flush has sent segments again because later ones were acknowledged.
    pub(super) fn on_loss(&mut self, limits: FlowLimits) {
        match self {
            Congestion::None => {}
            Congestion::Ikcp(ikcp) => ikcp.on_loss(limits),
            #[cfg(test)]
            Congestion::Steady(_) => {}
        }
    }

    /// A flush has sent segments again because their timeout had passed.
    pub(super) fn on_timeout(&mut self, limits: FlowLimits) {
        match self {
            Congestion::None => {}
            Congestion::Ikcp(ikcp) => ikcp.on_timeout(limits),
            #[cfg(test)]
            Congestion::Steady(_) => {}
        }
    }

    /// A flush has sent `segments` with `bytes` of payload for the first time.
    pub(super) fn on_sent(&mut self, clock: u64, segments: u32, bytes: u64) {
        let _ = (clock, segments, bytes);
        match self {
            Congestion::None | Congestion::Ikcp(_) => {}
            #[cfg(test)]
            Congestion::Steady(steady) => steady.on_sent(clock, segments, bytes),
        }
    }
}
