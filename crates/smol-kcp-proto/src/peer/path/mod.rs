//! The way to a peer: how much may leave on it now.
//!
//! One controller and one pacer for each path, shared by all conversations with the peer: fifty
//! connections of a page are not fifty start-ups. The engines report what was sent, acknowledged and lost;
//! the router asks for an [`Allowance`] before each flush. Everything is in bytes of segments, header
//! included, and in the time that the caller gives. docs/rate.md tells the algorithm and its constants.

mod auto;
mod cubic;
mod delivery;
mod mtu;
mod pacer;
#[cfg(feature = "kcptun")]
mod parity;
mod rounds;
mod stats;

use std::collections::VecDeque;
use std::time::Duration;

use self::auto::Auto;
pub use self::auto::Phase;
pub(crate) use self::mtu::{PathMtu, Step};
use self::pacer::Pacer;
#[cfg(feature = "kcptun")]
use self::parity::ParityGate;
pub use self::stats::PathStats;
use crate::arq::{Allowance, FlowReport};
use crate::config::{KcpConfig, Rate};
use crate::key::Key;
#[cfg(feature = "kcptun")]
use crate::layer::fec::FecMode;
use crate::time::Time;

/// Segments of the first flight, and how many of them leave at once (RFC 6928); the others are spread over the
/// round trip.
const INITIAL: u64 = 20;
const BURST: u64 = 10;

/// Segments that a thin session may send before its turn, and that every session may have in flight however
/// full the window is: TCP's smallest window.
const THIN: u64 = 1;
const LEAST: u64 = 2;

/// Segments that the share of losses is taken of, at most.
const LOSSES_OF: u32 = 512;

/// Time for which a fixed rate is held although less arrives.
const DOUBTED: Duration = Duration::from_secs(5);

/// What is known of the way to a peer, and who waits to use it.
#[derive(Debug)]
pub(crate) struct PathRate {
    rate: Rate,
    mss: u64,
    /// How long its datagrams may be; absent before there was a reason to ask.
    mtu: Option<Box<PathMtu>>,
    /// The most that they may ever be, 0 if nothing is asked, and what layers add to them.
    longest: u32,
    overhead: u32,
    /// Absent before the first data, and where nothing is controlled.
    model: Option<Box<Model>>,
    /// Bytes sent and not acknowledged, of all sessions.
    in_flight: u64,
    /// Segments lost of late, and all of late, and how many copies follow from that.
    losses: (u32, u32),
    copies: u8,
    /// Bytes acknowledged and bytes found to be lost, from the beginning on.
    acked_bytes: u64,
    lost_bytes: u64,
    /// The round trip of the opening.
    rtt: Option<Duration>,
    /// Whether parity is worth it.
    #[cfg(feature = "kcptun")]
    pub(crate) parity: ParityGate,
    /// Sessions that have more to send than the path had room for, in turn.
    pub(crate) waiting: VecDeque<Key>,
    /// One of them has something to send again, which takes none of the window.
    pub(crate) has_resends: bool,
    /// When it was last counted what is in flight.
    pub(crate) recounted_at: Time,
    /// When the pace has room again: entry in the router's set.
    pub(crate) paced_until: Option<Time>,
    /// In the router's list of paths that may have room.
    pub(crate) is_listed: bool,
}

#[derive(Debug)]
struct Model {
    auto: Auto,
    pacer: Pacer,
    /// Since when less arrives than a fixed rate says.
    doubted_at: Option<Time>,
    /// The round that a fixed rate was judged by last.
    judged: u32,
    /// It has turned out to be wrong.
    is_refuted: bool,
    /// What it comes to, until something is acknowledged: 64-bit divisions are dear on 32-bit processors, and
    /// a flush asks several times.
    figures: Option<Figures>,
}

/// What a model comes to.
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// Nothing but the windows limits what leaves.
    is_free: bool,
    pace: Option<u64>,
    window: u64,
}

