//! Bytes as operations on secure endpoints.
#![cfg(feature = "secure")]

mod world;

use proptest::prelude::*;

use world::{datagrams, operations};

proptest! {
    #[test]
    fn any_row_of_datagrams_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        datagrams(&bytes);
    }

    #[test]
    fn any_list_of_operations_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        operations(&bytes);
    }
}
