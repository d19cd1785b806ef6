//! The parity of each peer, and the way out through it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::{KcpGoStats, PacketCipher};
use crate::config::KcpGoConfig;
use crate::layer::crypto::kcp_go::{NONCE_LEN, PACKET_MAX};
use crate::layer::fec::{
    FecConfig, FecDecoder, FecDecoderStats, FecEncoder, FecEncoderStats, FecMode, HEADROOM,
};
use crate::path::Path;
use crate::random::Random;
use crate::router::Router;
use crate::time::{earliest, Time};

/// Time between two looks for memory that was not used, at least.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// With [`FecMode::Auto`], bytes after a rest that have parity: more is bulk.
const AFTER_REST: usize = 256 * 1024;

/// A rest; and parity of a group that began longer ago comes after what it lacks was repeated.
const REST: Duration = Duration::from_millis(100);

/// The parity of both directions with one peer; each is absent until there is some.
#[derive(Debug, Default)]
struct Lane {
    /// With [`FecMode::Auto`]: whether parity is worth it, when the latest datagram and the first of the group left, and
    /// bytes since the last rest.
    is_open: bool,
    last_at: Time,
    group_at: Time,
    bytes: usize,
    encoder: Option<Box<FecEncoder>>,
    decoder: Option<Box<FecDecoder>>,
    /// Bytes that both keep, as far as they are counted.
    memory: usize,
}

impl Lane {
    /// Returns whether a datagram of so many bytes is one that [`FecMode::Auto`] sends with parity.
    fn is_worth(&mut self, now: Time, len: usize) -> bool {
        let rested = now.since(self.last_at) >= REST;
        self.bytes = if rested { len } else { self.bytes.saturating_add(len) };
        self.last_at = now;
        let encoder = self.encoder.as_mut().filter(|encoder| !encoder.is_between_groups());
        match encoder {
            Some(encoder) if rested => encoder.skip(),
            // What was begun is brought to an end.
            Some(_) => return true,
            None => {}
        }
        self.group_at = now;
        self.is_open && self.bytes <= AFTER_REST
    }

    /// Returns whether what is sent has parity; not where there is no memory for it.
    fn has_parity(&mut self, fec: FecConfig, share: usize, sum: &mut usize) -> bool {
        if self.encoder.is_none() {
            self.encoder = FecEncoder::new(fec).map(Box::new);
        }
        // With a ratio of none there is none.
        let Some(encoder) = &mut self.encoder else { return false };
        if encoder.memory() + PACKET_MAX > share {
            encoder.free();
            self.measure(sum);
            return false;
        }
        true
    }

    /// Counts what it keeps in the `sum` of all.
    fn measure(&mut self, sum: &mut usize) {
        let encoder = self.encoder.as_ref().map_or(0, |encoder| encoder.memory());
        let after = encoder + self.decoder.as_ref().map_or(0, |decoder| decoder.memory());
        *sum = *sum + after - std::mem::replace(&mut self.memory, after);
    }
}

/// Makes packets, in memory that it uses again and again.
#[derive(Debug)]
struct Sealer {
    crypt: PacketCipher,
    /// Of nonces.
    random: Random,
    scratch: Box<[u8; PACKET_MAX]>,
}

/// The cipher of an endpoint, and the lanes of its peers.
#[derive(Debug)]
pub(in crate::router) struct KcpGo {
    /// How much parity is sent.
    fec: FecMode,
    lanes: BTreeMap<SocketAddr, Lane>,
    /// Bytes that all of them keep, and what the account knows of that.
    memory: usize,
    charged: usize,
    /// When memory that was not used is given back.
    free_at: Option<Time>,
    sealer: Sealer,
    /// With what was done in lanes that are gone.
    stats: KcpGoStats,
}

impl KcpGo {
    pub(super) fn new(config: &KcpGoConfig, seed: [u64; 2]) -> KcpGo {
        KcpGo {
            fec: config.fec,
            sealer: Sealer {
                crypt: config.crypt.clone(),
                random: Random::new(seed),
                scratch: Box::new([0; PACKET_MAX]),
            },
            lanes: BTreeMap::new(),
            memory: 0,
            charged: 0,
            free_at: None,
            stats: KcpGoStats::default(),
        }
    }

