//! How long a datagram may be on the way to a peer (DPLPMTUD, RFC 8899).
//!
//! New segments are cut for [`size`](PathMtu::size). Where nothing near it is acknowledged any more although it
//! is sent again and again, the path may have become a black hole for it (RFC 8899, 4.3): then probes of
//! several lengths ask which ones pass. A probe is a padded segment whose number the peer has acknowledged
//! before, so that every implementation acknowledges it once more and nobody takes it for data. Probes that
//! get lost are no congestion. What still passes becomes the new size; from there a search by halves goes
//! up again, and after a while begins anew, as paths change.
//!
//! Here are no clocks and no sessions: the router tells what happened and does what a [`Step`] says.

use std::time::Duration;

use crate::key::Key;
use crate::time::Time;

/// Lengths that paths are known to have, of datagrams without headers of IP and UDP: 576 bytes, which every
/// host of IPv4 takes (RFC 791), a little less than 1,024, IPv6's least (RFC 8200) and Ethernet's, the last
/// two less 48. Nothing is ever cut for less than the first.
const LADDER: [usize; 4] = [548, 972, 1232, 1452];

/// A search ends when so few bytes are left to be found.
const STEP: usize = 24;

/// Probes of one length that must get lost before it counts as too long (MAX_PROBES of RFC 8899, 5.1.2).
const TRIES: u8 = 3;

/// Rounds of probes after which a doubt ends without a result, and probes of one length in each but the first.
const ROUNDS: u8 = 5;
const EACH: u8 = 3;

/// Transmissions of a segment, all lost, that make its length doubtful.
const DOUBTFUL: u32 = 3;

/// What was found too long is tried again after so long (PMTU_RAISE_TIMER of RFC 8899, 5.1.1).
const RAISE: Duration = Duration::from_secs(600);

/// Time from one fruitless doubt to the next, which doubles.
const WAIT_FIRST: Duration = Duration::from_millis(250);
const WAIT_LONGEST: Duration = Duration::from_secs(60);
/// The longest while anything is heard.
const WAIT_LOSSY: Duration = Duration::from_secs(2);

/// The length of the datagrams on one path, in bytes without what layers add.
#[derive(Debug)]
pub(crate) struct PathMtu {
    /// What new segments are cut for, and the next length of the ladder below.
    size: usize,
    below: usize,
    /// The most that may ever be.
    max: usize,
    /// The least that did not pass, as far as is known; beyond `max` otherwise.
    failed: usize,
    /// When that is forgotten.
    raise_at: Option<Time>,
    /// Bytes that the layers add.
    overhead: usize,
    stage: Stage,
    /// Probes of each length of the ladder that were sent in this doubt, and those that arrived.
    sent: [u8; LADDER.len()],
    arrived: [u8; LADDER.len()],
    /// When segments of about the size were last acknowledged.
    full_at: Time,
    /// When the last doubt ended without a result, when the next is heeded, and how long after one like that.
    dismissed_at: Time,
    heeded_at: Time,
    wait: Duration,
    black_holes: u32,
    /// The session that sends the probes.
    pub(crate) prober: Option<Key>,
    /// When [`poll`](PathMtu::poll) is to be called: entry in the router's set.
    pub(crate) due: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is asked.
    Rest,
    /// Does the size still pass? So many rounds of probes were sent.
    Doubt(u8),
    /// Does this length pass? So many probes were sent.
    Search(usize, u8),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send probes of these lengths, and poll again when they have had time to be answered.
    Probe(Vec<usize>),
    /// The path has become a black hole for longer datagrams: cut new segments for the size from here on.
    Fall {
        /// What passed before.
        from: usize,
    },
    /// Nothing.
    Rest,
}

impl PathMtu {
    /// Makes a path on which datagrams of `size` bytes pass until something else shows, with at most `max`.
    /// `overhead` is what the layers add to each.
    pub(crate) fn new(size: usize, max: usize, overhead: usize) -> PathMtu {
        let max = max.max(size);
        let mut mtu = PathMtu {
            size,
            below: 0,
            max,
            failed: max + 1,
            raise_at: None,
            overhead,
            stage: Stage::Rest,
            sent: [0; LADDER.len()],
            arrived: [0; LADDER.len()],
            full_at: Time::ZERO,
            dismissed_at: Time::ZERO,
            heeded_at: Time::ZERO,
            wait: WAIT_FIRST,
            black_holes: 0,
            prober: None,
            due: None,
        };
        mtu.set_size(size);
        mtu
    }

