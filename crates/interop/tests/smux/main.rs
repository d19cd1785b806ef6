//! Sessions with async_smux, which speaks version 1: both roles, both sides opening, over pipes in memory.

mod kcptun;
mod pipe;

use async_smux::{MuxAcceptor, MuxBuilder, MuxConnector, MuxStream};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_smux::{Config, Role, Session, Stream, SystemTimer, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use pipe::{pipe, End};

/// Streams of each side at a time.
const STREAMS: u32 = 8;

struct Theirs {
    connector: MuxConnector<End>,
    acceptor: MuxAcceptor<End>,
}

/// Runs a test with a session of ours in `role` and one of theirs in the other.
fn with<F>(role: Role, room: usize, test: impl FnOnce(Session, Theirs) -> F)
where
    F: std::future::Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (here, there) = pipe(room);
        let config = Config { version: Version::V1, ..Config::default() };
        let (ours, driver) = Session::with_timer(role, here, config, SystemTimer::new()).unwrap();
        let mut builder = match role {
            Role::Client => MuxBuilder::server(),
            Role::Server => MuxBuilder::client(),
        };
        let (connector, acceptor, worker) = builder.with_connection(there).build();
        let drivers = async {
            let ends = future::zip(driver, worker).await;
            let _: () = std::future::pending().await;
            drop(ends);
        };
        future::or(test(ours, Theirs { connector, acceptor }), drivers).await;
    });
}

fn pattern(seed: u32, len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(n).wrapping_add(seed * 77) >> 5) as u8).collect()
}

async fn we_ask(mut stream: Stream, seed: u32) {
    let data = pattern(seed, 30_000 + seed as usize);
    stream.write_all(&data).await.unwrap();
    stream.close().await.unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert!(back == data, "stream {}", stream.id());
}

async fn we_answer(mut stream: Stream) {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    stream.write_all(&all).await.unwrap();
    stream.close().await.unwrap();
}

async fn they_ask(mut stream: MuxStream<End>, seed: u32) {
    let data = pattern(seed, 30_000 + seed as usize);
    stream.write_all(&data).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert!(back == data, "stream {}", stream.get_stream_id());
}

async fn they_answer(mut stream: MuxStream<End>) {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    stream.write_all(&all).await.unwrap();
    stream.shutdown().await.unwrap();
}

async fn all(futures: Vec<future::Boxed<()>>) {
    let mut left = futures;
    future::poll_fn(|cx| {
        left.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        match left.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

#[test]
fn both_roles_echo_what_either_side_asks() {
    for role in [Role::Client, Role::Server] {
        for room in [1000, 1 << 20] {
            with(role, room, |ours, mut theirs| async move {
                let mut tasks: Vec<future::Boxed<()>> = Vec::new();
                for seed in 0..STREAMS {
                    tasks.push(Box::pin(we_ask(ours.open().unwrap(), seed)));
                    tasks.push(Box::pin(they_ask(theirs.connector.connect().unwrap(), seed + 100)));
                }
                let answers = ours.clone();
                tasks.push(Box::pin(async move {
                    let mut taken: Vec<future::Boxed<()>> = Vec::new();
                    for _ in 0..STREAMS {
                        taken.push(Box::pin(we_answer(answers.accept().await.unwrap())));
                    }
                    all(taken).await;
                }));
                tasks.push(Box::pin(async move {
                    let mut taken: Vec<future::Boxed<()>> = Vec::new();
                    for _ in 0..STREAMS {
                        let stream = theirs.acceptor.accept().await.unwrap();
                        taken.push(Box::pin(they_answer(stream)));
                    }
                    all(taken).await;
                }));
                all(tasks).await;
                while ours.stats().streams > 0 {
                    future::yield_now().await;
                }
            });
        }
    }
}

#[test]
fn a_dropped_stream_is_an_end_for_the_other_side() {
    for role in [Role::Client, Role::Server] {
        with(role, 4096, |ours, mut theirs| async move {
            let mut stream = ours.open().unwrap();
            stream.write_all(b"last words").await.unwrap();
            drop(stream);
            let mut taken = theirs.acceptor.accept().await.unwrap();
            let mut all = Vec::new();
            taken.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"last words");
            // What is thrown away unread is said twice, and overlooked there.
            taken.write_all(b"for nobody").await.unwrap();
            taken.flush().await.unwrap();
            drop(taken);

            let mut stream = theirs.connector.connect().unwrap();
            stream.write_all(b"their last words").await.unwrap();
            stream.flush().await.unwrap();
            drop(stream);
            let mut all = Vec::new();
            ours.accept().await.unwrap().read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"their last words");
            while ours.stats().streams > 0 {
                future::yield_now().await;
            }
        });
    }
}
