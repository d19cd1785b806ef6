//! Datagrams that lie.

use proptest::prelude::*;

use super::*;

fn datagram(seqid: u32, kind: u16, shard: &[u8]) -> Vec<u8> {
    [&seqid.to_le_bytes()[..], &kind.to_le_bytes(), shard].concat()
}

fn data(seqid: u32, len: usize) -> Vec<u8> {
    let size = (len as u16 + 2).to_le_bytes();
    datagram(seqid, 0xf1, &[&size[..], &vec![7; len]].concat())
}

#[test]
fn memory_is_bounded_whatever_arrives() {
    let mut decoder = FecDecoder::new(ratio("200+56"));
    let mut most = 0;
    // 199 of 200 of each group, each in a place of its own; then groups far ahead, and all over the place.
    for seqid in (0..256 * 40u32).filter(|seqid| seqid % 256 < 199) {
        receive(&mut decoder, ms(1), &[data(seqid, 1490)]);
        most = most.max(decoder.memory());
    }
    for step in 0..20_000u32 {
        let seqid = step.wrapping_mul(2_654_435_761);
        let kind = if seqid % 256 < 200 { 0xf1 } else { 0xf2 };
        let shard = [&1492u16.to_le_bytes()[..], &[1; 1490]].concat();
        receive(&mut decoder, ms(1), &[datagram(seqid, kind, &shard)]);
        most = most.max(decoder.memory());
    }
    assert!(most > 200 * 1492 && most <= 256 * 1536, "{most}");
    assert_eq!(decoder.ratio(), Some(ratio("200+56")));
}

#[test]
fn lengths_that_lie_are_no_datagrams() {
    let mut decoder = FecDecoder::new(ratio("2+1"));
    for shard in [&[][..], &[2], &[0, 0], &[1, 0, 9], &[5, 0, 1, 2], &[0xff, 0xff, 1]] {
        assert!(receive(&mut decoder, ms(0), &[datagram(0, 0xf1, shard)]).0.is_empty());
    }
    assert_eq!(decoder.stats().malformed, 6);
    assert_eq!(receive(&mut decoder, ms(0), &[datagram(0, 0xf1, &[2, 0])]).0, [b""]);
    let padded = datagram(1, 0xf1, &[4, 0, 1, 2, 9, 9]);
    assert_eq!(receive(&mut decoder, ms(0), &[padded]).0, [[1, 2]]);
    for datagram in [&[][..], &[1, 2, 3, 4, 0xf2], &[0; 40]] {
        decoder.decode(ms(0), datagram, &mut |_, _| panic!("nothing to hand on"));
    }
    assert_eq!(decoder.stats().malformed, 9);
}

#[test]
fn parity_of_something_else_recovers_nothing() {
    // What it says is not padded with zeros; a length that is too long; shards of different lengths.
    let parities: [&[u8]; 3] = [&[4, 0, 1, 2, 3, 4], &[0xff, 0xff, 1, 2, 3, 4], &[4, 0, 1]];
    for parity in parities {
        let mut decoder = FecDecoder::new(ratio("2+1"));
        let datagrams = [datagram(0, 0xf1, &[6, 0, 0, 0, 0, 0]), datagram(2, 0xf2, parity)];
        let (arrived, recovered) = receive(&mut decoder, ms(0), &datagrams);
        assert_eq!((arrived.len(), recovered.len()), (1, 0), "{parity:?}");
        assert_eq!(decoder.stats().contradictory, 1);
    }
}

#[test]
fn a_lie_about_a_number_costs_a_moment_only() {
    let mut encoder = encoder("4+2");
    let mut decoder = FecDecoder::new(ratio("4+2"));
    let mut recovered = Vec::new();
    for group in 0..80 {
        let mut sent = Vec::new();
        for number in 0..4 {
            sent.extend(send(&mut encoder, ms(0), &content(group * 4 + number, 40)));
        }
        match group {
            20 => sent.push(data(6 * 300_000_000, 40)),
            50 => sent.push(datagram(6 * 50 + 1, 0xf2, &[9; 9])),
            _ => {}
        }
        sent.remove(1);
        recovered.push(receive(&mut decoder, ms(0), &sent).1.len() as u32);
    }
    let of = |range: std::ops::Range<usize>| recovered[range].iter().sum::<u32>();
    assert_eq!(of(0..20), 20);
    // A number far ahead: 64 datagrams are taken for late.
    assert_eq!((of(21..33), of(35..50)), (0, 15));
    // A type in the wrong place: the ratio is found out again.
    assert_eq!((of(50..51), of(54..80)), (1, 26));
}

#[test]
fn messages_apart_from_the_stream_are_left_alone() {
    let mut decoder = FecDecoder::new(ratio("2+1"));
    let apart = datagram(u32::MAX, 0xf3, &[8, 0, 1, 2, 3, 4, 5, 6]);
    decoder.decode(ms(0), &apart, &mut |_, _| panic!("it is none of KCP's"));
    assert_eq!(decoder.ratio(), Some(ratio("2+1")));
}

proptest! {
    #[test]
    fn any_datagrams_are_survived(
        datagrams in proptest::collection::vec(
            (0u32..600, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)),
            0..200,
        ),
        expected in (0u8..=255, 0u8..=255),
    ) {
        let mut decoder = FecDecoder::new(FecConfig { data: expected.0, parity: expected.1 });
        for (at, (seqid, is_data, bytes)) in datagrams.iter().enumerate() {
            let kind = if *is_data { 0xf1 } else { 0xf2 };
            let mut out = 0;
            let datagram = datagram(seqid.wrapping_sub(300), kind, bytes);
            decoder.decode(ms(at as u64 * 50), &datagram, &mut |_, content| out += content.len());
            prop_assert!(out <= 300 * 40 && decoder.memory() <= 256 * 1536);
        }
        decoder.handle_timeout(ms(1_000_000));
        prop_assert_eq!((decoder.memory(), decoder.poll_timeout()), (0, None));
    }
}
