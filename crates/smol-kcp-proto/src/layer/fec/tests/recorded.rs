//! Datagrams of kcptun, and those of `reed-solomon-erasure`.

use proptest::prelude::*;
use reed_solomon_erasure::galois_8::ReedSolomon;

use super::*;

/// Returns the recorded datagrams of each session, with its ratio.
fn sessions() -> Vec<(FecConfig, Vec<Vec<u8>>)> {
    let mut sessions: Vec<(FecConfig, Vec<Vec<u8>>)> = Vec::new();
    for line in include_str!("datagrams.txt").lines().filter(|line| !line.starts_with('#')) {
        if let Some(text) = line.strip_prefix("ratio ") {
            sessions.push((ratio(text), Vec::new()));
        } else if !line.is_empty() {
            let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
            let bytes = (0..line.len()).step_by(2).map(byte).collect();
            sessions.last_mut().unwrap().1.push(bytes);
        }
    }
    sessions
}

fn is_data(datagram: &[u8]) -> bool {
    datagram[4] == 0xf1
}

#[test]
fn what_kcptun_sent_we_would_send_too() {
    for (config, recorded) in sessions() {
        let mut encoder = FecEncoder::new(config).unwrap();
        let data = recorded.iter().filter(|datagram| is_data(datagram));
        let sent: Vec<Vec<u8>> =
            data.flat_map(|datagram| send(&mut encoder, ms(0), &datagram[HEADROOM..])).collect();
        assert!(encoder.stats().parity >= 3, "{config}");
        assert_eq!(sent, recorded, "{config}");
    }
}

#[test]
fn what_gets_lost_of_kcptuns_is_recovered() {
    let mut groups = 0;
    for (config, recorded) in sessions() {
        let whole = recorded.chunks_exact(config.total().into());
        for group in whole {
            groups += 1;
            for first in 0..group.len() {
                for second in 0..group.len() {
                    let survives = |at: &usize| *at != first && *at != second;
                    let rest: Vec<Vec<u8>> =
                        (0..group.len()).filter(survives).map(|at| group[at].clone()).collect();
                    let mut decoder = FecDecoder::new(config);
                    let (mut arrived, recovered) = receive(&mut decoder, ms(0), &rest);
                    arrived.extend(recovered);
                    let mut expected: Vec<&[u8]> = Vec::new();
                    expected.extend(group.iter().filter(|g| is_data(g)).map(|g| &g[HEADROOM..]));
                    arrived.sort();
                    expected.sort();
                    assert_eq!(arrived, expected, "{config}, without {first} and {second}");
                }
            }
        }
    }
    assert_eq!(groups, 4);
}

#[test]
fn kcptuns_ratio_is_found_out() {
    for (config, recorded) in sessions() {
        let mut decoder = FecDecoder::new(ratio("4+2"));
        let (arrived, _) = receive(&mut decoder, ms(0), &recorded);
        let data = recorded.iter().filter(|datagram| is_data(datagram)).count();
        assert_eq!((decoder.ratio(), arrived.len()), (Some(config), data));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.min(64), ..ProptestConfig::default() })]

    /// Another implementation of the code that kcp-go uses computes the same parity.
    #[test]
    fn parity_is_that_of_another_library(
        data in 1u8..=40,
        parity in 1u8..=20,
        lens in proptest::collection::vec(0usize..100, 40),
        seed: u32,
    ) {
        let config = FecConfig { data, parity };
        let mut encoder = FecEncoder::new(config).unwrap();
        let mut ours = Vec::new();
        for (number, len) in (0..u32::from(data)).zip(lens) {
            ours.extend(send(&mut encoder, ms(0), &content(seed.wrapping_add(number), len)));
        }
        let longest = ours.iter().map(Vec::len).max().unwrap() - 6;
        let mut theirs: Vec<Vec<u8>> = ours.iter().map(|datagram| datagram[6..].to_vec()).collect();
        for shard in &mut theirs {
            shard.resize(longest, 0);
        }
        for shard in theirs.iter_mut().skip(data.into()) {
            shard.fill(0);
        }
        ReedSolomon::new(data.into(), parity.into()).unwrap().encode(&mut theirs).unwrap();
        for (ours, theirs) in ours.iter().zip(&theirs).skip(data.into()) {
            prop_assert_eq!(&ours[6..], &theirs[..]);
        }
    }
}
