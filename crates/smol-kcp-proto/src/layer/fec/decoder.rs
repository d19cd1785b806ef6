//! The receiver's side: what arrives goes on at once, and what got lost comes out of the parity.

use super::config::FecConfig;
use super::group::{window, Group, Groups};
use super::header::{content, end_of_numbers, read, Kind, EXPIRES, SIZE_LEN};
use super::learner::Learner;
use crate::time::Time;
use smol_kcp_crypto::field::{fill, write, Basis, WORD};

/// So many datagrams in a row that are older than what is kept are not late: the other side began anew.
const LATE_MAX: u32 = 64;

/// How a datagram's content came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By itself.
    Arrived,
    /// Out of the parity. It says nothing about the path: it was here when the last shard was, so what it
    /// acknowledges is no sample of a round trip, and its window is an old one.
    Recovered,
}

/// What a [`FecDecoder`] saw and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FecDecoderStats {
    /// Datagrams of data that arrived.
    pub data: u64,
    /// Datagrams of parity that arrived.
    pub parity: u64,
    /// Datagrams of data that came out of the parity.
    pub recovered: u64,
    /// Datagrams that are none of kcp-go's, or whose length is wrong.
    pub malformed: u64,
    /// Groups whose parity did not belong to their data.
    pub contradictory: u64,
    /// How often the other side's ratio was found out.
    pub adopted: u64,
}

/// Takes the parity out of what comes from one peer.
///
/// It adopts whatever ratio the other side sends by; what arrives goes on in any case. Memory is bounded
/// (256 shards), and is all given back after three seconds of silence.
#[derive(Debug)]
pub struct FecDecoder {
    /// The other side's, as far as is known.
    ratio: Option<FecConfig>,
    /// Where it is not known, or something came that contradicts it: nothing is recovered then.
    learner: Option<Box<Learner>>,
    groups: Groups,
    /// Number of the newest group.
    newest: Option<u32>,
    /// Datagrams in a row that were too old.
    late: u32,
    solver: Solver,
    last_at: Time,
    stats: FecDecoderStats,
}

/// Memory for recovering, used again.
#[derive(Debug, Default)]
struct Solver {
    basis: Basis,
    sum: Vec<usize>,
    shard: Vec<u8>,
}

impl FecDecoder {
    /// `expected` is how the other side is thought to send; it is corrected by the first datagram that contradicts it.
    /// Where all of those in a group get lost, noise may be recovered: kcp-go's parity proves nothing. If it is off,
    /// nothing is expected, and nothing recovered until a ratio is the only one that explains what arrived.
    pub fn new(expected: FecConfig) -> FecDecoder {
        FecDecoder {
            ratio: Some(expected).filter(|ratio| ratio.is_ratio()),
            learner: None,
            groups: Groups::default(),
            newest: None,
            late: 0,
            solver: Solver::default(),
            last_at: Time::ZERO,
            stats: FecDecoderStats::default(),
        }
    }

    /// Returns how the other side sends, if that is known.
    pub fn ratio(&self) -> Option<FecConfig> {
        self.ratio.filter(|_| self.learner.is_none())
    }

    /// Returns what it saw and did.
    pub fn stats(&self) -> FecDecoderStats {
        self.stats
    }

    /// Returns how many bytes of shards are kept, or could be without asking for memory.
    pub fn memory(&self) -> usize {
        self.groups.memory()
    }

    /// Takes in a datagram that [is one of this layer](super::is_fec), and hands on its content and what it
    /// recovers, as `deliver(origin, content)`. Recovered ones come after what arrived, and only once.
    pub fn decode(&mut self, now: Time, datagram: &[u8], deliver: &mut dyn FnMut(Origin, &[u8])) {
        let Some((seqid, kind, shard)) = read(datagram) else {
            self.stats.malformed += 1;
            return;
        };
        let is_data = kind == Kind::Data;
        match kind {
            Kind::OutOfBand => return,
            Kind::Parity => self.stats.parity += 1,
            Kind::Data => {
                let Some(content) = content(shard) else {
                    self.stats.malformed += 1;
                    return;
                };
                self.stats.data += 1;
                deliver(Origin::Arrived, content);
            }
        }
        self.last_at = now;
        let Some(ratio) = self.follow(seqid, is_data) else { return };
        let total = u32::from(ratio.total());
        let Some(at) = self.place(now, ratio, seqid / total) else { return };
        if self.groups.keep(at, (seqid % total) as u16, is_data, shard) {
            self.complete(ratio, at, deliver);
        }
    }