impl PathRate {
    pub(crate) fn new(config: &KcpConfig, mtu: usize) -> PathRate {
        let overhead = config.mtu.saturating_sub(mtu);
        let longest = config.longest_mtu().saturating_sub(overhead);
        let rate = match config.rate {
            _ if !config.engine.is_paced() => Rate::Off,
            // From here on in bytes of segments.
            Rate::Fixed(bits) => {
                let bytes = Rate::segment_bytes(bits, mtu as u64, overhead as u64);
                #[cfg(feature = "kcptun")]
                let bytes = config.kcp_go.as_ref().map_or(bytes, |kcp_go| match kcp_go.fec {
                    FecMode::Fixed(fec) => fec.part(bytes),
                    FecMode::Auto => bytes,
                });
                Rate::Fixed(bytes)
            }
            rate => rate,
        };
        PathRate {
            rate,
            mss: mtu as u64,
            mtu: None,
            // What the `kcp` crate cuts it goes on cutting.
            longest: if config.engine.is_paced() { longest as u32 } else { 0 },
            overhead: overhead as u32,
            model: None,
            in_flight: 0,
            losses: (0, 0),
            copies: 0,
            acked_bytes: 0,
            lost_bytes: 0,
            rtt: None,
            #[cfg(feature = "kcptun")]
            parity: ParityGate::default(),
            waiting: VecDeque::new(),
            has_resends: false,
            recounted_at: Time::ZERO,
            paced_until: None,
            is_listed: false,
        }
    }

    /// Returns the bytes of the largest datagram that new segments are cut for.
    pub(crate) fn mtu_size(&self) -> usize {
        self.mtu.as_ref().map_or(self.mss as usize, |mtu| mtu.size())
    }

    /// Returns what is known of the length that datagrams may have, if something was asked.
    pub(crate) fn mtu(&mut self) -> Option<&mut PathMtu> {
        self.mtu.as_deref_mut()
    }

    /// Returns the same, to ask for the first time; `None` where the length is fixed.
    fn mtu_or_new(&mut self) -> Option<&mut PathMtu> {
        if self.longest == 0 {
            return None;
        }
        let (size, max, overhead) = (self.mss as usize, self.longest as usize, self.overhead);
        let new = || Box::new(PathMtu::new(size, max, overhead as usize));
        Some(self.mtu.get_or_insert_with(new))
    }

    /// Returns whether the oldest segment of a session, of `bytes`, that was sent `xmit` times makes it
    /// doubtful that its length passes: then the path is to be asked. The peer was heard at `heard_at`.
    pub(crate) fn doubts_mtu(
        &mut self,
        now: Time,
        oldest: (usize, u32),
        rto: Duration,
        heard_at: Time,
    ) -> bool {
        if !PathMtu::is_doubtful(oldest) {
            return false;
        }
        let is_new = self.mtu.is_none();
        let Some(mtu) = self.mtu_or_new() else { return false };
        if is_new {
            // Others may be acknowledged all the time: nobody has looked yet.
            mtu.watch(now);
        }
        mtu.doubt(now, oldest.0, rto, heard_at)
    }

    /// Returns whether longer datagrams are to be tried, as there is much to send: then the path is to be
    /// asked.
    pub(crate) fn searches_mtu(&mut self, now: Time) -> bool {
        if self.mtu.is_none() && u64::from(self.longest) <= self.mss {
            return false;
        }
        self.mtu_or_new().is_some_and(|mtu| mtu.search(now))
    }

    /// Returns whether nothing was acknowledged for so long, in any conversation.
    pub(crate) fn is_quiet(&self, now: Time, span: Duration) -> bool {
        self.model.as_ref().is_some_and(|model| model.auto.is_quiet(now, span))
    }

    /// The opening of a conversation took so long. Returns whether that was not known.
    pub(crate) fn seed_rtt(&mut self, rtt: Duration) -> bool {
        if self.rtt.is_some() {
            return false;
        }
        self.rtt = Some(rtt);
        if let Some(model) = &mut self.model {
            model.auto.seed_rtt(rtt);
            model.figures = None;
        }
        true
    }

