//! Bytes as operations on two endpoints: those that were found, and any.

mod world;

use proptest::prelude::*;

use world::{datagrams, operations};

/// The client gave up and said so; a segment of its that was late opened a second session, with
/// the same bytes.
#[test]
fn a_reset_leaves_no_room_for_a_ghost() {
    let found =
        b"\xfc\xff\xc8\xce\xce\xce\xce\xce\x3f\x02\xf9\xfc\xfc\xfc\xff\xff\xff\xff\xff\x01\x01";
    operations(found);
}

/// The conversation began with a PUSH that came before the HELLO, and ended by a reset; then the
/// HELLO came.
#[test]
fn a_hello_that_comes_after_a_reset_opens_nothing() {
    let begun = b"\x00\x88\x00\xf7\x2e\x00\x01\x00\xbf\x3f\xff\xff\xff\x88\xf7\xdb\xec\xff\
        \xff\xed\x48\x04\x8e\x38\xe3\x8e\x38\xe3\x8e\xed";
    let ended = b"\x48\x48\xb8\x04\xff\x01\xee\xe2\x28\x7b\x1d\x00\x7b\x04\x6d\x6d\x7b\xd4\
        \xd4\x00\xd4\xd4\xff\xff\xef\xff\x00\x00\x00";
    operations(&[&begun[..], &[0x58; 124], &ended[..]].concat());
}

proptest! {
    #[test]
    fn any_row_of_datagrams_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        datagrams(&bytes);
    }

    #[test]
    fn any_list_of_operations_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        operations(&bytes);
    }
}
