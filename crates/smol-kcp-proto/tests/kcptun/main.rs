//! Bytes as what arrives from kcptun, and as what happens on the way to it.
#![cfg(feature = "kcptun")]

mod world;

use proptest::prelude::*;

proptest! {
    #[test]
    fn any_packets_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        world::packets(&bytes);
    }

    #[test]
    fn any_parity_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        world::parity(&bytes);
    }

    #[test]
    fn any_line_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        world::line(&bytes);
    }
}