    /// Returns what may leave now.
    pub(crate) fn allowance(&mut self, now: Time) -> Allowance {
        if self.rate == Rate::Off {
            return Allowance::ALL;
        }
        let copies = self.copies();
        let (mss, rtt, rate) = (self.mss, self.rtt, self.rate);
        let model = self.model.get_or_insert_with(|| {
            let auto = Auto::new(now, mss, rtt, rate == Rate::Polite);
            Box::new(Model {
                auto,
                pacer: Pacer::new(now, BURST * mss),
                doubted_at: None,
                judged: 0,
                is_refuted: false,
                figures: None,
            })
        });
        let figures = model.figures(rate);
        model.figures = Some(figures);
        if figures.is_free {
            return Allowance { copies, ..Allowance::ALL };
        }
        let mut window = figures.window.saturating_sub(self.in_flight);
        if model.auto.is_silent(now) {
            // Nothing comes back, of no session: more would be lost as well.
            window = 0;
        }
        let Some(pace) = figures.pace else {
            return Allowance { pace: u64::MAX, window, copies };
        };
        model.pacer.refill(now, pace, mss);
        Allowance { pace: model.pacer.allowance(mss), window, copies }
    }

    /// Datagrams as long as before do not pass any more.
    pub(crate) fn on_black_hole(&mut self, now: Time) {
        if let Some(model) = &mut self.model {
            model.auto.on_black_hole(now);
        }
    }

    /// Returns whether what gets lost is lost by chance, and not for want of room.
    pub(crate) fn loses_by_chance(&self) -> bool {
        self.model.as_ref().is_some_and(|model| model.auto.loses_by_chance())
    }

    /// Returns the bytes that may be in flight; `None`: nothing controls that.
    pub(crate) fn window(&self) -> Option<u64> {
        let figures = self.model.as_ref()?.figures(self.rate);
        (!figures.is_free).then_some(figures.window)
    }

    /// Returns what a session may send that has nothing in flight: others may keep theirs for long.
    pub(crate) fn least_allowance(&self, allowance: Allowance) -> Allowance {
        Allowance { window: allowance.window.max(LEAST * self.mss), ..allowance }
    }

    /// Returns what a session may send that has next to nothing to send: its datagram does not wait behind
    /// everybody else's bulk.
    pub(crate) fn thin_allowance(&self, allowance: Allowance) -> Allowance {
        let least = THIN * self.mss;
        Allowance {
            pace: allowance.pace.max(least),
            window: allowance.window.max(least),
            ..allowance
        }
    }

    /// Returns when the pace has room again; `None` where it has now, or an acknowledgement is waited for.
    pub(crate) fn more_at(&mut self, allowance: Allowance) -> Option<Time> {
        let model = self.model.as_mut().filter(|_| allowance.pace == 0)?;
        let pace = model.figures(self.rate).pace?;
        Some(model.pacer.next(pace, self.mss))
    }

    /// Nobody waits for the pace any more.
    pub(crate) fn forget_more(&mut self) {
        if let Some(model) = &mut self.model {
            model.pacer.forget_due();
        }
    }

    /// So many bytes of data have left; to be told before [`add_in_flight`](PathRate::add_in_flight).
    pub(crate) fn on_sent(&mut self, now: Time, bytes: u64) {
        let Some(model) = &mut self.model else { return };
        if bytes == 0 {
            return;
        }
        if self.in_flight == 0 {
            model.auto.begin(now);
            model.figures = None;
        }
        model.auto.on_sent(now);
        if let Some(pace) = model.figures(self.rate).pace {
            model.pacer.spend(bytes, pace, self.mss);
        }
    }

    /// A session has this much more or less in flight.
    pub(crate) fn add_in_flight(&mut self, before: u64, after: u64) {
        self.in_flight = (self.in_flight + after).saturating_sub(before);
    }

    /// Nobody waits although there is room: what arrives is less than the path carries.
    pub(crate) fn limit(&mut self, now: Time) {
        if let Some(model) = &mut self.model {
            model.auto.limit(now);
        }
    }

