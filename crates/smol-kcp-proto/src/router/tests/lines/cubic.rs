//! One TCP CUBIC flow (RFC 9438) as others meet it at a bottleneck: a bulk sender and its receiver.
//!
//! What is left out changes nothing that others can see: the ACKs come back after a fixed time, each
//! segment has one of its own, and the sender knows exactly what was lost once three later segments have
//! arrived (SACK, RFC 6675). Segments have the number of their transmission, so a lost one needs none again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::layer::netem::{below, SeededRandom};
use crate::time::Time;

/// Payload of a segment.
pub(super) const MSS: usize = 1448;
/// A segment's headers: IPv4, TCP, timestamps. The link adds 28 of them as those of a UDP datagram.
const HEADERS: usize = 52;
const ON_LINK: usize = MSS + HEADERS - 28;

const BETA: f64 = 0.7;
const C: f64 = 0.4;
/// RFC 9438, 4.3: grows as Reno would with that decrease.
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// Microseconds of a train of segments, and by how much its time varies.
const TRAIN: u64 = 1000;
const MACHINE: u32 = 1000;
const MIN_RTO: Duration = Duration::from_millis(200);

/// Since when CUBIC grows along one curve.
#[derive(Debug)]
struct Epoch {
    start: Time,
    w_max: f64,
    /// Where the curve reaches `w_max`, in seconds.
    k: f64,
    w_est: f64,
}

#[derive(Debug)]
pub(in crate::router::tests) struct Cubic {
    starts: Time,
    ack_delay: Duration,
    random: SeededRandom,
    cwnd: f64,
    ssthresh: f64,
    w_max: f64,
    cwnd_prior: f64,
    epoch: Option<Epoch>,
    /// Number and time of each transmission that is neither acknowledged nor lost.
    in_flight: VecDeque<(u64, Time)>,
    next: u64,
    /// Losses before this number belong to the reduction that was made already.
    recovery: u64,
    srtt: f64,
    rttvar: f64,
    rto_at: Option<Time>,
    /// ACKs on their way back.
    acks: VecDeque<(Time, u64)>,
    pub arrivals: Vec<(Time, usize)>,
    pub reductions: u64,
}

impl Cubic {
    /// A flow that begins at `starts` and whose ACKs take `ack_delay`.
    pub(super) fn new(starts: Time, ack_delay: Duration, seed: u64) -> Cubic {
        Cubic {
            starts,
            ack_delay,
            random: SeededRandom::new(seed),
            cwnd: 10.0,
            ssthresh: f64::INFINITY,
            w_max: 0.0,
            cwnd_prior: f64::INFINITY,
            epoch: None,
            in_flight: VecDeque::new(),
            next: 0,
            recovery: 0,
            srtt: 0.0,
            rttvar: 0.0,
            rto_at: None,
            acks: VecDeque::new(),
            arrivals: Vec::new(),
            reductions: 0,
        }
    }

    pub(in crate::router::tests) fn poll_timeout(&self) -> Option<Time> {
        let start = Some(self.starts).filter(|_| self.next == 0);
        let ack = self.acks.front().map(|&(at, _)| at);
        [start, ack, self.rto_at].into_iter().flatten().min()
    }

    /// A segment arrives at the receiver.
    pub(in crate::router::tests) fn handle_segment(&mut self, now: Time, segment: &[u8]) {
        let Some(&number) = segment.first_chunk() else { return };
        self.arrivals.push((now, MSS));
        // Linux sends what it may in a millisecond at once (`tcp_tso_autosize`), and receivers gather what
        // comes together (GRO). Perfectly even flows would meet a full queue one at a time for ever, and
        // the same one would give way (phase effects: Floyd and Jacobson 1992).
        let due = (now + self.ack_delay).as_micros();
        let varies = u64::from(below(self.random.next_u64(), MACHINE));
        let at = Time::from_micros(due.next_multiple_of(TRAIN) + varies);
        let at = self.acks.back().map_or(at, |&(last, _)| at.max(last));
        self.acks.push_back((at, u64::from_be_bytes(number)));
    }

