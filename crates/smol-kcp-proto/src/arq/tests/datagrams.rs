//! Conversations that carry datagrams: messages overtake what is lost, and are given up when they are too old.

use super::*;
use crate::arq::Allowance;
use crate::config::DatagramConfig;

fn datagrams(lifetime: Option<u64>) -> KcpConfig {
    let lifetime = lifetime.map(Duration::from_millis);
    let datagrams = DatagramConfig::new(CONV..=CONV).with_lifetime(lifetime);
    KcpConfig { datagrams: Some(datagrams), ..fast() }
}

/// A message that tells its number and, by that, its length.
fn message(number: u8, len: usize) -> Vec<u8> {
    let mut message = pattern(len);
    message[0] = number;
    message
}

/// What an engine sends now, a list of segments for each datagram.
fn flush(engine: &mut Engine, now: Time) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    engine.flush(now);
    engine.take_output(&mut |datagram| out.push(datagram.to_vec()));
    out
}

/// The numbers of the messages that can be read, all of which are as they were sent.
fn numbers(engine: &mut Engine, lens: impl Fn(u8) -> usize) -> Vec<u8> {
    let mut numbers = Vec::new();
    loop {
        let mut got = Vec::new();
        if engine.read_into(&mut got).is_none() {
            return numbers;
        }
        assert_eq!(got, message(got[0], lens(got[0])));
        numbers.push(got[0]);
    }
}

/// Two engines with so many messages of that length under way from the first, each in a datagram of its own
/// for each fragment.
fn under_way(config: &KcpConfig, count: u8, len: usize) -> (Engine, Engine, Vec<Vec<u8>>) {
    let [mut from, to] = [(); 2].map(|()| ring(setup(config)).unwrap());
    for number in 0..count {
        assert_eq!(from.write(&message(number, len)).unwrap(), len);
    }
    let sent = flush(&mut from, ms(0));
    (from, to, sent)
}

#[test]
fn what_is_here_is_read_ahead_of_what_is_missing() {
    let len = MSS;
    let (_, mut to, sent) = under_way(&datagrams(None), 6, len);
    for at in [0, 2, 3, 5] {
        to.hear(ms(20), &sent[at]).unwrap();
    }
    assert_eq!(numbers(&mut to, |_| len), [0, 2, 3, 5]);
    to.hear(ms(40), &sent[1]).unwrap();
    to.hear(ms(41), &sent[3]).unwrap();
    to.hear(ms(42), &sent[4]).unwrap();
    assert_eq!(numbers(&mut to, |_| len), [1, 4], "and nothing twice");
    assert_eq!(to.rcv_nxt(), SN_BASE.wrapping_add(6));
}

#[test]
fn a_message_of_several_segments_overtakes_when_all_of_it_is_here() {
    let len = 2 * MSS + 100;
    let (_, mut to, sent) = under_way(&datagrams(None), 3, len);
    assert_eq!(sent.len(), 9);
    for at in [0, 2, 4, 3, 6] {
        to.hear(ms(20), &sent[at]).unwrap();
    }
    assert_eq!(numbers(&mut to, |_| len), [0; 0]);
    to.hear(ms(30), &sent[5]).unwrap();
    assert_eq!(numbers(&mut to, |_| len), [1]);
    for at in [7, 1, 8] {
        to.hear(ms(40), &sent[at]).unwrap();
    }
    assert_eq!(numbers(&mut to, |_| len), [0, 2]);
}

#[test]
fn of_other_conversations_messages_keep_their_order() {
    let config =
        KcpConfig { datagrams: Some(DatagramConfig::new(CONV + 1..=CONV + 9)), ..messages() };
    let (_, mut to, sent) = under_way(&config, 4, MSS);
    for at in [0, 2, 3] {
        to.hear(ms(20), &sent[at]).unwrap();
    }
    assert_eq!(numbers(&mut to, |_| MSS), [0]);
}

