//! What every user of `AsyncRead` and `AsyncWrite` relies upon.

mod common;

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::{mpsc, Arc};
use std::task::{Context, Poll, Wake, Waker};

use common::{cause, chat, connected, ms, pattern, read_pattern, run, stream, until, Count, ANY};
use futures_lite::{future, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::Timer;
use smol_kcp::{KcpConfig, KcpError, KcpListener, KcpStream, OwnedWriteHalf};

/// Polls once with a waker that counts.
fn poll_with<F: Future>(future: Pin<&mut F>, count: &Arc<Count>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(count.clone())))
}

#[test]
fn nothing_can_be_read_and_written() {
    run(async {
        let (mut server, mut client) = connected(&stream()).await;
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        assert_eq!(client.read(&mut []).await.unwrap(), 0, "at once, although nothing is there");
        client.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        server.read_exact(&mut heard[..2]).await.unwrap();
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        server.read_exact(&mut heard[2..]).await.unwrap();
        assert_eq!(&heard, b"hello");
    });
}

#[test]
fn a_write_larger_than_every_buffer_is_taken_in_parts() {
    let small = stream().with_send_budget(10_000).with_recv_budget(10_000).with_wnd_size((8, 128));
    run(async {
        let (mut server, mut client) = connected(&small).await;
        let all = pattern(1_000_000);
        let taken = client.write(&all).await.unwrap();
        assert!((1..=10_000 + small.mtu).contains(&taken), "{taken}");
        let writing = async {
            client.write_all(&all[taken..]).await.unwrap();
            client.close().await.unwrap();
        };
        let (_, len) = future::zip(writing, read_pattern(&mut server)).await;
        assert_eq!(len, 1_000_000);
    });
}

#[test]
fn cancelled_reads_and_writes_lose_nothing_and_repeat_nothing() {
    // No window grows, so that both sides have to wait.
    let rate = smol_kcp::Rate::Off;
    let small = stream().with_send_budget(4000).with_wnd_size((4, 128)).with_rate(rate);
    run(async {
        let (mut server, mut client) = connected(&small).await;
        let all = pattern(300_000);
        let mut cancelled = (0, 0);
        let writing = async {
            let mut at = 0;
            while at < all.len() {
                match future::poll_once(client.write(&all[at..])).await {
                    Some(taken) => at += taken.unwrap(),
                    None => {
                        cancelled.0 += 1;
                        Timer::after(ms(1)).await;
                    }
                }
            }
            client.close().await.unwrap();
        };
        let reading = async {
            let (mut heard, mut buf) = (Vec::new(), [0; 1000]);
            loop {
                match future::poll_once(server.read(&mut buf)).await {
                    Some(Ok(0)) => return heard,
                    Some(read) => heard.extend_from_slice(&buf[..read.unwrap()]),
                    None => {
                        cancelled.1 += 1;
                        Timer::after(ms(1)).await;
                    }
                }
            }
        };
        let (_, heard) = future::zip(writing, reading).await;
        assert!(heard == all);
        assert!(cancelled.0 > 10 && cancelled.1 > 10, "{cancelled:?}");
    });
}

#[test]
fn cancelled_accepts_and_connects_wedge_nothing() {
    let config = stream().with_linger(ms(300));
    run(async {
        let listener = KcpListener::bind(config.clone(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        for _ in 0..20 {
            // A connect that was cancelled may have been heard: then there is a stream to accept.
            let _ = future::poll_once(listener.accept()).await;
            let _ = future::poll_once(KcpStream::connect(&config, addr)).await;
        }
        for _ in 0..5 {
            let heard = listener.stats().accepted;
            let mut connecting = pin!(KcpStream::connect(&config, addr));
            while listener.stats().accepted == heard {
                if future::poll_once(&mut connecting).await.is_some() {
                    break; // it was quicker
                }
                Timer::after(ms(1)).await;
            }
        }
        let (accepted, stream) = future::zip(
            async {
                loop {
                    // What the cancelled ones left behind is reset or ends at once.
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut word = [0; 5];
                    if stream.read_exact(&mut word).await.is_ok() {
                        return (stream, word);
                    }
                }
            },
            async {
                let mut stream = KcpStream::connect(&config, addr).await.unwrap();
                stream.write_all(b"hello").await.unwrap();
                stream
            },
        )
        .await;
        assert_eq!(&accepted.1, b"hello");
        drop((accepted, stream));
        until(|| listener.sessions().is_empty()).await;
    });
}

#[test]
fn an_accept_that_is_woken_and_dropped_leaves_the_stream_to_the_next() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let count = Arc::new(Count::default());
        {
            let mut accepting = pin!(listener.accept());
            assert!(poll_with(accepting.as_mut(), &count).is_pending());
            let mut client = KcpStream::connect(&stream(), addr).await.unwrap();
            client.write_all(b"x").await.unwrap();
            until(|| count.get() > 0).await;
            std::mem::forget(client);
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 1]).await.unwrap();
    });
}