    /// Opens a datagram; `None`: it is noise, and counted.
    pub(super) fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Option<&'a [u8]> {
        let content = self.sealer.crypt.open(datagram).and_then(|content| datagram.get(content));
        if content.is_none() {
            self.stats.unopened = self.stats.unopened.wrapping_add(1);
        }
        content
    }

    pub(super) fn join(&mut self, peer: SocketAddr) {
        self.lanes.entry(peer).or_default();
    }

    /// Says whether parity is worth it towards a peer, for [`FecMode::Auto`].
    pub(super) fn open_gate(&mut self, peer: SocketAddr, is_open: bool) {
        if self.fec != FecMode::Auto {
            return;
        }
        if let Some(lane) = self.lanes.get_mut(&peer) {
            lane.is_open = is_open;
        }
    }

    pub(super) fn leave(&mut self, peer: SocketAddr) {
        let Some(lane) = self.lanes.remove(&peer) else { return };
        self.memory -= lane.memory;
        add(&mut self.stats, &lane);
    }

    /// Takes a lane's decoder, to be put back; `None`: it has none yet, or there is no memory for one.
    pub(super) fn take_decoder(
        &mut self,
        peer: SocketAddr,
        share: usize,
    ) -> Option<Box<FecDecoder>> {
        let lane = self.lanes.get_mut(&peer)?;
        let decoder = lane.decoder.as_mut()?;
        if decoder.memory() + PACKET_MAX > share {
            decoder.free();
            lane.measure(&mut self.memory);
            return None;
        }
        lane.decoder.take()
    }

    /// Returns how a peer that has no decoder is thought to send: as this side does.
    pub(super) fn wants_decoder(&self, peer: SocketAddr, share: usize) -> Option<FecConfig> {
        let lane = self.lanes.get(&peer)?;
        (lane.decoder.is_none() && PACKET_MAX <= share).then_some(self.fec.ratio())
    }

    pub(super) fn put_decoder(&mut self, peer: SocketAddr, decoder: Box<FecDecoder>) {
        // Without its peer it goes.
        let Some(lane) = self.lanes.get_mut(&peer) else { return };
        self.free_at = self.free_at.or(decoder.poll_timeout());
        lane.decoder = Some(decoder);
        lane.measure(&mut self.memory);
    }

    /// Returns what the account knows of and what is kept now, which it is then to know.
    pub(super) fn charge(&mut self) -> (usize, usize) {
        (std::mem::replace(&mut self.charged, self.memory), self.memory)
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.free_at
    }

    /// Lets all lanes give back what they have not used for a while, if it is time; `false`: it is not.
    pub(super) fn handle_timeout(&mut self, now: Time) -> bool {
        if self.free_at.is_none_or(|at| at > now) {
            return false;
        }
        self.free_at = None;
        for lane in self.lanes.values_mut() {
            let (mut encodes, mut decodes) = (None, None);
            if let Some(encoder) = &mut lane.encoder {
                encoder.handle_timeout(now);
                encodes = encoder.poll_timeout();
            }
            if let Some(decoder) = &mut lane.decoder {
                decoder.handle_timeout(now);
                decodes = decoder.poll_timeout();
            }
            lane.measure(&mut self.memory);
            self.free_at = earliest(self.free_at, earliest(encodes, decodes));
        }
        // All are looked at, so not for each of them.
        self.free_at = self.free_at.map(|at| at.max(now + LOOK_AGAIN));
        true
    }

    pub(super) fn stats(&self) -> KcpGoStats {
        let mut stats = KcpGoStats { memory: self.memory, ..self.stats };
        self.lanes.values().for_each(|lane| add(&mut stats, lane));
        stats
    }

    /// Sends a datagram, and the parity that is due behind it.
    fn send(
        &mut self,
        now: Time,
        path: Path,
        content: &[u8],
        share: usize,
        out: &mut dyn FnMut(Path, &[u8]),
    ) {
        let KcpGo { fec, sealer, lanes, memory, free_at, .. } = self;
        let lane = lanes.get_mut(&path.peer);
        let is_auto = *fec == FecMode::Auto;
        let lane = lane.and_then(|lane| {
            let has = (!is_auto || lane.is_worth(now, content.len()))
                && lane.has_parity(fec.ratio(), share, memory);
            has.then_some(lane)
        });
        let Some(lane) = lane else {
            if let Some(place) = sealer.place().get_mut(..content.len()) {
                place.copy_from_slice(content);
                sealer.send(path, content.len(), out);
            }
            return;
        };
        let Some(encoder) = &mut lane.encoder else { return };
        let place = sealer.place();
        let Some(inner) = place.get_mut(HEADROOM..HEADROOM + content.len()) else { return };
        inner.copy_from_slice(content);
        let Some(len) = encoder.seal(now, place, content.len()) else { return };
        sealer.send(path, len, out);
        if is_auto && encoder.parity_len().is_some() && now.since(lane.group_at) > REST {
            encoder.skip();
        }
        while let Some(len) = encoder.parity(sealer.place()) {
            sealer.send(path, len, out);
        }
        *free_at = free_at.or(encoder.poll_timeout());
        lane.measure(memory);
    }
}

