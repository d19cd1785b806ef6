//! What a session holds at its worst is what `max_session_memory` says.

#![cfg(feature = "kcp")] // both engines are weighed

mod common;
#[path = "common/heap.rs"]
mod heap; // not a part of `common`: it counts for the whole program

use common::{met, ms, run};
use smol::{LocalExecutor, Timer};
use smol_kcp::{EngineKind, KcpConfig, KcpEndpoint, KcpError, MemoryTransport};

/// A stream whose reader does not read and whose writer has filled everything with writes of `len`
/// bytes: the sending part at one end and the receiving part at the other.
fn stall(config: &KcpConfig, len: usize) {
    // Windows that may grow are bounded by the budget of the endpoint.
    let config = &KcpConfig { max_wnd_size: config.wnd_size, ..config.clone() };
    let (here, there) = MemoryTransport::pair();
    let (endpoint, driver) = KcpEndpoint::with_driver(config.clone(), here).unwrap();
    let (other, other_driver) = KcpEndpoint::with_driver(config.clone(), there).unwrap();
    let local = LocalExecutor::new();
    run(local.run(async {
        let _driving = [local.spawn(driver), local.spawn(other_driver)];
        let word = vec![7; len];
        let before = heap::held();
        let listener = other.listen();
        let (mut stream, reader) = met(&endpoint, &listener).await;
        let mut full = 0;
        while full < 100 {
            match stream.try_send(&word) {
                Ok(_) => full = 0,
                Err(KcpError::WouldBlock) => full += 1,
                Err(error) => panic!("{error}"),
            }
            Timer::after(ms(1)).await;
        }
        let stats = (reader.stats(), stream.stats());
        assert!(stats.0.receive_queue > 0 && stats.1.peer_window == 0, "{stats:?}");

        // What the drivers took for the burst is theirs, and given back after a second of silence.
        let said = config.max_session_memory();
        let held = || heap::held().saturating_sub(before);
        for _ in 0..200 {
            if held() <= said + said / 8 {
                break;
            }
            Timer::after(ms(50)).await;
        }
        println!("{:?}, {len} bytes at a time: {} bytes of {said}", config.engine, held());
        assert!(held() <= said + said / 8);
    }));
}

#[test]
fn a_stalled_stream_holds_no_more_than_is_said() {
    for engine in [EngineKind::Ring, EngineKind::Kcp] {
        for (stream, len) in [(true, 10_000), (false, 60_000), (false, 1500), (false, 1)] {
            stall(&KcpConfig { stream, engine, keep_alive: None, ..KcpConfig::low_memory() }, len);
        }
        for stream in [true, false] {
            stall(&KcpConfig { stream, engine, keep_alive: None, ..KcpConfig::default() }, 60_000);
        }
    }
}
