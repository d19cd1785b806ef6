//! Sessions and streams over a pipe in memory.

mod common;

use std::future::{poll_fn, Future};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use common::{all, ends, run, with_ends};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_smux::{Config, Error, ProtocolError, Session, Stream, Version};

fn config(version: Version) -> Config {
    Config { version, ..Config::default() }
}

const VERSIONS: [Version; 2] = [Version::V1, Version::V2];

async fn pair(client: &Session, server: &Session) -> (Stream, Stream) {
    let ours = client.open().unwrap();
    let theirs = server.accept().await.unwrap();
    assert_eq!(ours.id(), theirs.id());
    (ours, theirs)
}

/// Polls once.
async fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn pattern(seed: u32, len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(n).wrapping_add(seed * 77) >> 5) as u8).collect()
}

/// Both directions at once, by two tasks that share the stream.
async fn exchange(stream: Stream, seed: u32, len: usize) {
    let data = pattern(seed, len);
    let write = async {
        let mut end = &stream;
        for piece in data.chunks(1 + (seed as usize * 131 + len / 70) % 3000) {
            end.write_all(piece).await.unwrap();
        }
        end.close().await.unwrap();
    };
    let read = async {
        let mut all = Vec::new();
        let mut end = &stream;
        end.read_to_end(&mut all).await.unwrap();
        assert!(all == data, "stream {}", stream.id());
    };
    future::zip(write, read).await;
}

async fn echo(stream: Stream, step: usize) {
    let (mut read, mut write) = (&stream, &stream);
    let mut buf = vec![0; step];
    loop {
        let n = read.read(&mut buf).await.unwrap();
        if n == 0 {
            return write.close().await.unwrap();
        }
        write.write_all(&buf[..n]).await.unwrap();
    }
}

#[test]
fn many_streams_echo_through_pipes_of_any_width() {
    for version in VERSIONS {
        for (room, len) in [(1, 40), (13, 400), (1000, 10_000), (1 << 20, 100_000)] {
            // Where 10 initial windows of version 2 do not fit, streams that wait for each other may wait
            // for ever, with every implementation.
            let tight = Config {
                max_receive_buffer: if version == Version::V1 { 3000 } else { 10 << 18 },
                max_stream_buffer: 2000,
                max_send_buffer: 1500,
                max_frame_size: 512,
                ..config(version)
            };
            for config in [config(version), tight] {
                with_ends(&config, room, |client, server, _| async move {
                    let asks = (0..10).map(|n| exchange(client.open().unwrap(), n, len));
                    let answers = (0..10).map(|n| {
                        let server = server.clone();
                        async move { echo(server.accept().await.unwrap(), 100 + n * 600).await }
                    });
                    // One buffer for all means that all have to be read at the same time.
                    future::zip(all(asks), all(answers)).await;
                });
            }
        }
    }
}

#[test]
fn a_stalled_stream_of_version_2_stalls_nobody_else() {
    with_ends(&config(Version::V2), 4096, |client, server, _| async move {
        let (mut stalled, _unread) = pair(&client, &server).await;
        let mut taken = 0;
        while let Some(n) = once(stalled.write(&[7; 8192])).await {
            taken += n.unwrap();
            once(stalled.flush()).await;
            future::yield_now().await;
        }
        let (ours, theirs) = pair(&client, &server).await;
        future::zip(exchange(ours, 1, 1 << 20), echo(theirs, 9000)).await;
        assert!(taken > 8192);
    });
}

#[test]
fn a_cancelled_accept_takes_nothing() {
    with_ends(&Config::default(), 4096, |client, server, _| async move {
        assert!(once(server.accept()).await.is_none());
        let first = client.open().unwrap();
        let second = client.open().unwrap();
        let taken = all([server.accept(), server.accept()]).await;
        let ids: Vec<u32> = taken.iter().map(|stream| stream.as_ref().unwrap().id()).collect();
        assert_eq!(ids, [first.id(), second.id()]);
    });
}

#[test]
fn a_cancelled_write_has_taken_nothing_and_a_cancelled_read_has_lost_nothing() {
    with_ends(
        &Config { max_send_buffer: 10, ..config(Version::V1) },
        8,
        |client, server, _| async move {
            let mut ours = client.open().unwrap();
            let data = pattern(5, 4000);
            let mut sent = 0;
            let write = async {
                while sent < data.len() {
                    match once(ours.write(&data[sent..])).await {
                        Some(n) => sent += n.unwrap(),
                        None => future::yield_now().await,
                    }
                }
                ours.close().await.unwrap();
            };
            let read = async {
                let mut theirs = server.accept().await.unwrap();
                let (mut all, mut buf) = (Vec::<u8>::new(), [0; 7]);
                loop {
                    match once(theirs.read(&mut buf)).await {
                        Some(Ok(0)) => return all,
                        Some(n) => all.extend(&buf[..n.unwrap()]),
                        None => future::yield_now().await,
                    }
                }
            };
            let ((), all) = future::zip(write, read).await;
            assert!(all == data);
        },
    );
}

