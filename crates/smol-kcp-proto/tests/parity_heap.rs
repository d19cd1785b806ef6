//! Parity asks for no memory once it runs, and gives back what it has in silence.
#![cfg(feature = "fec")]

#[path = "../../../tests/common/heap.rs"]
mod heap;

use smol_kcp_proto::layer::fec::{FecConfig, FecDecoder, FecEncoder, DATAGRAM_MAX};
use smol_kcp_proto::time::Time;

/// Sends datagrams of several lengths through a line that loses one in nine, and returns how many came out.
fn run(encoder: &mut FecEncoder, decoder: &mut FecDecoder, datagrams: u32) -> u32 {
    let (mut out, mut number) = (0, 0u32);
    let mut pass = |now, datagram: &[u8]| {
        number += 1;
        if number % 9 != 4 {
            decoder.decode(now, datagram, &mut |_, _| out += 1);
        }
    };
    let mut buf = [0; DATAGRAM_MAX];
    for at in 0..datagrams {
        let now = Time::from_millis(u64::from(at));
        let len = 40 + (at * 379 % 1300) as usize;
        let sealed = encoder.seal(now, &mut buf, len).expect("it fits");
        pass(now, &buf[..sealed]);
        while let Some(len) = encoder.parity(&mut buf) {
            pass(now, &buf[..len]);
        }
    }
    out
}

#[test]
fn no_memory_is_asked_for_once_it_runs() {
    let empty = heap::held();
    for ratio in [FecConfig::low_latency(), FecConfig::high_protection()] {
        let mut encoder = FecEncoder::new(ratio).expect("a ratio");
        let mut decoder = FecDecoder::new(ratio);
        run(&mut encoder, &mut decoder, 3_000);
        let recovered = decoder.stats().recovered;
        let before = heap::allocations();
        let out = run(&mut encoder, &mut decoder, 3_000);
        assert_eq!(heap::allocations() - before, 0, "{ratio}");
        assert!(out > 2_970 && decoder.stats().recovered - recovered > 240, "{ratio}: {out}");

        assert!(heap::held() > empty + 10_000, "some groups");
        [encoder.poll_timeout(), decoder.poll_timeout()].into_iter().flatten().for_each(|at| {
            encoder.handle_timeout(at);
            decoder.handle_timeout(at);
        });
        // What the encoder knows of its ratio.
        assert!(heap::held() <= empty + 500, "{ratio}: {} bytes", heap::held() - empty);
    }
}
