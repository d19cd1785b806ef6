//! What happens to the engine and to its model.

use proptest::prelude::*;

use crate::arq::tests::MSS;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Write(usize),
    /// ACKs of segments in flight, by their place among them, of the latest or the first
    /// transmission; and by how much the peer's `una` goes on.
    Acks(Vec<(prop::sample::Index, bool)>, u64),
    PeerWindow(u16),
    /// PUSHes by their distance from what is expected.
    Pushes(Vec<i64>),
    Read,
    Wait(u64),
    /// Goes on to the next deadline.
    Timeout,
    Flush,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let acks =
        prop::collection::vec((any::<prop::sample::Index>(), prop::bool::weighted(0.8)), 1..6);
    let una = prop_oneof![2 => Just(0u64), 1 => 1u64..20];
    prop_oneof![
        3 => (1usize..8 * MSS).prop_map(Op::Write),
        6 => (acks, una).prop_map(|(acks, una)| Op::Acks(acks, una)),
        1 => (1u16..200).prop_map(Op::PeerWindow),
        4 => prop::collection::vec(prop_oneof![4 => -5i64..8, 1 => -5i64..180], 1..8).prop_map(Op::Pushes),
        2 => Just(Op::Read),
        3 => (0u64..80).prop_map(Op::Wait),
        1 => Just(Op::Timeout),
        6 => Just(Op::Flush),
    ]
}
