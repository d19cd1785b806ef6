//! smol-smux beside async_smux, which speaks version 1: heap of an idle stream, and bytes per second through a
//! pipe in memory, all on one thread. `cargo bench -p smol-kcp-interop --bench smux`
//!
//! Runs alternate, and the median of each is printed.

#![allow(clippy::disallowed_methods)] // it measures by the clock

#[path = "../../../tests/common/heap.rs"]
mod heap;
#[path = "../tests/smux/pipe.rs"]
mod pipe;

use std::time::Instant;

use async_smux::MuxBuilder;
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_smux::{Config, Session, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use pipe::pipe;

/// Idle streams that are weighed.
const STREAMS: usize = 1000;

/// Bytes of a run.
const TOTAL: usize = 64 << 20;

/// Bytes that the pipe holds.
const ROOM: usize = 64 * 1024;

const RUNS: usize = 9;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("heap of an idle stream, of one side, fresh and after 10,000 bytes each way");
    for (name, version) in [("smol-smux v1", Version::V1), ("smol-smux v2", Version::V2)] {
        println!("  {name}  {:?} bytes", future::block_on(weigh_ours(version)));
    }
    println!("  async_smux    {:?} bytes", runtime.block_on(weigh_theirs()));
    for (what, step) in [("8 KiB", 8192), ("64 KiB", 65536), ("200 bytes", 200)] {
        let total = if step < 1000 { TOTAL / 8 } else { TOTAL };
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..RUNS {
            rates[0].push(total as f64 / future::block_on(bulk_ours(Version::V1, total, step)));
            rates[1].push(total as f64 / future::block_on(bulk_ours(Version::V2, total, step)));
            rates[2].push(total as f64 / runtime.block_on(bulk_theirs(total, step)));
        }
        let [v1, v2, theirs] = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[RUNS / 2] / 1e6
        });
        println!(
            "one stream, writes of {what}, MB/s: v1 {v1:.0}, v2 {v2:.0}, async_smux {theirs:.0}"
        );
    }
}

async fn weigh_ours(version: Version) -> [usize; 2] {
    let config = Config { version, ..Config::default() };
    let (here, there) = pipe(ROOM);
    let (client, a) = Session::client(here, config.clone()).unwrap();
    let (server, b) = Session::server(there, config).unwrap();
    let work = async {
        // Buffers of drivers and pipe are no stream's.
        let first = (client.open().unwrap(), server.accept().await.unwrap());
        echo_ours(&first.0, &first.1).await;
        let before = heap::held();
        let mut pairs = Vec::with_capacity(STREAMS);
        let list = heap::held() - before;
        for _ in 0..STREAMS {
            pairs.push((client.open().unwrap(), server.accept().await.unwrap()));
        }
        let weigh = || (heap::held() - before - list) / STREAMS / 2;
        let fresh = weigh();
        for (ours, theirs) in &pairs {
            echo_ours(ours, theirs).await;
        }
        [fresh, weigh()]
    };
    future::or(work, async {
        let _ends = future::zip(a, b).await;
        std::future::pending().await
    })
    .await
}

async fn echo_ours(mut ours: &smol_smux::Stream, mut theirs: &smol_smux::Stream) {
    let mut buf = vec![0; 10_000];
    let ask = async {
        ours.write_all(&[7; 10_000]).await.unwrap();
        ours.read_exact(&mut vec![0; 10_000]).await.unwrap();
    };
    let answer = async {
        theirs.read_exact(&mut buf).await.unwrap();
        theirs.write_all(&buf).await.unwrap();
    };
    future::zip(ask, answer).await;
}

async fn weigh_theirs() -> [usize; 2] {
    let (here, there) = pipe(ROOM);
    let (client, _accepts, a) = MuxBuilder::client().with_connection(here).build();
    let (_connects, mut server, b) = MuxBuilder::server().with_connection(there).build();
    let work = async {
        let mut first = (client.connect().unwrap(), server.accept().await.unwrap());
        echo_theirs(&mut first).await;
        let before = heap::held();
        let mut pairs = Vec::with_capacity(STREAMS);
        let list = heap::held() - before;
        for _ in 0..STREAMS {
            pairs.push((client.connect().unwrap(), server.accept().await.unwrap()));
        }
        let weigh = || (heap::held() - before - list) / STREAMS / 2;
        let fresh = weigh();
        for pair in &mut pairs {
            echo_theirs(pair).await;
        }
        [fresh, weigh()]
    };
    future::or(work, async {
        let _ends = future::zip(a, b).await;
        std::future::pending().await
    })
    .await
}

type Theirs = async_smux::MuxStream<pipe::End>;

async fn echo_theirs((ours, theirs): &mut (Theirs, Theirs)) {
    let mut buf = vec![0; 10_000];
    let ask = async {
        ours.write_all(&[7; 10_000]).await.unwrap();
        ours.read_exact(&mut vec![0; 10_000]).await.unwrap();
    };
    let answer = async {
        theirs.read_exact(&mut buf).await.unwrap();
        theirs.write_all(&buf).await.unwrap();
        theirs.flush().await.unwrap();
    };
    future::zip(ask, answer).await;
}

/// Sends `total` bytes through one stream in writes of `step`. Returns the seconds.
async fn bulk_ours(version: Version, total: usize, step: usize) -> f64 {
    let config = Config { version, ..Config::default() };
    let (here, there) = pipe(ROOM);
    let (client, a) = Session::client(here, config.clone()).unwrap();
    let (server, b) = Session::server(there, config).unwrap();
    let work = async {
        let began = Instant::now();
        let write = async {
            let mut stream = client.open().unwrap();
            let data = vec![7; step];
            for _ in 0..total / step {
                stream.write_all(&data).await.unwrap();
            }
            stream.close().await.unwrap();
        };
        let read = async {
            let mut stream = server.accept().await.unwrap();
            let mut buf = vec![0; 65536];
            while stream.read(&mut buf).await.unwrap() > 0 {}
        };
        future::zip(write, read).await;
        began.elapsed().as_secs_f64()
    };
    future::or(work, async {
        let _ends = future::zip(a, b).await;
        std::future::pending().await
    })
    .await
}

async fn bulk_theirs(total: usize, step: usize) -> f64 {
    let (here, there) = pipe(ROOM);
    let (client, _accepts, a) = MuxBuilder::client().with_connection(here).build();
    let (_connects, mut server, b) = MuxBuilder::server().with_connection(there).build();
    let work = async {
        let began = Instant::now();
        let write = async {
            let mut stream = client.connect().unwrap();
            let data = vec![7; step];
            for _ in 0..total / step {
                stream.write_all(&data).await.unwrap();
            }
            stream.shutdown().await.unwrap();
        };
        let read = async {
            let mut stream = server.accept().await.unwrap();
            let mut buf = vec![0; 65536];
            while stream.read(&mut buf).await.unwrap() > 0 {}
        };
        future::zip(write, read).await;
        began.elapsed().as_secs_f64()
    };
    future::or(work, async {
        let _ends = future::zip(a, b).await;
        std::future::pending().await
    })
    .await
}
