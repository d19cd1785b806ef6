//! Lines that lose, swap and repeat.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Groups of a sender, one after the other.
fn groups(encoder: &mut FecEncoder, count: u32, len: impl Fn(u32) -> usize) -> Vec<Vec<Vec<u8>>> {
    let data = u32::from(encoder.config().data);
    let group = |group: u32| {
        let numbers = group * data..(group + 1) * data;
        numbers.flat_map(|number| send(encoder, ms(0), &content(number, len(number)))).collect()
    };
    (0..count).map(group).collect()
}

#[test]
fn a_lost_one_comes_with_the_first_parity_and_once() {
    let mut sent = groups(&mut encoder("4+2"), 1, |_| 100).remove(0);
    let mut decoder = FecDecoder::new(ratio("4+2"));
    let lost = sent.remove(1);
    assert_eq!(receive(&mut decoder, ms(0), &sent[..3]).1, Vec::<Vec<u8>>::new());
    assert_eq!(receive(&mut decoder, ms(0), &sent[3..4]).1, [content(1, 100)]);
    assert_eq!(receive(&mut decoder, ms(0), &sent).1, Vec::<Vec<u8>>::new(), "all of it again");
    // It was only late: it goes on, as everything that arrives.
    assert_eq!(receive(&mut decoder, ms(0), &[lost]).0, [content(1, 100)]);
    let stats = decoder.stats();
    assert_eq!((stats.data, stats.parity, stats.recovered), (3 + 3 + 1, 1 + 2, 1));
}

#[test]
fn more_than_the_parity_is_lost_for_good() {
    let mut sent = groups(&mut encoder("4+2"), 1, |_| 100).remove(0);
    sent.drain(..3);
    let mut decoder = FecDecoder::new(ratio("4+2"));
    let (arrived, recovered) = receive(&mut decoder, ms(0), &sent);
    assert_eq!((arrived.len(), recovered.len()), (1, 0));
}

#[test]
fn without_losses_nothing_is_recovered_and_little_kept() {
    let mut decoder = FecDecoder::new(ratio("10+3"));
    for group in groups(&mut encoder("10+3"), 50, |_| 1000) {
        assert_eq!(receive(&mut decoder, ms(0), &group).1, Vec::<Vec<u8>>::new());
    }
    assert!(decoder.memory() <= 10 * 1100, "{}", decoder.memory());
}

#[test]
fn a_row_of_gso_may_come_late() {
    let sent = groups(&mut encoder("2+1"), 40, |_| 20).concat();
    // A batch of 60 overtakes the batch before it; each group lacks one.
    let batch: Vec<Vec<u8>> = sent[60..120].iter().chain(&sent[..60]).cloned().collect();
    let batch: Vec<Vec<u8>> =
        batch.into_iter().enumerate().filter(|(at, _)| at % 3 != 1).map(|(_, d)| d).collect();
    let mut decoder = FecDecoder::new(ratio("2+1"));
    assert_eq!(receive(&mut decoder, ms(0), &batch).1.len(), 40);
}

#[test]
fn the_ratio_of_another_in_the_place_of_the_other_side_is_found_out() {
    let mut from = 0;
    let mut decoder = FecDecoder::new(FecConfig::OFF);
    assert_eq!(decoder.ratio(), None);
    let mut number = 0;
    for text in ["10+3", "2+1", "20+10", "3+2", "8+4", "10+3"] {
        // Groups begin at multiples of their length; it goes on behind what was sent.
        let mut encoder = encoder(text).with_next(from + u32::from(ratio(text).total()) - 1);
        let mut recovered = 0;
        for group in 0..8 {
            let mut sent = Vec::new();
            for _ in 0..ratio(text).data {
                sent.extend(send(&mut encoder, ms(0), &content(number, 80)));
                number += 1;
            }
            if group >= 4 {
                sent.remove(0);
            }
            let (arrived, again) = receive(&mut decoder, ms(0), &sent);
            assert!(arrived.len() >= usize::from(ratio(text).data) - 1);
            recovered += again.len();
        }
        assert_eq!((decoder.ratio(), recovered), (Some(ratio(text)), 4), "{text}");
        from = encoder.next();
    }
    assert_eq!(decoder.stats().contradictory, 0);
}

