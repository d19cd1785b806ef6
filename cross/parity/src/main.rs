//! Computes parity of, or repairs, as many groups of 10+3 datagrams as the second argument says; the first is whose code
//! does it, and what: cross/parity.sh counts the instructions.

use reed_solomon_erasure::galois_8::ReedSolomon;
use smol_kcp_proto::layer::fec::{FecConfig, FecDecoder, FecEncoder, HEADROOM};
use smol_kcp_proto::time::Time;

const LEN: usize = 1350;
const DATA: usize = 10;
const TOTAL: usize = 13;
/// Data datagrams of each group that get lost.
const LOST: usize = 3;
const RATIO: FecConfig = FecConfig { data: 10, parity: 3 };

fn content(seed: usize) -> Vec<u8> {
    (0..LEN).map(|at| (at * at + seed * 77) as u8).collect()
}

/// Sends a group, and hands each datagram on.
fn send(encoder: &mut FecEncoder, contents: &[Vec<u8>], sent: &mut dyn FnMut(&[u8])) {
    let mut buf = [0; 1500];
    for content in contents {
        buf[HEADROOM..][..LEN].copy_from_slice(content);
        let len = encoder.seal(Time::ZERO, &mut buf, LEN).expect("it fits");
        sent(&buf[..len]);
        while let Some(len) = encoder.parity(&mut buf) {
            sent(&buf[..len]);
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let groups: u32 = args[2].parse().expect("a number");
    let contents: Vec<Vec<u8>> = (0..DATA).map(content).collect();
    let mut encoder = FecEncoder::new(RATIO).expect("a ratio");
    let code = ReedSolomon::new(DATA, TOTAL - DATA).expect("a ratio");
    let mut shards = contents.clone();
    shards.resize(TOTAL, vec![0; LEN]);
    let mut sum = 0;
    match args[1].as_str() {
        "encode" => {
            for _ in 0..groups {
                send(&mut encoder, &contents, &mut |datagram| sum += usize::from(datagram[9]));
            }
        }
        "encode-theirs" => {
            for _ in 0..groups {
                code.encode(&mut shards).expect("they fit");
                sum += usize::from(shards[DATA][9]);
            }
        }
        "decode" => {
            let mut datagrams = Vec::new();
            send(&mut encoder, &contents, &mut |datagram| datagrams.push(datagram.to_vec()));
            datagrams.drain(..LOST);
            let mut decoder = FecDecoder::new(RATIO);
            for group in 0..groups {
                for (at, datagram) in (LOST as u32..).zip(&mut datagrams) {
                    datagram[..4].copy_from_slice(&(group * TOTAL as u32 + at).to_le_bytes());
                    decoder.decode(Time::ZERO, datagram, &mut |_, content| sum += content.len());
                }
            }
            assert_eq!(sum, groups as usize * DATA * LEN);
        }
        "decode-theirs" => {
            code.encode(&mut shards).expect("they fit");
            let mut group: Vec<(Vec<u8>, bool)> = shards.iter().map(|s| (s.clone(), true)).collect();
            for _ in 0..groups {
                // Copied as ours copies them.
                for (at, (slot, shard)) in group.iter_mut().zip(&shards).enumerate() {
                    slot.0.copy_from_slice(shard);
                    slot.1 = at >= LOST;
                }
                code.reconstruct_data(&mut group).expect("enough are there");
            }
            assert!(group[0].0 == shards[0]);
        }
        other => panic!("{other}?"),
    }
    println!("{sum}");
}
