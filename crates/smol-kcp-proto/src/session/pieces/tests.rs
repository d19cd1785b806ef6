use proptest::prelude::*;

use super::*;
use crate::wire::CMD_WINS;

fn push(sn: u32, frg: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u32;
    let header = Header { conv: 7, cmd: CMD_PUSH, frg, wnd: 9, ts: 1000 + sn, sn, una: 3, len };
    [&header.encode()[..], payload].concat()
}

fn cut_up(segment: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    assert!(cut(segment, mtu, &mut |piece| pieces.push(piece.to_vec())));
    pieces
}

fn put_together(pieces: &mut Pieces, next: u32, datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    let is_near = |push: &Header| diff(push.sn, next).unsigned_abs() < 100;
    pieces.take(&View::new(datagram).unwrap(), next, is_near, &mut |push| {
        whole.push(push.to_vec());
    });
    whole
}

#[test]
fn a_segment_comes_out_as_it_went_in() {
    let payload: Vec<u8> = (0..1376).map(|n| n as u8).collect();
    let segment = push(5, 2, &payload);
    let parts = cut_up(&segment, 1232);
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [718, 718], "of one length");
    let mut pieces = Pieces::default();
    assert!(put_together(&mut pieces, 4, &parts[1]).is_empty());
    assert!(put_together(&mut pieces, 4, &parts[1]).is_empty(), "twice the same");
    assert!(pieces.memory() >= 1376);
    assert_eq!(put_together(&mut pieces, 4, &parts[0]), [segment]);
    assert_eq!((pieces.memory(), pieces.dropped), (0, 0));
}

#[test]
fn pieces_of_different_cuts_complete_each_other() {
    let payload: Vec<u8> = (0..1376).map(|n| (n / 3) as u8).collect();
    let segment = push(5, 0, &payload);
    let (long, short) = (cut_up(&segment, 1232), cut_up(&segment, 548));
    assert_eq!((long.len(), short.len()), (2, 3));
    let mut pieces = Pieces::default();
    assert!(put_together(&mut pieces, 5, &long[0]).is_empty());
    assert!(put_together(&mut pieces, 5, &short[2]).is_empty());
    assert_eq!(put_together(&mut pieces, 5, &short[1]), [segment]);
}

#[test]
fn what_is_here_already_is_acknowledged_again_and_changes_nothing() {
    let segment = push(5, 1, &[1; 1000]);
    let parts = cut_up(&segment, 600);
    let mut pieces = Pieces::default();
    assert!(put_together(&mut pieces, 5, &parts[0]).is_empty());
    let answer = put_together(&mut pieces, 6, &parts[1]);
    let header = Header::decode(&answer[0]).unwrap();
    assert_eq!((answer[0].len(), header.cmd, header.sn, header.ts), (24, CMD_PUSH, 5, 1005));
    assert_eq!((header.len, pieces.memory()), (0, 0));
}

#[test]
fn memory_is_bounded_and_the_oldest_gives_way() {
    let mut pieces = Pieces::default();
    for sn in 0..90 {
        let part = &cut_up(&push(sn, 0, &[1; 1376]), 1232)[0];
        assert!(put_together(&mut pieces, 0, part).is_empty());
        assert!(pieces.memory() <= MAX_SEGMENTS * 1400);
    }
    assert_eq!(pieces.dropped, 90 - MAX_SEGMENTS as u64);
    let last = &cut_up(&push(89, 0, &[1; 1376]), 1232)[1];
    assert_eq!(put_together(&mut pieces, 0, last).len(), 1);
    for sn in 0..90 {
        let part = &cut_up(&push(sn, 0, &[1; 65_000]), 1232)[0];
        put_together(&mut pieces, 0, part);
        assert!(pieces.memory() <= MAX_BYTES);
    }
}

