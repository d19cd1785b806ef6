//! Bytes as operations on two ends, and as what one hears: any.

mod world;

use proptest::prelude::*;

use world::{frames, operations};

/// Bytes that are frames more often than not.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let frame = (0..5u8, 0..12u32, proptest::collection::vec(any::<u8>(), 0..40), any::<u8>());
    let frame = frame.prop_map(|(command, id, payload, odd)| {
        let payload = match command {
            2 => payload,
            4 => [&payload[..], &[0; 8]].concat()[..8].to_vec(),
            _ => Vec::new(),
        };
        let mut frame = vec![9, command, payload.len() as u8, 0];
        frame.extend(id.to_le_bytes());
        frame.extend(payload);
        if odd < 4 {
            frame.truncate(usize::from(odd) * 3); // the rest is of the next frame
        }
        [&[frame.len() as u8][..], &frame].concat()
    });
    proptest::collection::vec(frame, 0..40).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        frames(&bytes);
    }

    #[test]
    fn any_frames_are_survived(bytes in pieces()) {
        frames(&bytes);
    }

    #[test]
    fn any_list_of_operations_delivers_what_was_written(
        bytes in proptest::collection::vec(any::<u8>(), 0..1200)
    ) {
        operations(&bytes);
    }
}
