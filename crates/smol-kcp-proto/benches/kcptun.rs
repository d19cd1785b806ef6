//! What kcptun's layers cost: each cipher, the key, and parity beside `reed-solomon-erasure`, both in plain Rust.
//! `cargo bench -p smol-kcp-proto --bench kcptun`
//!
//! With a case and a number it does that so many times and nothing else, for who counts instructions: that of two
//! runs is the difference, e.g. of `encode 0` and `encode 10`.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // a bench reads the clock

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reed_solomon_erasure::galois_8::ReedSolomon;
use smol_kcp_proto::layer::crypto::kcp_go::{
    derive_key, Cipher, DerivedKey, PacketCipher, NONCE_LEN,
};
use smol_kcp_proto::layer::fec::{FecConfig, FecDecoder, FecEncoder, HEADROOM};
use smol_kcp_proto::router::Router;
use smol_kcp_proto::time::Time;
use smol_kcp_proto::{KcpConfig, KcpGoConfig, Rate};

/// What kcptun's packets have as content, about.
const LEN: usize = 1350;
const RATIO: FecConfig = FecConfig { data: 10, parity: 3 };
const DATA: usize = RATIO.data as usize;
const TOTAL: usize = DATA + RATIO.parity as usize;

/// What is carried at one go between two endpoints.
const BYTES: usize = 256 * 1024;

/// Something to measure: what it is called, the bytes of content in one go, and one go.
struct Case {
    name: String,
    bytes: usize,
    go: Box<dyn FnMut()>,
}

fn case(name: impl Into<String>, bytes: usize, go: impl FnMut() + 'static) -> Case {
    Case { name: name.into(), bytes, go: Box::new(go) }
}

fn content(seed: usize) -> Vec<u8> {
    (0..LEN).map(|at| (at * at + seed * 77) as u8).collect()
}

fn ciphers(cases: &mut Vec<Case>) {
    for &cipher in Cipher::ALL {
        let crypt = move || PacketCipher::new(cipher, &DerivedKey::from_bytes([7; 32]));
        let (sealer, mut buf) = (crypt(), vec![5; LEN + cipher.overhead()]);
        let packet = {
            let mut packet = buf.clone();
            sealer.seal(&mut packet, LEN, &[9; NONCE_LEN]).expect("it fits");
            packet
        };
        cases.push(case(format!("seal-{cipher}"), LEN, move || {
            black_box(sealer.seal(&mut buf, LEN, &[9; NONCE_LEN]));
        }));
        let (opener, mut buf) = (crypt(), packet.clone());
        cases.push(case(format!("open-{cipher}"), LEN, move || {
            buf.copy_from_slice(&packet);
            assert!(opener.open(&mut buf).is_some());
        }));
    }
    cases.push(case("key", 0, || drop(black_box(derive_key(b"it's a secrect")))));
}

/// Sends a group, and hands each datagram on.
fn send(
    encoder: &mut FecEncoder,
    contents: &[Vec<u8>],
    buf: &mut [u8],
    sent: &mut dyn FnMut(&[u8]),
) {
    for content in contents {
        buf[HEADROOM..][..content.len()].copy_from_slice(content);
        let len = encoder.seal(Time::ZERO, buf, content.len()).expect("it fits");
        sent(&buf[..len]);
        while let Some(len) = encoder.parity(buf) {
            sent(&buf[..len]);
        }
    }
}

fn parity(cases: &mut Vec<Case>) {
    let contents: Vec<Vec<u8>> = (0..DATA).map(content).collect();
    let (mut encoder, mut buf) = (FecEncoder::new(RATIO).expect("a ratio"), vec![0; 1500]);
    let of_group = contents.clone();
    cases.push(case("encode", DATA * LEN, move || {
        send(&mut encoder, &of_group, &mut buf, &mut |datagram| _ = black_box(datagram));
    }));
    for lost in [0, 1, 3] {
        let mut datagrams = Vec::new();
        let mut encoder = FecEncoder::new(RATIO).expect("a ratio");
        send(&mut encoder, &contents, &mut vec![0; 1500], &mut |d| datagrams.push(d.to_vec()));
        datagrams.drain(..lost);
        let (mut decoder, mut group) = (FecDecoder::new(RATIO), 0u32);
        cases.push(case(format!("decode-{lost}-lost"), DATA * LEN, move || {
            let mut out = 0;
            for (at, datagram) in (lost as u32..).zip(&mut datagrams) {
                datagram[..4].copy_from_slice(&(group * TOTAL as u32 + at).to_le_bytes());
                decoder.decode(Time::ZERO, datagram, &mut |_, content| out += content.len());
            }
            assert_eq!(out, DATA * LEN);
            group = (group + 1) % 1_000_000;
        }));
    }

    let code = || ReedSolomon::new(DATA, TOTAL - DATA).expect("a ratio");
    let mut shards = contents;
    shards.resize(TOTAL, vec![0; LEN]);
    code().encode(&mut shards).expect("they fit");
    let (mut group, encoder) = (shards.clone(), code());
    cases.push(case("encode-theirs", DATA * LEN, move || {
        encoder.encode(black_box(&mut group)).expect("they fit");
    }));
    for lost in [1, 3] {
        let (shards, decoder) = (shards.clone(), code());
        let mut group: Vec<(Vec<u8>, bool)> = shards.iter().map(|s| (s.clone(), true)).collect();
        cases.push(case(format!("decode-{lost}-lost-theirs"), DATA * LEN, move || {
            // As many as arrive before ours is done, and copied as ours copies them.
            for (at, (slot, shard)) in group.iter_mut().zip(&shards).enumerate() {
                slot.0.copy_from_slice(shard);
                slot.1 = (lost..DATA + lost).contains(&at);
            }
            decoder.reconstruct_data(black_box(&mut group)).expect("enough are there");
        }));
    }
}