#[test]
fn through_a_lossy_network_that_reorders_each_arrives_once_and_whole() {
    let len = |number: u8| 1 + usize::from(number) * 23;
    let config = datagrams(None);
    let mut sim = Sim::pair([ring, ring], &config);
    (sim.loss_percent, sim.jitter) = (20, Duration::from_millis(15));
    let all: Vec<u8> = (0..=255).collect();
    sim.apps[0].to_write = all.iter().map(|&number| message(number, len(number))).collect();
    sim.run_dry();
    let (got, lens) = (&sim.apps[1].got, &sim.apps[1].lens);
    let (mut at, mut numbers) = (0, Vec::new());
    for &one in lens {
        let read = &got[at..at + one];
        assert_eq!(read, message(read[0], len(read[0])));
        numbers.push(read[0]);
        at += one;
    }
    assert_ne!(numbers, all, "nothing overtook anything");
    numbers.sort_unstable();
    assert_eq!(numbers, all);
}

#[test]
fn what_is_too_old_is_not_sent_again_and_what_follows_does_not_wait() {
    let len = |number| if number < 3 { 2 * MSS } else { 50 };
    let config = datagrams(Some(100));
    let (mut from, mut to, sent) = under_way(&config, 3, 2 * MSS);
    // Of the second message one half arrives, of the third nothing; nor does any answer.
    for at in [0, 1, 2] {
        to.hear(ms(20), &sent[at]).unwrap();
    }
    assert_eq!(numbers(&mut to, len), [0]);
    from.write(&message(3, 50)).unwrap();
    let bytes = |datagrams: &[Vec<u8>]| datagrams.iter().map(Vec::len).sum::<usize>();
    let again = flush(&mut from, ms(50));
    assert!(bytes(&again) < 200, "the new one");
    let (mut now, mut late) = (ms(50), 0);
    while let Some(due) = from.poll_timeout(now) {
        now = due.max(now + Duration::from_millis(1));
        let out = flush(&mut from, now);
        if now < ms(250) {
            continue;
        }
        late += bytes(&out);
        out.iter().for_each(|datagram| assert!(to.hear(now, datagram).is_ok()));
        for datagram in flush(&mut to, now) {
            from.hear(now, &datagram).unwrap();
        }
    }
    assert!(late < 500, "headers: {late} bytes");
    assert_eq!(
        numbers(&mut to, len),
        [0; 0],
        "the half of a message is none, and 3 is too old as well"
    );
    assert_eq!(
        (from.unacked(), from.stats().given_up),
        (0, 5),
        "one of the first, before its ACK came"
    );
    from.write(&message(4, 50)).unwrap();
    for datagram in flush(&mut from, now) {
        to.hear(now, &datagram).unwrap();
    }
    assert_eq!(numbers(&mut to, len), [4]);
}

#[test]
fn what_has_waited_too_long_for_its_turn_is_never_sent() {
    let config = datagrams(Some(100));
    let [mut from, mut to] = [(); 2].map(|()| ring(setup(&config)).unwrap());
    let none = Allowance { pace: 0, ..Allowance::ALL };
    from.write(&message(0, MSS)).unwrap();
    from.flush_within(ms(0), none);
    from.write(&message(1, MSS)).unwrap();
    from.flush_within(ms(60), none);
    from.flush_within(ms(120), none);
    let sent = flush(&mut from, ms(130));
    sent.iter().for_each(|datagram| assert!(to.hear(ms(140), datagram).is_ok()));
    assert_eq!(numbers(&mut to, |_| MSS), [1], "it has not waited for so long");
    assert_eq!(from.stats().given_up, 1);
    // After a rest what is new is not old.
    for datagram in flush(&mut to, ms(140)) {
        from.hear(ms(150), &datagram).unwrap();
    }
    from.write(&message(2, MSS)).unwrap();
    for datagram in flush(&mut from, ms(9_000)) {
        to.hear(ms(9_000), &datagram).unwrap();
    }
    assert_eq!(numbers(&mut to, |_| MSS), [2]);
}