impl Sealer {
    /// Where the content of a datagram is to be written.
    fn place(&mut self) -> &mut [u8] {
        let at = self.crypt.headroom();
        self.scratch.get_mut(at..).unwrap_or_default()
    }

    /// Seals so many bytes there, and hands them on.
    fn send(&mut self, path: Path, len: usize, out: &mut dyn FnMut(Path, &[u8])) {
        let mut nonce = [0; NONCE_LEN];
        if self.crypt.overhead() > 0 {
            let numbers = [self.random.next_u64(), self.random.next_u64()];
            nonce.copy_from_slice(numbers.map(u64::to_le_bytes).as_flattened());
        }
        if let Some(len) = self.crypt.seal(&mut self.scratch[..], len, &nonce) {
            out(path, self.scratch.get(..len).unwrap_or_default());
        }
    }
}

/// Adds what was done in a lane.
fn add(stats: &mut KcpGoStats, lane: &Lane) {
    if let Some(of) = lane.encoder.as_ref().map(|encoder| encoder.stats()) {
        let FecEncoderStats { data, parity, skipped } = &mut stats.sent;
        *data += of.data;
        *parity += of.parity;
        *skipped += of.skipped;
    }
    if let Some(of) = lane.decoder.as_ref().map(|decoder| decoder.stats()) {
        let FecDecoderStats { data, parity, recovered, malformed, contradictory, adopted } =
            &mut stats.received;
        *data += of.data;
        *parity += of.parity;
        *recovered += of.recovered;
        *malformed += of.malformed;
        *contradictory += of.contradictory;
        *adopted += of.adopted;
    }
}

/// The way out: each datagram is sealed, with parity between them. It has the lanes as long as the router hands out
/// datagrams.
pub(in crate::router) struct LaneOutlet {
    kcp_go: Option<Box<KcpGo>>,
    /// Bytes that a lane may keep.
    share: usize,
}

impl LaneOutlet {
    pub(in crate::router) fn new(router: &mut Router) -> LaneOutlet {
        LaneOutlet { kcp_go: router.kcp_go.take(), share: router.account.budget().share() }
    }

    pub(in crate::router) fn send(
        &mut self,
        now: Time,
        path: Path,
        datagram: &[u8],
        out: &mut dyn FnMut(Path, &[u8]),
    ) {
        match &mut self.kcp_go {
            None => out(path, datagram),
            Some(kcp_go) => kcp_go.send(now, path, datagram, self.share, out),
        }
    }

    /// Gives the lanes back, without those of peers that have left meanwhile.
    pub(in crate::router) fn end(self, router: &mut Router) {
        router.kcp_go = self.kcp_go;
        if let Some(kcp_go) = &mut router.kcp_go {
            router.left_lanes.drain(..).for_each(|peer| kcp_go.leave(peer));
            router.charge_lanes();
        }
    }
}