    fn set_size(&mut self, size: usize) {
        self.size = size;
        let below = self.shorter().next_back().unwrap_or(0);
        self.below = below;
    }

    /// Returns the bytes of the largest datagram that new segments are cut for.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns how often less than before has passed.
    pub(crate) fn black_holes(&self) -> u32 {
        self.black_holes
    }

    /// Iterates over the lengths of the ladder below the size.
    fn shorter(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let lengths = LADDER.into_iter().map(|length| length.saturating_sub(self.overhead));
        lengths.filter(|&length| length < self.size)
    }

    /// Notes that so many segments with so many bytes were acknowledged in one datagram. If on the average
    /// they were longer than the next length below, at least one was.
    pub(crate) fn on_acked(&mut self, now: Time, bytes: u64, segments: u32) {
        if bytes > u64::from(segments) * self.below as u64 {
            self.full_at = now;
            if matches!(self.stage, Stage::Doubt(_)) {
                self.dismiss(now);
            }
            // A path that loses much is doubted seldom, but never for long in vain.
            self.wait = self.wait.min(WAIT_LOSSY);
            self.heeded_at = self.heeded_at.min(now + WAIT_LOSSY);
        }
    }

    /// Returns whether a segment of so many bytes, sent so often for nothing, is worth a [`doubt`](PathMtu::doubt).
    pub(crate) fn is_doubtful((bytes, xmit): (usize, u32)) -> bool {
        xmit >= DOUBTFUL && bytes > LADDER[0]
    }

    /// Looks from now on for segments of about the size that are acknowledged.
    pub(crate) fn watch(&mut self, now: Time) {
        self.full_at = now;
    }

    /// Returns whether it is doubtful that the size passes, as a segment of `bytes` [was lost again and
    /// again](PathMtu::is_doubtful), with a timeout of `rto`; the peer was heard at `heard_at`. Then
    /// [`poll`](PathMtu::poll) says what to do.
    pub(crate) fn doubt(&mut self, now: Time, bytes: usize, rto: Duration, heard_at: Time) -> bool {
        if heard_at > self.dismissed_at {
            // It was an outage: what it has been replaced by may carry less.
            self.heeded_at = self.heeded_at.min(self.dismissed_at + WAIT_LOSSY);
            self.wait = self.wait.min(WAIT_LOSSY);
        }
        // Of a segment that is shorter than the size too: the path may carry even less.
        let shortest = self.shorter().next().unwrap_or(usize::MAX);
        let doubts = bytes > shortest
            && now >= self.heeded_at
            && now.since(self.full_at) >= rto
            && !matches!(self.stage, Stage::Doubt(_));
        if doubts {
            self.stage = Stage::Doubt(0);
            self.sent = [0; LADDER.len()];
            self.arrived = [0; LADDER.len()];
        }
        doubts
    }

    /// Returns whether a longer size is to be searched for, as there is much to send. Then
    /// [`poll`](PathMtu::poll) says what to do.
    pub(crate) fn search(&mut self, now: Time) -> bool {
        if self.stage != Stage::Rest {
            return false;
        }
        if self.raise_at.is_some_and(|at| at <= now) {
            (self.raise_at, self.failed) = (None, self.max + 1);
        }
        let found = self.next_length();
        self.stage = found.map_or(Stage::Rest, |length| Stage::Search(length, 0));
        found.is_some()
    }

    /// Returns the length to be probed next in a search: the most that is allowed, and then by halves.
    fn next_length(&self) -> Option<usize> {
        match self.failed.checked_sub(self.size)? {
            0..=STEP if self.failed <= self.max || self.size == self.max => None,
            _ if self.failed > self.max => Some(self.max),
            range => Some(self.size + range / 2),
        }
    }

    /// Ends what is asked, as the session that sent the probes is gone: another one will ask.
    pub(crate) fn abandon(&mut self) {
        self.stage = Stage::Rest;
    }

