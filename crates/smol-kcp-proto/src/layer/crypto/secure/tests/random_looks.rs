//! What an observer sees looks like random bytes.

use std::collections::BTreeMap;

use super::world::{ms, secs, unruly, World, A, B};

/// Chi-square of how often each of `kinds` values occurs, as a normal deviate (Wilson and Hilferty).
pub(crate) fn deviate(counts: &[u64]) -> f64 {
    let total: u64 = counts.iter().sum();
    let (expected, degrees) = (total as f64 / counts.len() as f64, counts.len() as f64 - 1.0);
    let chi: f64 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
    ((chi / degrees).cbrt() - (1.0 - 2.0 / (9.0 * degrees))) / (2.0 / (9.0 * degrees)).sqrt()
}

/// Sessions of many pairs that say the same, which begin, go on, rekey, restart, over a bad wire.
fn captured() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for seed in 0..60 {
        let mut world = World::pair(seed);
        world.rule = unruly(seed, 10, 5, 50);
        world.connect(A, B);
        world.run(secs(3));
        for round in 0..40 {
            let _ = world.send(A, B, &[b'?'; 40]);
            let _ = world.send(B, A, &[0; 100]);
            world.run(secs(if round % 10 == 9 { 130 } else { 1 }));
            if round == 20 {
                world.restart(B);
            }
        }
        all.extend(world.captured.iter().map(|flying| flying.bytes.clone()));
    }
    all
}

#[test]
fn no_byte_of_a_datagram_differs_from_chance() {
    let all = captured();
    assert!(all.len() > 4000, "{}", all.len());
    let mut bytes = vec![0; 256];
    all.iter().flatten().for_each(|&byte| bytes[usize::from(byte)] += 1);
    assert!(deviate(&bytes).abs() < 5.0, "all bytes: {}", deviate(&bytes));
    // By place, from the front and from the back, and of the messages of handshakes alone.
    let handshakes: Vec<Vec<u8>> = all.iter().filter(|d| d.len() >= 180).cloned().collect();
    assert!(handshakes.len() > 200, "{}", handshakes.len());
    for (which, datagrams) in [("all", &all), ("handshakes", &handshakes)] {
        for at in 0..60 {
            for from_back in [false, true] {
                let mut nibbles = vec![0; 16];
                let mut bits = [[0; 2]; 8];
                for datagram in datagrams.iter().filter(|d| d.len() > at) {
                    let at = if from_back { datagram.len() - 1 - at } else { at };
                    nibbles[usize::from(datagram[at] >> 4)] += 1;
                    (0..8).for_each(|bit| bits[bit][usize::from(datagram[at] >> bit & 1)] += 1);
                }
                let worst = bits.iter().map(|counts| deviate(counts).abs()).fold(0.0, f64::max);
                assert!(worst.max(deviate(&nibbles).abs()) < 5.5, "{which} {at} {from_back}");
            }
        }
    }
}

/// Returns eight bytes that occur twice.
pub(crate) fn repeated<D: AsRef<[u8]>>(datagrams: &[D]) -> Option<&[u8]> {
    let mut seen: Vec<&[u8]> = datagrams.iter().flat_map(|d| d.as_ref().windows(8)).collect();
    seen.sort_unstable();
    seen.windows(2).find(|two| two[0] == two[1]).map(|two| two[0])
}

#[test]
fn no_eight_bytes_occur_twice() {
    assert_eq!(repeated(&captured()), None);
}

#[test]
fn messages_of_handshakes_have_many_lengths() {
    let mut world = World::pair(1);
    let mut lengths = BTreeMap::new();
    world.rule = Box::new(|_, _| vec![ms(20)]);
    for _ in 0..100 {
        world.restart(A);
        world.connect(A, B);
        world.run(secs(10));
    }
    for flying in &world.captured {
        *lengths.entry(flying.bytes.len()).or_insert(0) += 1;
    }
    assert!(lengths.len() > 100 && lengths.values().all(|&n| n < 40), "{lengths:?}");
}