#[test]
fn a_close_of_the_session_wakes_whoever_waits_to_write() {
    with_ends(&Config::default(), 4096, |client, server, _| async move {
        let (mut ours, theirs) = pair(&client, &server).await;
        let write = async {
            loop {
                if let Err(error) = ours.write_all(&[7; 5000]).await {
                    return Error::from(error);
                }
            }
        };
        let close = async {
            while server.stats().receive_buffered < 256 * 1024 {
                future::yield_now().await;
            }
            client.close();
        };
        let (error, ()) = future::zip(write, close).await;
        assert!(matches!(error, Error::Closed), "{error}");
        assert!(matches!(client.accept().await, Err(Error::Closed)));
        drop(theirs);
    });
}

#[test]
fn when_all_handles_are_gone_everything_is_delivered_and_the_drivers_are_done() {
    for version in VERSIONS {
        let common::Ends { client, server, drivers, .. } = ends(&config(version), 100);
        let data = pattern(9, 20_000);
        let talk = async {
            let (mut ours, mut theirs) = pair(&client, &server).await;
            ours.write_all(&data[..15_000]).await.unwrap();
            ours.write_all(&data[15_000..]).await.unwrap();
            drop((ours, client, server));
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            assert!(all == data);
        };
        let ((), (here, there)) = run(future::zip(talk, future::zip(drivers.0, drivers.1)));
        here.unwrap();
        there.unwrap();
    }
}

#[test]
fn a_closed_session_lets_its_streams_finish() {
    let common::Ends { client, server, drivers, .. } = ends(&Config::default(), 100);
    let talk = async {
        let (ours, theirs) = pair(&client, &server).await;
        (&ours).write_all(b"question").await.unwrap();
        client.close();
        assert!(client.is_closed() && client.open().is_err());
        let (mut read, mut write) = (&theirs, &theirs);
        let mut question = Vec::new();
        read.read_to_end(&mut question).await.unwrap();
        write.write_all(&[question, b"answer".to_vec()].concat()).await.unwrap();
        let mut answer = [0; 14];
        (&ours).read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"questionanswer");
        drop((ours, theirs));
        assert!(matches!(client.closed().await, Error::Closed));
        assert!(matches!(server.closed().await, Error::TransportClosed));
    };
    let ((), (here, there)) = run(future::zip(talk, future::zip(drivers.0, drivers.1)));
    here.unwrap();
    there.unwrap();
}

#[test]
fn an_aborted_session_ends_everything_at_once_on_both_sides() {
    let common::Ends { client, server, drivers, .. } = ends(&Config::default(), 4096);
    let talk = async {
        let (mut ours, mut theirs) = pair(&client, &server).await;
        let mut buf = [0; 1];
        let abort = async { client.abort() };
        let ((here, there), ()) =
            future::zip(future::zip(ours.read(&mut [0; 1]), theirs.read(&mut buf)), abort).await;
        assert!(matches!(Error::from(here.unwrap_err()), Error::Closed));
        assert!(matches!(Error::from(there.unwrap_err()), Error::TransportClosed));
    };
    let ((), (here, there)) = run(future::zip(talk, future::zip(drivers.0, drivers.1)));
    here.unwrap();
    assert!(matches!(there, Err(Error::TransportClosed)));
}

#[test]
fn an_abort_does_not_wait_for_a_transport_that_takes_nothing() {
    let common::Ends { client, server: _server, drivers: (here, _there), .. } =
        ends(&Config::default(), 10);
    run(async {
        let mut here = pin!(here);
        let mut ours = client.open().unwrap();
        ours.write_all(&[7; 100]).await.unwrap();
        assert!(once(&mut here).await.is_none());
        client.abort();
        here.await.unwrap();
    });
}

