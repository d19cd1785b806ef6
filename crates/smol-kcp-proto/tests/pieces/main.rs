//! Bytes as operations on two endpoints whose segments travel in pieces: those that are to be, and any.

mod world;

use proptest::prelude::*;

use world::operations;

/// What was in flight when the path got narrow arrives in pieces; so does what is lost of them.
#[test]
fn pieces_that_get_lost_or_come_twice_and_late_make_up_the_stream() {
    let untroubled = operations(&[]);
    assert!(untroubled >= 30, "{untroubled} pieces of 20 segments");
    // Each second one is lost, each third one comes twice, the latest first, and time passes.
    let troubled = [7, 0, 8, 1, 2, 63, 7, 1, 2, 0, 11, 5].repeat(40);
    assert!(operations(&troubled) > untroubled);
    // The path gets narrower still, and pieces of other lengths complete those that are there.
    let narrower = [&troubled[..48], &[9, 20], &troubled[..], &[9, 0], &troubled[..]].concat();
    assert!(operations(&narrower) > untroubled);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_list_of_operations_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        operations(&bytes);
    }

    /// Without what alters and forges: then all that is written has to arrive.
    #[test]
    fn whatever_the_path_does_the_stream_arrives(
        ops in proptest::collection::vec((0u8..14, any::<u8>()), 0..300),
    ) {
        let bytes: Vec<u8> = ops
            .into_iter()
            .flat_map(|(op, with)| match op {
                1 | 13 => vec![op],
                _ => vec![op, with],
            })
            .collect();
        operations(&bytes);
    }
}