/// Two endpoints, a stream between them, and no time.
struct Pair {
    client: Router,
    server: Router,
    key: usize,
    accepted: Option<usize>,
    now: Time,
    buf: Vec<u8>,
}

impl Pair {
    const ADDR: [SocketAddr; 2] = [
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 1),
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 2),
    ];

    fn new(kcp_go: Option<KcpGoConfig>) -> Pair {
        let config =
            KcpConfig { mtu: LEN, stream: true, rate: Rate::Off, kcp_go, ..KcpConfig::lan() };
        config.check().expect("it is right");
        let config = Arc::new(config);
        let router = |seed| Router::new(Arc::clone(&config), 0, [seed, 7]);
        let (mut client, mut server) = (router(1), router(2));
        server.set_accepting(true);
        let key = client.connect(Time::ZERO, Pair::ADDR[1], None).expect("there is room");
        let (now, buf) = (Time::ZERO, vec![7; BYTES]);
        let mut pair = Pair { client, server, key, accepted: None, now, buf };
        while pair.accepted.is_none() {
            pair.turn();
            pair.accepted = pair.server.pop_incoming();
        }
        pair
    }

    /// What each has to say reaches the other, a millisecond later.
    fn turn(&mut self) {
        self.now = self.now + Duration::from_millis(1);
        let (now, mut sent) = (self.now, Vec::new());
        let mut pass = |from: &mut Router, to: &mut Router, addr: SocketAddr| {
            from.handle_timeout(now);
            while from.transmit(now, &mut |_, datagram| sent.push(datagram.to_vec())) {}
            sent.drain(..).for_each(|mut datagram| to.receive(now, addr, &mut datagram));
        };
        pass(&mut self.client, &mut self.server, Pair::ADDR[0]);
        pass(&mut self.server, &mut self.client, Pair::ADDR[1]);
    }

    fn carry(&mut self) {
        let (mut written, mut read) = (0, 0);
        let accepted = self.accepted.expect("it was accepted");
        let mut into = vec![0; BYTES];
        while read < BYTES {
            if let Ok(Some(n)) = self.client.write(self.now, self.key, &self.buf[written..]) {
                written += n;
            }
            self.turn();
            let now = self.now;
            while let Ok(Some(n)) = self.server.read(|| now, accepted, &mut into, false) {
                read += n;
            }
        }
    }
}

/// Whole endpoints with and without kcp-go's layers.
fn endpoints(cases: &mut Vec<Case>) {
    let with = |cipher, fec: FecConfig| {
        let crypt = PacketCipher::new(cipher, &DerivedKey::from_bytes([7; 32]));
        Some(KcpGoConfig::new(crypt).with_fec(fec))
    };
    let all = [
        ("plain", None),
        ("null", with(Cipher::Null, FecConfig::OFF)),
        ("null-10+3", with(Cipher::Null, RATIO)),
        ("aes", with(Cipher::Aes, FecConfig::OFF)),
        ("aes-10+3", with(Cipher::Aes, RATIO)),
    ];
    for (name, kcp_go) in all {
        let mut pair = Pair::new(kcp_go);
        cases.push(case(format!("endpoints-{name}"), BYTES, move || pair.carry()));
    }
}

fn main() {
    let mut cases = Vec::new();
    ciphers(&mut cases);
    parity(&mut cases);
    endpoints(&mut cases);
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let [name, times] = args.as_slice() {
        let times = times.parse().expect("a number");
        let case = cases.iter_mut().find(|case| case.name == *name).expect("one of the cases");
        (0..times).for_each(|_| (case.go)());
        return;
    }
    for case in &mut cases {
        let (mut best, begin) = (Duration::MAX, Instant::now());
        while begin.elapsed() < Duration::from_millis(200) {
            let times = 200_000usize.checked_div(case.bytes).map_or(1, |times| times + 1);
            let go = Instant::now();
            (0..times).for_each(|_| (case.go)());
            best = best.min(go.elapsed() / times as u32);
        }
        let nanos = best.as_nanos().max(1) as f64;
        match case.bytes {
            0 => println!("{:24} {:10.1} µs", case.name, nanos / 1e3),
            bytes => println!("{:24} {:10.0} MB/s", case.name, bytes as f64 * 1e3 / nanos),
        }
    }
}
