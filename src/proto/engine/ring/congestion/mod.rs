//! How much may be in flight beyond what both windows say: the seam for congestion controllers.
//!
//! A controller is a variant here and a file beside this one. It hears of every event and answers
//! two questions: how large the [window](Congestion::window) is and how many new segments the
//! [pace](Congestion::budget) allows now.

mod ikcp;

use self::ikcp::Ikcp;
use crate::proto::engine::knobs::Knobs;

/// The congestion controller of one session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Congestion {
    /// None (`nc`): only the windows of both ends bound what is in flight.
    None,
    /// The one of ikcp.c.
    Ikcp(Ikcp),
}

/// What every event comes with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// Numbers from the oldest unacknowledged segment to the newest sent one.
    pub span: u32,
    /// The smaller window of both ends, in segments.
    pub windows: u32,
    /// The peer's window alone.
    pub peer_window: u32,
}

impl Congestion {
    pub fn new(knobs: &Knobs) -> Congestion {
        match knobs.nc {
            true => Congestion::None,
            false => Congestion::Ikcp(Ikcp::new(knobs.mss, knobs.resend)),
        }
    }

    /// How many segments may be in flight.
    pub fn window(&self) -> u32 {
        match self {
            Congestion::None => u32::MAX,
            Congestion::Ikcp(ikcp) => ikcp.window(),
        }
    }

    /// How many segments may be sent for the first time now; a pacing controller says less.
    pub fn budget(&self) -> u32 {
        match self {
            Congestion::None | Congestion::Ikcp(_) => u32::MAX,
        }
    }

    /// A datagram has acknowledged `newly` segments; the oldest unacknowledged number has
    /// `advanced`, or only others were acknowledged.
    pub fn on_ack(&mut self, newly: usize, advanced: bool, path: Path) {
        match self {
            Congestion::None => {}
            Congestion::Ikcp(ikcp) if newly > 0 && advanced => ikcp.on_advance(path),
            Congestion::Ikcp(_) => {}
        }
    }

    /// A flush has sent segments again because later ones were acknowledged.
    pub fn on_loss(&mut self, path: Path) {
        match self {
            Congestion::None => {}
            Congestion::Ikcp(ikcp) => ikcp.on_loss(path),
        }
    }

    /// A flush has sent segments again because their timeout had passed.
    pub fn on_timeout(&mut self, path: Path) {
        match self {
            Congestion::None => {}
            Congestion::Ikcp(ikcp) => ikcp.on_timeout(path),
        }
    }

    /// A flush has sent `segments` for the first time.
    pub fn on_sent(&mut self, segments: u32) {
        let _ = segments;
        match self {
            Congestion::None | Congestion::Ikcp(_) => {}
        }
    }
}
