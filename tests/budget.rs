//! One memory budget for several endpoints: it holds while nobody reads, nothing gets lost, and all of
//! it comes back.

mod common;

use common::{met, pattern, read_pattern, run, stream, until, ANY};
use futures_lite::AsyncWriteExt;
use smol_kcp::{EngineKind, KcpConfig, KcpEndpoint, KcpStream, MemoryBudget, UdpTransport};

const LIMIT: usize = 2 << 20;
const STREAMS: usize = 40;
const BYTES: usize = 300_000;

/// An endpoint that draws on `budget`.
fn endpoint(config: KcpConfig, budget: &MemoryBudget) -> KcpEndpoint {
    let transport = UdpTransport::bind(&config, ANY.parse().unwrap()).unwrap();
    let (endpoint, driver) = KcpEndpoint::with_budget(config, transport, budget).unwrap();
    smol::spawn(driver).detach();
    endpoint
}

fn config(engine: EngineKind) -> KcpConfig {
    KcpConfig { engine, max_sessions: 256, stall_timeout: common::ms(100_000), ..stream() }
}

/// What may be held beyond the limit: for each stream four segments or 16 KiB in each direction and its
/// records, and for each endpoint what its driver needs for a batch.
const OVERDRAFT: usize = STREAMS * 2 * (16 * 1024 + 8 * 1024) + 2 * 512 * 1024;

async fn talk(mut stream: KcpStream) -> KcpStream {
    stream.write_all(&pattern(BYTES)).await.unwrap();
    stream.close().await.unwrap();
    stream
}

fn budget_of_two_endpoints(engine: EngineKind) {
    run(async {
        let budget = MemoryBudget::new(LIMIT);
        let servers = [0, 1].map(|_| endpoint(config(engine), &budget));
        let client = KcpEndpoint::bind(config(EngineKind::Ring), ANY).await.unwrap();
        let listeners = servers.each_ref().map(KcpEndpoint::listen);
        let (mut readers, mut talking) = (Vec::new(), Vec::new());
        for at in 0..STREAMS {
            let (stream, reader) = met(&client, &listeners[at % 2]).await;
            talking.push(smol::spawn(talk(stream)));
            readers.push(reader);
        }
        let mut most = 0;
        until(|| {
            most = most.max(budget.used());
            readers.iter().all(|reader| reader.stats().receive_queue > 0) && most > LIMIT / 2
        })
        .await;
        for _ in 0..50 {
            most = most.max(budget.used());
            smol::Timer::after(common::ms(10)).await;
        }
        assert!(most <= LIMIT + OVERDRAFT, "{most} used of {LIMIT}");
        let stats = servers[0].stats();
        assert_eq!(stats.memory_budget, LIMIT);
        assert!(stats.memory_used > LIMIT / 4, "{stats:?}");

        // Once they are read, one after the other, all is there.
        for reader in &mut readers {
            assert_eq!(read_pattern(reader).await, BYTES as u64);
            reader.close().await.unwrap();
        }
        for talking in talking {
            talking.await;
        }
        drop((readers, listeners, servers));
        until(|| budget.used() == 0).await;
    });
}

#[test]
fn two_endpoints_share_a_budget() {
    budget_of_two_endpoints(EngineKind::Ring);
}

#[cfg(feature = "kcp")]
#[test]
fn the_other_engine_keeps_to_it_too() {
    budget_of_two_endpoints(EngineKind::Kcp);
}
