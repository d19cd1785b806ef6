//! What kcptun sent, what another library computes, and what losses and lies do.

mod hostile;
mod losses;
mod recorded;

use std::time::Duration;

use super::*;
use crate::time::Time;

fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn ratio(text: &str) -> FecConfig {
    text.parse().unwrap()
}

fn encoder(text: &str) -> FecEncoder {
    FecEncoder::new(ratio(text)).unwrap()
}

/// Seals a content, and returns all datagrams that leave because of it.
fn send(encoder: &mut FecEncoder, now: Time, content: &[u8]) -> Vec<Vec<u8>> {
    let mut buf = vec![0xee; DATAGRAM_MAX];
    buf[HEADROOM..][..content.len()].copy_from_slice(content);
    let len = encoder.seal(now, &mut buf, content.len()).unwrap();
    let mut sent = vec![buf[..len].to_vec()];
    while let Some(expected) = encoder.parity_len() {
        let mut buf = vec![0xee; DATAGRAM_MAX];
        let len = encoder.parity(&mut buf).unwrap();
        assert_eq!(len, expected);
        sent.push(buf[..len].to_vec());
    }
    sent
}

/// Content number `number`: its number, and bytes that follow from it.
fn content(number: u32, len: usize) -> Vec<u8> {
    let bytes = (0u32..).map(|at| (number.wrapping_mul(31).wrapping_add(at * at) >> 3) as u8);
    number.to_le_bytes().into_iter().chain(bytes).take(len.max(4)).collect()
}

/// Decodes datagrams, and returns what came out.
fn receive(
    decoder: &mut FecDecoder,
    now: Time,
    datagrams: &[Vec<u8>],
) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut arrived, mut recovered) = (Vec::new(), Vec::new());
    for datagram in datagrams {
        decoder.decode(now, datagram, &mut |origin, content| match origin {
            Origin::Arrived => arrived.push(content.to_vec()),
            Origin::Recovered => recovered.push(content.to_vec()),
        });
    }
    (arrived, recovered)
}

#[test]
fn numbers_begin_anew_with_a_whole_group() {
    // 0xffff_ffff is 13 * 330382099 + 8.
    let end = 13 * 330_382_099;
    let mut encoder = encoder("10+3").with_next(end - 26);
    let mut decoder = FecDecoder::new(ratio("10+3"));
    let mut numbers = Vec::new();
    for group in 0..6 {
        let mut sent = Vec::new();
        for number in group * 10..group * 10 + 10 {
            sent.extend(send(&mut encoder, ms(0), &content(number, 50)));
        }
        numbers.push(u32::from_le_bytes(sent[0][..4].try_into().unwrap()));
        sent.drain(2..5);
        let (arrived, recovered) = receive(&mut decoder, ms(0), &sent);
        assert_eq!((arrived.len(), recovered.len()), (7, 3), "group {group}");
    }
    assert_eq!(numbers, [end - 26, end - 13, 0, 13, 26, 39]);
}

#[test]
fn a_group_that_takes_long_to_fill_has_no_parity_and_its_numbers_are_used() {
    let mut encoder = encoder("2+1");
    let mut now = ms(0);
    let mut sent = Vec::new();
    for (number, gap) in [(0, 0), (1, 499), (2, 2000), (3, 500), (4, 2000), (5, 10)] {
        now = now + Duration::from_millis(gap);
        sent.extend(send(&mut encoder, now, &content(number, 9)));
    }
    let numbers: Vec<u8> = sent.iter().map(|datagram| datagram[0]).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 6, 7, 8]);
    let stats = encoder.stats();
    assert_eq!((stats.data, stats.parity, stats.skipped), (6, 2, 1));
    let mut decoder = FecDecoder::new(ratio("2+1"));
    sent.remove(6);
    let (arrived, recovered) = receive(&mut decoder, now, &sent);
    assert_eq!((arrived.len(), recovered), (5, vec![content(5, 9)]));
    assert_eq!(decoder.stats().adopted, 0);
}

#[test]
fn parity_that_nobody_takes_is_passed_over() {
    let mut encoder = encoder("2+2");
    let mut buf = [0; 64];
    for _ in 0..2 {
        assert_eq!(encoder.parity(&mut buf), None);
        assert!(encoder.seal(ms(0), &mut buf, 5).is_some());
    }
    assert_eq!(encoder.parity(&mut [0; 12]), None, "no room for it");
    assert_eq!(encoder.parity(&mut buf), Some(13));
    assert_eq!(buf[..6], [2, 0, 0, 0, 0xf2, 0]);
    assert_eq!(encoder.seal(ms(0), &mut buf, 5), Some(13));
    assert_eq!(buf[..8], [4, 0, 0, 0, 0xf1, 0, 7, 0]);
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut encoder = encoder("2+1");
    let mut buf = [0; 2000];
    assert_eq!(encoder.seal(ms(0), &mut buf, DATAGRAM_MAX - HEADROOM + 1), None);
    assert_eq!(encoder.seal(ms(0), &mut buf, usize::MAX), None);
    assert_eq!(encoder.seal(ms(0), &mut buf[..10], 3), None);
    assert_eq!(buf, [0; 2000]);
    assert_eq!(encoder.seal(ms(0), &mut buf, DATAGRAM_MAX - HEADROOM), Some(DATAGRAM_MAX));
    assert_eq!(buf[0], 0, "the first number");
    for text in ["off", "1+1"] {
        let config = FecConfig { parity: 0, ..ratio(text) };
        assert!(FecEncoder::new(config).is_none());
    }
    assert_eq!(encoder.config(), ratio("2+1"));
}

#[test]
fn plain_kcp_is_told_apart() {
    for cmd in 81..=84 {
        let mut segment = [0; 24];
        segment[4] = cmd;
        assert!(!is_fec(&segment));
    }
    assert!(!is_fec(&[]) && !is_fec(&[0, 0, 0, 0, 0xf1]) && !is_fec(&[0, 0, 0, 0, 0xf1, 1, 2, 0]));
    assert!([0xf1, 0xf2, 0xf3].iter().all(|&kind| is_fec(&[0, 0, 0, 0, kind, 0])));
}