    /// Tells what to do when the last probes have had their time, or a doubt or a search has begun.
    pub(crate) fn poll(&mut self, now: Time) -> Step {
        match self.stage {
            Stage::Rest => Step::Rest,
            Stage::Doubt(round) => self.poll_doubt(now, round),
            Stage::Search(length, TRIES..) => {
                self.failed = length;
                self.raise_at = Some(now + RAISE);
                self.stage = Stage::Rest;
                match self.search(now) {
                    true => self.poll(now),
                    false => Step::Rest,
                }
            }
            Stage::Search(length, tries) => {
                self.stage = Stage::Search(length, tries + 1);
                Step::Probe(vec![length])
            }
        }
    }

    /// Sends one probe of each length first; then, if a shorter one has arrived, as many of the longest that has as of
    /// the size itself, until it cannot be chance that the one arrives and the other does not.
    fn poll_doubt(&mut self, now: Time, round: u8) -> Step {
        self.stage = Stage::Doubt(round + 1);
        if round == 0 {
            let lengths: Vec<usize> = self.shorter().chain([self.size]).collect();
            self.sent.iter_mut().zip(1..lengths.len()).for_each(|(count, _)| *count = 1);
            return Step::Probe(lengths);
        }
        let longest = self.arrived.iter().rposition(|&count| count > 0);
        let Some(longest) = longest.filter(|_| round <= ROUNDS) else {
            // Nothing passes, or not much more often than the size: an outage, or bad luck.
            self.dismiss(now);
            return Step::Rest;
        };
        let passes = self.shorter().nth(longest).unwrap_or(0);
        if round > 1 && 1 + (round - 1) * EACH >= self.needed(longest) {
            self.fall(now, passes);
            return Step::Fall { from: self.failed };
        }
        if let Some(count) = self.sent.get_mut(longest) {
            *count += EACH;
        }
        let [short, long] = [passes, self.size].map(|length| [length; EACH as usize]);
        Step::Probe(short.into_iter().chain(long).collect())
    }

    /// Returns how many probes of the size must have got lost, by what share of those got lost that are no
    /// longer than the longest that passes. Were they lost by chance at half as much again, that many would be
    /// in one doubt of a hundred at most.
    fn needed(&self, longest: usize) -> u8 {
        let count = |counts: &[u8]| counts.iter().take(longest + 1).sum::<u8>();
        let (sent, arrived) = (count(&self.sent), count(&self.arrived));
        let lost = sent.saturating_sub(arrived);
        match lost {
            0 => 1 + EACH,
            _ if lost * 4 <= sent => 1 + 2 * EACH,
            _ if lost * 2 <= sent => 1 + 3 * EACH,
            // Next to nothing passes at all.
            _ => u8::MAX,
        }
    }

    fn fall(&mut self, now: Time, passes: usize) {
        self.failed = self.size;
        self.set_size(passes);
        self.raise_at = Some(now + RAISE);
        self.stage = Stage::Rest;
        // What is under way now needs its time.
        self.full_at = now;
        self.wait = WAIT_FIRST;
        self.black_holes = self.black_holes.saturating_add(1);
    }

    /// Ends the doubt without a result.
    fn dismiss(&mut self, now: Time) {
        self.stage = Stage::Rest;
        self.dismissed_at = now;
        self.heeded_at = now + self.wait;
        self.wait = (self.wait * 2).min(WAIT_LONGEST);
    }

    /// Notes that a probe of this length has arrived. Returns whether the size has grown by that: then
    /// [`poll`](PathMtu::poll) goes on at once.
    pub(crate) fn on_echo(&mut self, now: Time, length: usize) -> bool {
        match self.stage {
            Stage::Doubt(_) if length >= self.size => {
                // It passes: what is lost is lost for another reason.
                self.dismiss(now);
                false
            }
            Stage::Doubt(_) => {
                let at = self.shorter().position(|shorter| shorter == length);
                if let Some(count) = at.and_then(|at| self.arrived.get_mut(at)) {
                    *count += 1;
                }
                false
            }
            Stage::Search(wanted, _) if length >= wanted => {
                self.set_size(wanted);
                self.stage = Stage::Rest;
                self.search(now);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