#[test]
fn nonsense_is_dropped() {
    let mut pieces = Pieces::default();
    let part = cut_up(&push(5, 0, &[1; 1000]), 600)[0].clone();
    let mut tries = 0;
    let mut check = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut datagram = part.clone();
        change(&mut datagram);
        assert!(put_together(&mut pieces, 5, &datagram).is_empty());
        tries += 1;
        assert_eq!((pieces.dropped, pieces.memory()), (tries, 0));
    };
    check(&|datagram| datagram[24..26].copy_from_slice(&600u16.to_le_bytes())); // beyond the end
    check(&|datagram| datagram[26..28].copy_from_slice(&10u16.to_le_bytes())); // longer than all
    check(&|datagram| datagram[12..16].copy_from_slice(&500u32.to_le_bytes())); // no such number
    check(&|datagram| {
        datagram.truncate(30); // nothing in it
        datagram[20..24].copy_from_slice(&6u32.to_le_bytes());
    });
    let many = (0..40).map(|n| [n * 20, n * 20 + 7]);
    let mut gaps = Pieces::default();
    for [from, to] in many {
        let mut datagram = part[..30].to_vec();
        datagram[20..24].copy_from_slice(&(6 + (to - from) as u32).to_le_bytes());
        datagram[24..26].copy_from_slice(&(from as u16).to_le_bytes());
        datagram.resize(30 + (to - from), 1);
        assert!(put_together(&mut gaps, 5, &datagram).is_empty());
    }
    assert!(gaps.dropped > 0 && gaps.memory() < 2000, "too many gaps");
}

#[test]
fn only_a_single_push_is_cut() {
    let none = &mut |_: &[u8]| unreachable!();
    let wins = Header { cmd: CMD_WINS, ..Header::default() }.encode();
    assert!(!cut(&wins, 24, none));
    let two = [push(1, 0, &[1; 30]), push(2, 0, &[1; 30])].concat();
    assert!(!cut(&two, 100, none));
    assert!(!cut(&push(1, 0, &[1; 30]), 40, none), "nothing would be left of it");
    assert!(!cut(&[1; 10], 100, none));
}

proptest! {
    #[test]
    fn any_order_of_any_pieces_gives_the_segment_or_nothing(
        len in 1usize..4000,
        mtus in proptest::collection::vec(62usize..2000, 1..4),
        order in proptest::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..200),
    ) {
        let payload: Vec<u8> = (0..len).map(|n| (n * 7 / 3) as u8).collect();
        let segment = push(5, 0, &payload);
        let cuts: Vec<Vec<Vec<u8>>> = mtus.iter().map(|&mtu| cut_up(&segment, mtu)).collect();
        prop_assert!(cuts.iter().zip(&mtus).all(|(cut, &mtu)| cut.iter().all(|p| p.len() <= mtu)));
        let mut pieces = Pieces::default();
        for (which, piece) in order {
            let cut: &Vec<Vec<u8>> = which.get(&cuts);
            let part: &Vec<u8> = piece.get(cut);
            for whole in put_together(&mut pieces, 5, part) {
                prop_assert_eq!(&whole, &segment);
            }
        }
        let mut done = false;
        for piece in &cuts[0] {
            for whole in put_together(&mut pieces, 5, piece) {
                prop_assert_eq!(&whole, &segment);
                done = true;
            }
        }
        prop_assert!(done || pieces.dropped > 0 || pieces.memory() > 0);
        prop_assert!(pieces.memory() <= MAX_BYTES);
    }

    #[test]
    fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..200), sn in 0u32..20) {
        let len = bytes.len() as u32;
        let header = Header { conv: 7, cmd: CMD_WASK, frg: CODE_PIECE, sn, len, ..Header::default() };
        let datagram = [&header.encode()[..], &bytes].concat();
        let mut pieces = Pieces::default();
        for next in [0, 5, 10] {
            for whole in put_together(&mut pieces, next, &datagram) {
                prop_assert!(View::new(&whole).is_ok());
            }
        }
    }
}