    /// Returns when [`handle_timeout`](FecDecoder::handle_timeout) gives memory back; `None`: there is none.
    pub fn poll_timeout(&self) -> Option<Time> {
        (!self.groups.is_empty()).then(|| self.last_at + EXPIRES)
    }

    /// Gives all memory back after three seconds of silence.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.free();
        }
    }

    /// Gives all memory back at once. Nothing of what came so far is recovered.
    pub fn free(&mut self) {
        self.groups.free();
        self.solver = Solver::default();
        self.newest = None;
    }

    /// Returns the other side's ratio, if this datagram is what it says. Otherwise it is in doubt until it
    /// has been found out.
    ///
    /// One contradiction is enough. Whatever all shards have in common, a recovered one has too, by a wrong ratio as
    /// well: the same length and the same conversation, so nobody else would notice the noise.
    fn follow(&mut self, seqid: u32, is_data: bool) -> Option<FecConfig> {
        if self.learner.is_none() {
            let fits = |ratio: &FecConfig| {
                let index = seqid % u32::from(ratio.total());
                seqid < end_of_numbers(ratio.total()) && (index < u32::from(ratio.data)) == is_data
            };
            if let Some(ratio) = self.ratio.filter(fits) {
                return Some(ratio);
            }
            self.groups.clear();
            self.newest = None;
        }
        let learner = self.learner.get_or_insert_with(|| Box::new(Learner::new()));
        let found = learner.sample(seqid, is_data)?;
        self.learner = None;
        self.stats.adopted += 1;
        if self.ratio != Some(found) {
            log::debug!("the other side sends parity {found}");
        }
        self.ratio = Some(found);
        self.ratio
    }

    /// Returns the place of a group that is still of interest.
    fn place(&mut self, now: Time, ratio: FecConfig, number: u32) -> Option<usize> {
        let count = end_of_numbers(ratio.total()) / u32::from(ratio.total());
        let after = |a: u32, b: u32| if a >= b { a - b } else { a + (count - b) };
        match self.newest {
            Some(newest) if after(number, newest) >= count / 2 => {
                if after(newest, number) >= window(ratio) {
                    self.late += 1;
                    if self.late <= LATE_MAX {
                        return None;
                    }
                    self.groups.clear();
                    self.newest = Some(number);
                }
            }
            _ => self.newest = Some(number),
        }
        self.late = 0;
        let at = self.groups.enter(now, ratio, number)?;
        let began = self.groups.get(at)?.began?;
        if now.since(began) > EXPIRES {
            self.groups.release(at);
            return None;
        }
        Some(at)
    }

    /// Closes a group of which nothing is missing any more, or recovers what is.
    fn complete(&mut self, ratio: FecConfig, at: usize, deliver: &mut dyn FnMut(Origin, &[u8])) {
        let Some(group) = self.groups.get(at) else { return };
        let data = u16::from(ratio.data);
        if group.held < data {
            return;
        }
        if group.data < data {
            let len = group.parity_len();
            let level = len.and_then(|len| Some((len, self.groups.level(at, len)?)));
            let recovered = level.and_then(|(len, g)| self.solver.recover(ratio, g, len, deliver));
            match recovered {
                Some(recovered) => self.stats.recovered += u64::from(recovered),
                None => self.stats.contradictory += 1,
            }
        }
        self.groups.release(at);
    }
}

impl Solver {
    /// Recovers all data that a group lacks from as many shards as it has data, and returns how many that were.
    /// `None`: the shards do not belong together, and nothing of them was handed on, or not all.
    fn recover(
        &mut self,
        ratio: FecConfig,
        group: &Group,
        len: usize,
        deliver: &mut dyn FnMut(Origin, &[u8]),
    ) -> Option<u16> {
        let Solver { basis, sum, shard } = self;
        let shards = || (0..=u8::MAX).zip(&group.shards);
        basis.set(shards().filter(|(_, shard)| !shard.is_empty()).map(|(index, _)| index));
        fill(sum, len.div_ceil(WORD));
        shard.resize(len, 0);
        let mut recovered = 0;
        for (index, _) in shards().take(ratio.data.into()).filter(|(_, shard)| shard.is_empty()) {
            basis.compute(index, &group.shards, sum);
            write(sum, shard);
            let content = content(shard)?;
            // What is behind the content was added as zeros.
            let padding = shard.get(SIZE_LEN + content.len()..)?;
            padding.iter().all(|&byte| byte == 0).then_some(())?;
            deliver(Origin::Recovered, content);
            recovered += 1;
        }
        Some(recovered)
    }
}