#[test]
fn a_read_begun_by_one_task_is_finished_by_another() {
    run(async {
        let (server, mut client) = connected(&stream()).await;
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let (mut server, mut buf) = (server, [0; 5]);
        let mut read = |count: &Arc<Count>| {
            let waker = Waker::from(count.clone());
            Pin::new(&mut server).poll_read(&mut Context::from_waker(&waker), &mut buf)
        };
        assert!(read(&first).is_pending());
        assert!(read(&second).is_pending());
        client.write_all(b"hello").await.unwrap();
        until(|| second.get() > 0).await;
        assert_eq!(first.get(), 0, "only the last task to wait is woken");
        assert!(matches!(read(&first), Poll::Ready(Ok(5))));
        assert_eq!(&buf, b"hello");
    });
}

#[test]
fn a_write_begun_by_one_task_is_finished_by_another() {
    let small = stream().with_send_budget(1500).with_recv_budget(1500);
    run(async {
        let (mut server, mut client) = connected(&small).await;
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let data = pattern(64 * 1024);
        let mut write = |count: &Arc<Count>| {
            let waker = Waker::from(count.clone());
            Pin::new(&mut client).poll_write(&mut Context::from_waker(&waker), &data)
        };
        // Nobody reads: sooner or later there is no room. Whoever waits last counts.
        let mut quiet = 0;
        while quiet < 20 {
            quiet = if write(&first).is_pending() { quiet + 1 } else { 0 };
            Timer::after(ms(5)).await;
        }
        assert!(write(&second).is_pending());
        let woken = first.get();
        let mut buf = vec![0; 64 * 1024];
        until(|| {
            let reading = pin!(server.read(&mut buf));
            let _ = reading.poll(&mut Context::from_waker(Waker::noop()));
            second.get() > 0
        })
        .await;
        assert_eq!(first.get(), woken, "only the last task to wait is woken");
        until(|| {
            let reading = pin!(server.read(&mut buf));
            let _ = reading.poll(&mut Context::from_waker(Waker::noop()));
            write(&first).is_ready()
        })
        .await;
    });
}

/// A waker that, when dropped, looks at the stream it was to wake: it may, outside of every lock.
struct Curious(Arc<OwnedWriteHalf>);

impl Wake for Curious {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Curious {
    fn drop(&mut self) {
        self.0.stats();
    }
}

#[test]
fn a_waker_may_use_its_stream_when_it_is_dropped() {
    let (done, finished) = mpsc::channel();
    std::thread::spawn(move || {
        run(async {
            let (_server, client) = connected(&stream()).await;
            let (mut read, write) = client.into_split();
            let write = Arc::new(write);
            let mut poll = |waker: Waker| {
                let mut cx = Context::from_waker(&waker);
                assert!(Pin::new(&mut read).poll_read(&mut cx, &mut [0]).is_pending());
            };
            poll(Waker::from(Arc::new(Curious(write.clone()))));
            poll(Waker::from(Arc::new(Curious(write.clone()))));
            poll(Waker::from(Arc::new(Count::default())));
        });
        done.send(()).unwrap();
    });
    finished.recv_timeout(std::time::Duration::from_secs(30)).expect("no lock is taken twice");
}

#[test]
fn the_end_stays_and_a_closed_side_takes_nothing() {
    run(async {
        let (mut server, mut client) = connected(&stream()).await;
        client.write_all(b"bye").await.unwrap();
        client.close().await.unwrap();
        client.close().await.unwrap();
        let error = client.write(b"more").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
        assert!(matches!(cause(&error), KcpError::Closed));
        assert!(matches!(client.send(b"more").await, Err(KcpError::Closed)));

        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"bye");
        for _ in 0..3 {
            assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
            assert_eq!(server.recv(&mut [0; 9]).await.unwrap(), 0);
            assert_eq!(server.try_recv(&mut [0; 9]).unwrap(), 0);
        }
    });
}