    pub(in crate::router::tests) fn handle_timeout(&mut self, now: Time) {
        while let Some(&(_, number)) = self.acks.front().filter(|&&(at, _)| at <= now) {
            self.acks.pop_front();
            self.on_ack(now, number);
        }
        if self.rto_at.is_some_and(|at| at <= now) {
            self.on_rto(now);
        }
    }

    pub(in crate::router::tests) fn transmit(&mut self, now: Time, mut out: impl FnMut(&[u8])) {
        let mut segment = [0; ON_LINK];
        while now >= self.starts && (self.in_flight.len() as f64) < self.cwnd.floor() {
            segment[..8].copy_from_slice(&self.next.to_be_bytes());
            self.in_flight.push_back((self.next, now));
            self.next += 1;
            out(&segment);
            self.rto_at = self.rto_at.or(Some(now + self.rto()));
        }
    }

    fn rto(&self) -> Duration {
        match self.srtt > 0.0 {
            true => Duration::from_secs_f64(self.srtt + 4.0 * self.rttvar).max(MIN_RTO),
            false => Duration::from_secs(1),
        }
    }

    fn on_ack(&mut self, now: Time, number: u64) {
        let Ok(place) = self.in_flight.binary_search_by_key(&number, |&(number, _)| number) else {
            return; // taken for lost by a timeout
        };
        if let Some((_, sent)) = self.in_flight.remove(place) {
            self.sample(now.since(sent).as_secs_f64());
        }
        // Three later ones have arrived.
        let before = self.in_flight.len();
        while self.in_flight.front().is_some_and(|&(sent, _)| sent + 3 <= number) {
            self.in_flight.pop_front();
        }
        if self.in_flight.len() < before && number >= self.recovery {
            self.reduce();
            self.recovery = self.next;
        } else if number >= self.recovery {
            self.grow(now);
        }
        self.rto_at = (!self.in_flight.is_empty()).then(|| now + self.rto());
    }

    fn sample(&mut self, rtt: f64) {
        if self.srtt == 0.0 {
            (self.srtt, self.rttvar) = (rtt, rtt / 2.0);
        } else {
            self.rttvar += ((self.srtt - rtt).abs() - self.rttvar) / 4.0;
            self.srtt += (rtt - self.srtt) / 8.0;
        }
    }

    /// RFC 9438, 4.6 and 4.7: a reduction, with fast convergence.
    fn reduce(&mut self) {
        self.reductions += 1;
        self.w_max = match self.cwnd < self.w_max {
            true => self.cwnd * (1.0 + BETA) / 2.0,
            false => self.cwnd,
        };
        self.cwnd_prior = self.cwnd;
        self.cwnd = (self.cwnd * BETA).max(2.0);
        self.ssthresh = self.cwnd;
        self.epoch = None;
    }

    /// RFC 9438, 4.2 to 4.5: growth by one ACK.
    fn grow(&mut self, now: Time) {
        if self.cwnd < self.ssthresh {
            self.cwnd += 1.0;
            return;
        }
        let epoch = self.epoch.get_or_insert_with(|| {
            let w_max = self.w_max.max(self.cwnd);
            Epoch { start: now, w_max, k: ((w_max - self.cwnd) / C).cbrt(), w_est: self.cwnd }
        });
        let alpha = if epoch.w_est < self.cwnd_prior { ALPHA } else { 1.0 };
        epoch.w_est += alpha / self.cwnd;
        let w_cubic = |t: f64| C * (t - epoch.k).powi(3) + epoch.w_max;
        let t = now.since(epoch.start).as_secs_f64();
        if w_cubic(t) < epoch.w_est {
            self.cwnd = self.cwnd.max(epoch.w_est);
        } else {
            let target = w_cubic(t + self.srtt).clamp(self.cwnd, 1.5 * self.cwnd);
            self.cwnd += (target - self.cwnd) / self.cwnd;
        }
    }

    fn on_rto(&mut self, now: Time) {
        self.reduce();
        self.cwnd = 1.0;
        self.in_flight.clear();
        self.recovery = self.next;
        self.rto_at = Some(now + self.rto() * 2);
    }
}