    /// Takes a session's report of what a datagram has told it.
    pub(crate) fn on_report(&mut self, now: Time, report: &FlowReport) {
        self.count_losses(report);
        if let Some(mtu) = &mut self.mtu {
            mtu.on_acked(now, report.acked_bytes, report.acked);
        }
        let Some(model) = &mut self.model else { return };
        model.auto.on_report(now, report, self.in_flight);
        #[cfg(feature = "kcptun")]
        self.parity.on_report(now, report, model.auto.is_crowded());
        if let Rate::Fixed(rate) = self.rate {
            model.doubt(now, rate);
        }
        model.figures = None;
    }

    fn count_losses(&mut self, report: &FlowReport) {
        let (lost, all) = &mut self.losses;
        if *all > LOSSES_OF {
            (*lost, *all) = (*lost / 2, *all / 2);
        }
        *lost = lost.saturating_add(report.lost);
        *all = all.saturating_add(report.lost).saturating_add(report.acked);
        self.acked_bytes = self.acked_bytes.saturating_add(report.acked_bytes);
        self.lost_bytes = self.lost_bytes.saturating_add(report.lost_bytes);
        // What counted as lost and has arrived all the same.
        self.lost_bytes = self.lost_bytes.saturating_sub(report.unlost_bytes);
    }

    /// Returns how many copies of a thin stream's segment leave unasked: so many that of a question and its
    /// answer hardly one in a hundred is lost with all its copies, and none where next to nothing gets lost.
    fn copies(&mut self) -> u8 {
        let (lost, all) = (u64::from(self.losses.0), u64::from(self.losses.1).max(1));
        // 2 × p^N <= 1 %, for N transmissions: one copy up to 7 %, two above. Of some hundred segments that share
        // is known to a few per cent, and a copy too few is felt sooner.
        let two = if self.copies > 1 { 45 } else { 65 };
        self.copies = match lost * 1000 {
            lost if lost < all * 5 => 0,
            lost if lost <= all * two => 1,
            _ => 2,
        };
        self.copies
    }
}

impl Model {
    fn figures(&self, rate: Rate) -> Figures {
        self.figures.unwrap_or_else(|| Figures {
            is_free: self.is_free(rate),
            pace: self.pace(rate),
            window: self.window(rate),
        })
    }

    /// Does nothing but the windows limit what leaves?
    fn is_free(&self, rate: Rate) -> bool {
        let is_fixed = matches!(rate, Rate::Fixed(_)) && !self.is_refuted;
        !is_fixed && self.auto.is_near()
    }

    fn pace(&self, rate: Rate) -> Option<u64> {
        match rate {
            Rate::Fixed(rate) if !self.is_refuted => {
                let arrives = u64::from(rounds::WHOLE - self.auto.baseline());
                Some(rate.max(1) * u64::from(rounds::WHOLE) / arrives)
            }
            _ => self.auto.pace(),
        }
    }

    fn window(&self, rate: Rate) -> u64 {
        match rate {
            Rate::Fixed(rate) if !self.is_refuted => {
                let millis = u64::from(self.auto.min_rtt().unwrap_or(500)) * 2 + 200;
                rate.saturating_mul(millis) / 1000
            }
            _ => self.auto.window(),
        }
    }

    /// A rate that somebody typed in may be wrong: what gets lost of it, or does not arrive, for long is
    /// found out again.
    fn doubt(&mut self, now: Time, rate: u64) {
        if self.is_refuted || self.judged == self.auto.rounds() {
            return;
        }
        self.judged = self.auto.rounds();
        let last = self.auto.last_round();
        let is_short = !last.limited && last.average() < rate / 10 * 9;
        if !is_short && last.loss() <= rounds::WHOLE / 5 {
            self.doubted_at = None;
            return;
        }
        self.is_refuted = now.since(*self.doubted_at.get_or_insert(now)) >= DOUBTED;
        if self.is_refuted {
            log::warn!(
                "the path does not carry the rate that is set: it is found out from here on"
            );
        }
    }
}