#[test]
fn a_cancelled_close_goes_on_and_can_be_waited_for_again() {
    run(async {
        let (mut server, mut client) = connected(&stream()).await;
        client.write_all(&pattern(300_000)).await.unwrap();
        assert!(future::poll_once(client.close()).await.is_none(), "nobody has read yet");
        assert!(matches!(client.send(b"more").await, Err(KcpError::Closed)));
        assert_eq!(read_pattern(&mut server).await, 300_000);
        client.close().await.unwrap();
        assert_eq!(client.stats().in_flight, 0);
    });
}

#[test]
fn halves_work_in_two_tasks_and_meet_again() {
    run(async {
        let (server, client) = connected(&stream()).await;
        let (other, _other_peer) = connected(&stream()).await;
        let (mut read, mut write) = client.into_split();
        let (mut back, mut forth) = server.into_split();
        let echoing = smol::spawn(async move {
            futures_lite::io::copy(&mut back, &mut forth).await.unwrap();
            (back, forth)
        });
        let writing = smol::spawn(async move {
            write.write_all(&pattern(500_000)).await.unwrap();
            write
        });
        let mut heard = vec![0; 500_000];
        read.read_exact(&mut heard).await.unwrap();
        assert!(heard == pattern(500_000));

        // Halves of two streams do not fit.
        let (_other_read, other_write) = other.into_split();
        let (read, _) = read.reunite(other_write).unwrap_err();
        let mut client = read.reunite(writing.await).unwrap();
        chat(&mut client, b"one again").await;
        client.close().await.unwrap();
        let (back, forth) = echoing.await;
        let mut server = back.reunite(forth).unwrap();
        server.close().await.unwrap();
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    });
}

#[test]
fn a_dropped_writing_half_closes_its_side_only() {
    run(async {
        let (mut server, client) = connected(&stream()).await;
        let (mut read, mut write) = client.into_split();
        write.write_all(b"question").await.unwrap();
        drop(write);
        let mut question = Vec::new();
        server.read_to_end(&mut question).await.unwrap();
        assert_eq!(question, b"question");
        server.write_all(&pattern(100_000)).await.unwrap();
        server.close().await.unwrap();
        assert_eq!(read_pattern(&mut read).await, 100_000);
    });
}

#[test]
fn a_dropped_reading_half_leaves_the_writing_half_alone() {
    run(async {
        let (mut server, client) = connected(&stream()).await;
        let (read, mut write) = client.into_split();
        drop(read);
        write.write_all(&pattern(100_000)).await.unwrap();
        write.close().await.unwrap();
        assert_eq!(read_pattern(&mut server).await, 100_000);
    });
}

#[test]
fn small_writes_wait_for_company_until_they_are_flushed() {
    // How soon they leave is proved in virtual time: `slow.rs` of the router's tests.
    let mut config = KcpConfig { flush_write: false, ..stream() };
    config.nodelay.interval = 5000;
    run(async {
        let (mut server, mut client) = connected(&config).await;
        let sent = client.stats().segments_sent;
        client.write_all(b"one ").await.unwrap();
        let mut buf = [0; 64];
        let early = future::or(async { Some(server.read(&mut buf).await) }, async {
            Timer::after(ms(300)).await;
            None
        });
        assert!(early.await.is_none(), "it left without company");
        client.write_all(b"two ").await.unwrap();
        AsyncWriteExt::flush(&mut client).await.unwrap();
        let mut heard = [0; 8];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"one two ");
        assert_eq!(client.stats().segments_sent - sent, 1, "they travelled together");

        client.write_all(b"three").await.unwrap();
        smol_kcp::KcpStream::flush(&mut client).await.unwrap();
        server.read_exact(&mut heard[..5]).await.unwrap();

        // Closing waits for nobody, and a full datagram has company enough.
        client.write_all(&pattern(100_000)).await.unwrap();
        client.close().await.unwrap();
        assert_eq!(read_pattern(&mut server).await, 100_000);
    });
}