#[test]
fn one_that_began_anew_is_recovered_again_after_a_few() {
    let mut decoder = FecDecoder::new(ratio("4+2"));
    receive(&mut decoder, ms(0), &groups(&mut encoder("4+2"), 100, |_| 30).concat());
    let mut recovered = 0;
    for mut group in groups(&mut encoder("4+2"), 20, |_| 30) {
        group.remove(0);
        recovered += receive(&mut decoder, ms(0), &group).1.len();
    }
    assert!((6..=8).contains(&recovered), "{recovered} of 20 groups of 5, after 64 datagrams");
}

#[test]
fn what_is_old_is_not_recovered_and_silence_gives_memory_back() {
    let mut sent = groups(&mut encoder("4+2"), 2, |_| 500);
    let mut decoder = FecDecoder::new(ratio("4+2"));
    assert_eq!(decoder.poll_timeout(), None);
    receive(&mut decoder, ms(10), &sent[0][1..4]);
    assert!(receive(&mut decoder, ms(3011), &sent[0][4..]).1.is_empty(), "repeated long ago");
    assert!(decoder.memory() > 0);
    let deadline = decoder.poll_timeout().unwrap();
    assert_eq!(deadline, ms(6011));
    decoder.handle_timeout(ms(6010));
    assert!(decoder.poll_timeout().is_some());
    decoder.handle_timeout(deadline);
    assert_eq!((decoder.poll_timeout(), decoder.memory()), (None, 0));
    sent[1].remove(0);
    assert_eq!(receive(&mut decoder, ms(9000), &sent[1]).1.len(), 1, "it goes on");
}

#[test]
fn a_sender_that_falls_silent_gives_its_memory_back_and_goes_on_with_the_next_group() {
    let mut encoder = encoder("4+2");
    assert_eq!(encoder.poll_timeout(), None);
    send(&mut encoder, ms(10), &content(0, 100));
    let deadline = encoder.poll_timeout().unwrap();
    assert_eq!(deadline, ms(3010));
    encoder.handle_timeout(ms(3009));
    assert!(encoder.poll_timeout().is_some());
    encoder.handle_timeout(deadline);
    assert_eq!(encoder.poll_timeout(), None);
    assert_eq!(send(&mut encoder, ms(4000), &content(1, 100))[0][0], 6);
    for number in 2..4 {
        send(&mut encoder, ms(4000), &content(number, 100));
    }
    // A group that is complete is no reason to leave a number out.
    assert_eq!(send(&mut encoder, ms(4000), &content(4, 100)).len(), 3);
    encoder.handle_timeout(ms(7000));
    assert_eq!(send(&mut encoder, ms(7000), &content(5, 100))[0][0], 12);
}

proptest! {
    /// Whatever gets lost of a group, comes in whatever order and how often: as long as no more is lost than
    /// there is parity, everything is there, each once, to the byte.
    #[test]
    fn any_losses_that_the_parity_covers_are_recovered(
        data in 1u8..=60,
        parity in 1u8..=40,
        fates in proptest::collection::vec((any::<u32>(), any::<u32>()), 100),
        lens in proptest::collection::vec(0usize..300, 60),
        from in 0u32..4_294_900_000,
    ) {
        let config = FecConfig { data, parity };
        let mut encoder = FecEncoder::new(config).unwrap().with_next(from);
        let sent = groups(&mut encoder, 1, |number| lens[number as usize]).remove(0);
        let mut order: Vec<usize> = (0..sent.len()).collect();
        order.sort_by_key(|&at| fates[at].0);
        let lost = fates[0].1 as usize % (usize::from(parity) + 1);
        let mut arriving: Vec<Vec<u8>> = order[lost..].iter().map(|&at| sent[at].clone()).collect();
        let again = arriving[fates[1].1 as usize % arriving.len()].clone();
        arriving.insert(fates[2].1 as usize % arriving.len(), again);

        let mut decoder = FecDecoder::new(config);
        let (arrived, recovered) = receive(&mut decoder, ms(0), &arriving);
        let distinct: BTreeSet<&Vec<u8>> = arrived.iter().chain(&recovered).collect();
        let expected: Vec<Vec<u8>> =
            (0..u32::from(data)).map(|n| content(n, lens[n as usize])).collect();
        prop_assert_eq!(distinct, expected.iter().collect());
        let lost_data = order[..lost].iter().filter(|&&at| at < data.into()).count();
        prop_assert!(recovered.len() >= lost_data && arrived.len() + recovered.len() <= usize::from(data) + 1 + parity as usize);
        prop_assert_eq!(decoder.stats().contradictory, 0);
    }
}