#[test]
fn a_dropped_driver_wakes_everybody() {
    let common::Ends { client, server, drivers: (here, there), .. } =
        ends(&Config::default(), 1 << 20);
    let mut there = pin!(there);
    let mut here = Some(Box::pin(here));
    run(async {
        let mut turns = |ends: usize| {
            for _ in 0..ends {
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                let _ = here.as_mut().unwrap().as_mut().poll(&mut cx);
                let _ = there.as_mut().poll(&mut cx);
            }
        };
        let ours = client.open().unwrap();
        while once((&ours).write_all(&[7; 1000])).await.is_some() {
            turns(1);
        }
        turns(2);
        let end = async {
            future::yield_now().await;
            here = None;
        };
        let (read, write) =
            (async { (&ours).read(&mut [0]).await }, async { (&ours).write_all(&[7; 1000]).await });
        let waits =
            future::zip(future::zip(read, write), future::zip(client.accept(), client.closed()));
        let (((read, write), (accept, closed)), ()) = future::zip(waits, end).await;
        for error in
            [read.unwrap_err().into(), write.unwrap_err().into(), accept.unwrap_err(), closed]
        {
            assert!(matches!(error, Error::Closed), "{error}");
        }
        drop(server);
    });
}

#[test]
fn a_transport_that_ends_in_a_frame_is_an_error_and_so_is_one_that_ends_under_a_stream() {
    for (bytes, harmless) in [(&[1, 3, 0, 0][..], false), (&[1, 3, 0, 0, 0, 0, 0, 0], true)] {
        let (here, mut there) = common::pipe::pipe(64);
        let clock = common::Clock::default();
        let role = smol_smux::Role::Client;
        let (session, driver) =
            Session::with_timer(role, here, config(Version::V1), clock).unwrap();
        let result = run(async {
            there.write_all(bytes).await.unwrap();
            drop(there);
            driver.await
        });
        assert_eq!(result.is_ok(), harmless);
        assert!(matches!(run(session.accept()), Err(Error::TransportClosed)));
    }
}

#[test]
fn two_versions_do_not_understand_each_other_and_say_so() {
    let (here, there) = common::pipe::pipe(4096);
    let clock = common::Clock::default();
    let (client, a) =
        Session::with_timer(smol_smux::Role::Client, here, config(Version::V2), clock.clone())
            .unwrap();
    let (server, b) =
        Session::with_timer(smol_smux::Role::Server, there, config(Version::V1), clock).unwrap();
    let _stream = client.open().unwrap();
    let (_, served) = run(future::zip(async { drop(b.await) }, async {
        let _ = a.await;
        server.accept().await
    }));
    let version = ProtocolError::Version { expected: 1, found: 2 };
    assert!(matches!(served, Err(Error::Protocol(found)) if found == version));
}

#[test]
fn a_flush_and_a_close_wait_for_the_transport() {
    let common::Ends { client, server, drivers: (here, there), .. } = ends(&Config::default(), 8);
    run(async {
        let mut stream = client.open().unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut here = pin!(here);
        for _ in 0..3 {
            assert!(once(stream.flush()).await.is_none());
            assert!(once(&mut here).await.is_none());
        }
        assert!(once(stream.close()).await.is_none());
        let done = async {
            stream.flush().await.unwrap();
            stream.close().await.unwrap();
        };
        let drivers = future::zip(here, there);
        future::or(done, async { drop(drivers.await) }).await;
        drop(server);
    });
}

#[test]
fn signs_of_life_keep_a_session_and_silence_ends_it() {
    let second = Duration::from_secs(1);
    with_ends(&Config::default(), 4096, |client, server, clock| async move {
        let (ours, _theirs) = pair(&client, &server).await;
        for _ in 0..100 {
            clock.advance(5 * second);
            future::yield_now().await;
            future::yield_now().await;
        }
        assert!(!client.is_closed() && !server.is_closed());
        let received = server.stats().received;
        assert!((8 * 46..=8 * 55).contains(&received), "a sign every 10 s: {received}");
        drop(ours);
    });
    // A peer that says nothing.
    let config = Config { keep_alive: None, ..Config::default() };
    let common::Ends { client, server: _server, drivers: (here, _there), clock } =
        ends(&config, 4096);
    let end = future::zip(here, client.closed());
    let (driver, cause) = run(async {
        let mut end = pin!(end);
        for _ in 0..29 {
            assert!(once(&mut end).await.is_none());
            clock.advance(second);
        }
        clock.advance(second);
        end.await
    });
    assert!(matches!(driver, Err(Error::TimedOut)));
    assert!(matches!(cause, Error::TimedOut));
}

#[cfg(feature = "async-io")]
#[test]
fn the_timer_of_the_system_works() {
    let (here, mut there) = common::pipe::pipe(64);
    let config = Config { keep_alive: Some(Duration::from_millis(5)), ..config(Version::V1) };
    let (_session, driver) = Session::client(here, config).unwrap();
    let hear = async {
        let mut signs = [0; 24];
        there.read_exact(&mut signs).await.unwrap();
        assert_eq!(signs, *[[1, 3, 0, 0, 0, 0, 0, 0]; 3].as_flattened());
    };
    future::block_on(future::or(hear, async { panic!("it goes on: {:?}", driver.await) }));
}
