//! What users of `TcpStream` and `TcpListener` look for: a look ahead, shutting down, halves, states,
//! accepting by hand.

mod common;

use std::future::{poll_fn, Future};
use std::net::{Shutdown, UdpSocket};
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use common::{
    chat, connected, lossy, messages, met, pattern, read_pattern, run, run_with_each_engine,
    stream, until, Count, ANY,
};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpEndpoint, KcpError, KcpListener, KcpStream, StreamState};

/// So little room on both sides that a reader who stands still soon stops the writer.
fn narrow() -> KcpConfig {
    stream().with_send_budget(10_000).with_recv_budget(10_000)
}

fn state(stream: &KcpStream) -> StreamState {
    stream.stats().state
}

/// Polls once with a waker that counts.
fn poll_with<F: Future>(future: Pin<&mut F>, count: &Arc<Count>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(count.clone())))
}

#[test]
fn a_look_shows_what_reading_gives_and_takes_nothing() {
    const LEN: usize = 200_000;
    run_with_each_engine(stream(), |config| async move {
        let (mut server, mut client) = connected(&config).await;
        let writing = async {
            client.write_all(&pattern(LEN)).await.unwrap();
            client.close().await.unwrap();
        };
        let reading = async {
            let (all, mut at) = (pattern(LEN), 0);
            let (mut seen, mut read) = (vec![0; 5000], vec![0; 3000]);
            loop {
                let n = server.peek(&mut seen).await.unwrap();
                assert!(seen[..n] == all[at..at + n], "a look at {at}");
                let taken = server.read(&mut read).await.unwrap();
                assert!(read[..taken] == all[at..at + taken], "a read at {at}");
                assert!(taken >= n.min(read.len()), "{taken} bytes of the {n} that were there");
                at += taken;
                if n == 0 {
                    break at;
                }
            }
        };
        assert_eq!(future::zip(writing, reading).await.1, LEN);
        assert_eq!(server.peek(&mut [0]).await.unwrap(), 0, "the end stays");
        assert_eq!(server.stats().bytes_received, LEN as u64, "a look counts nothing");
    });
}

#[test]
fn a_look_is_woken_by_what_comes() {
    run_with_each_engine(stream(), |config| async move {
        let (mut server, mut client) = connected(&config).await;
        let mut buf = [0; 9];
        {
            let mut look = pin!(server.peek(&mut buf));
            assert!(future::poll_once(look.as_mut()).await.is_none(), "nothing is there");
            let (seen, sent) = future::zip(look, client.send(b"hello")).await;
            assert_eq!((seen.unwrap(), sent.unwrap()), (5, 5));
        }
        assert_eq!(&buf[..5], b"hello");
        assert_eq!(server.peek(&mut []).await.unwrap(), 0);
        client.abort();
        until(|| state(&server) == StreamState::Failed).await;
        assert_eq!(server.peek(&mut buf).await.unwrap(), 5, "what had arrived comes first");
        assert_eq!(server.recv(&mut buf).await.unwrap(), 5);
        assert!(matches!(server.peek(&mut buf).await, Err(KcpError::Reset)));
    });
}

#[test]
fn a_look_at_messages_shows_one_or_its_beginning() {
    run_with_each_engine(messages(), |config| async move {
        let (mut server, mut client) = connected(&config).await;
        let long = pattern(5000);
        for message in [b"first", b"other", &long[..]] {
            client.send(message).await.unwrap();
        }
        until(|| server.stats().receive_queue == 5010).await;
        let mut buf = vec![0; 6000];
        for expected in [b"first", b"other"] {
            assert_eq!(server.peek(&mut buf[..2]).await.unwrap(), 2);
            assert_eq!(server.peek(&mut buf).await.unwrap(), 5);
            assert_eq!(&buf[..5], expected);
            assert_eq!(server.recv(&mut buf).await.unwrap(), 5);
            assert_eq!(&buf[..5], expected);
        }
        assert_eq!(server.peek(&mut buf[..100]).await.unwrap(), 100, "no error for a short buffer");
        assert!(buf[..100] == long[..100]);
        assert_eq!(server.recv(&mut buf).await.unwrap(), 5000);
        assert!(buf[..5000] == long);
    });
}

#[test]
fn shutting_down_the_writing_side_delivers_ends_and_leaves_reading() {
    run_with_each_engine(stream(), |config| async move {
        let (mut server, mut client) = connected(&config).await;
        client.write_all(&pattern(100_000)).await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(matches!(client.send(b"more").await, Err(KcpError::Closed)));
        assert_eq!(read_pattern(&mut server).await, 100_000);
        server.write_all(&pattern(100_000)).await.unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_pattern(&mut client).await, 100_000);
        client.close().await.unwrap();
        client.shutdown(Shutdown::Both).expect("a second time");
    });
}

#[test]
fn shutting_down_the_reading_side_ends_reads_and_holds_no_writer_up() {
    run_with_each_engine(narrow(), |config| async move {
        let (mut server, mut client) = connected(&config).await;
        client.write_all(b"unread").await.unwrap();
        until(|| server.stats().receive_queue > 0).await;
        server.shutdown(Shutdown::Read).unwrap();
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0, "what has come is dropped");
        // Many times what both sides have room for.
        client.write_all(&pattern(300_000)).await.unwrap();
        assert_eq!(server.recv(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(server.peek(&mut [0; 9]).await.unwrap(), 0);
        // The other direction knows nothing of it.
        server.write_all(b"still here").await.unwrap();
        let mut heard = [0; 10];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"still here");
        client.close().await.expect("everything is acknowledged");
    });
}

#[test]
fn shutting_down_wakes_a_reader_and_ends_the_stream() {
    run_with_each_engine(stream(), |config| async move {
        let listener = KcpListener::bind(config.clone(), ANY).await.unwrap();
        let endpoint = KcpEndpoint::bind(config, ANY).await.unwrap();
        let (mut client, server) = met(&endpoint, &listener).await;
        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(client.poll_recv(&mut cx, &mut [0]).is_pending());
        client.shutdown(Shutdown::Both).unwrap();
        assert_eq!(woken.get(), 1);
        assert!(matches!(client.poll_recv(&mut cx, &mut [0]), Poll::Ready(Ok(0))));
        drop(server);
        client.close().await.unwrap();
        drop(client);
        endpoint.wait_idle().await;
    });
}

#[test]
fn shutting_down_what_has_failed_says_why() {
    run_with_each_engine(stream(), |config| async move {
        let (server, client) = connected(&config).await;
        server.abort();
        until(|| state(&client) == StreamState::Failed).await;
        for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
            assert!(matches!(client.shutdown(how), Err(KcpError::Reset)));
        }
    });
}

#[test]
fn a_stream_tells_its_state() {
    run_with_each_engine(narrow(), |config| async move {
        let (mut server, mut client) = connected(&config).await;
        let states = |server: &KcpStream, client: &KcpStream| (state(server), state(client));
        chatter(&mut client, &mut server).await;
        use StreamState::*;
        assert_eq!(states(&server, &client), (Established, Established));

        // Nobody reads, and there is no room for it all.
        let writing = async { client.write_all(&pattern(100_000)).await };
        assert!(future::poll_once(pin!(writing)).await.is_none());
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(states(&server, &client), (Established, Closing));
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        client.close().await.unwrap();
        assert_eq!(states(&server, &client), (CloseWait, FinWait));

        server.write_all(b"a last word").await.unwrap();
        server.close().await.unwrap();
        assert_eq!(state(&server), Closed);
        assert_eq!(state(&client), FinWait, "the last word is unread");
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(states(&server, &client), (Closed, Closed));
    });
}

/// One word there and back, so that both sides know of each other.
async fn chatter(client: &mut KcpStream, server: &mut KcpStream) {
    for (from, to) in [(0, 1), (1, 0)] {
        let sides = [&mut *client, &mut *server];
        sides[from].send(b"x").await.unwrap();
        sides[to].recv(&mut [0]).await.unwrap();
    }
}

#[test]
fn a_peer_that_does_not_answer_is_being_connected_to() {
    run(async {
        let silent = UdpSocket::bind(ANY).unwrap();
        let endpoint = KcpEndpoint::bind(stream(), ANY).await.unwrap();
        let mut connecting = pin!(endpoint.connect(silent.local_addr().unwrap()));
        assert!(future::poll_once(connecting.as_mut()).await.is_none());
        let sessions = endpoint.sessions();
        assert_eq!(sessions[0].stats.state, StreamState::Connecting);
        // Without a wait for the answer the stream is there before its peer.
        let hasty = KcpConfig { connect_timeout: None, ..stream() };
        let hasty = KcpStream::connect(&hasty, silent.local_addr().unwrap()).await.unwrap();
        assert_eq!(state(&hasty), StreamState::Connecting);
    });
}

#[test]
fn every_byte_is_acknowledged_once() {
    const LEN: u64 = 400_000;
    for config in [stream(), messages()] {
        run_with_each_engine(lossy(config, 10, 7), |config| async move {
            let (mut server, mut client) = connected(&config).await;
            assert_eq!(client.stats().bytes_acked, 0);
            let writing = async {
                let all = pattern(LEN as usize);
                for part in all.chunks(10_000) {
                    client.write_all(part).await.unwrap();
                    let stats = client.stats();
                    assert!(stats.bytes_acked <= stats.bytes_sent, "{stats:?}");
                }
                client.close().await.unwrap();
                client.stats()
            };
            let (stats, len) = future::zip(writing, read_pattern(&mut server)).await;
            assert_eq!((len, stats.bytes_sent, stats.bytes_acked), (LEN, LEN, LEN));
            let repeated = stats.timeout_retransmits + stats.fast_retransmits;
            assert!(repeated > 0, "the line loses a tenth: {stats:?}");
        });
    }
}

#[test]
fn what_waits_here_is_not_acknowledged() {
    run_with_each_engine(narrow(), |config| async move {
        // The other end stays, and reads nothing.
        let (_server, mut client) = connected(&config).await;
        let mss = (config.mtu - 24) as u64;
        let (read, mut write) = client.split();
        let everything = pattern(20_000_000);
        let writing = async { write.write_all(&everything).await.map(|()| unreachable!()) };
        let watching = until(|| {
            let stats = read.stats();
            let (unacked, waiting) =
                (stats.bytes_sent - stats.bytes_acked, stats.in_flight + stats.send_queue);
            assert!(unacked <= waiting as u64 * mss, "{stats:?}");
            assert_eq!(unacked == 0, waiting == 0, "{stats:?}");
            stats.peer_window == 0 && unacked > 0 && stats.bytes_acked > 0
        });
        future::or(async { writing.await.unwrap() }, watching).await;
    });
}

#[test]
fn borrowed_halves_work_at_once_and_leave_the_stream_whole() {
    const LEN: u64 = 500_000;
    run_with_each_engine(stream(), |config| async move {
        let addr = common::echo(KcpListener::bind(config.clone(), ANY).await.unwrap());
        let mut client = KcpStream::connect(&config, addr).await.unwrap();
        {
            let (mut read, mut write) = client.split();
            let (all, mut heard) = (pattern(LEN as usize), vec![0; LEN as usize]);
            let (written, echoed) =
                future::zip(write.write_all(&all), read.read_exact(&mut heard)).await;
            written.unwrap();
            echoed.unwrap();
            assert!(heard == all);
            assert_eq!(read.stats().bytes_received, LEN);
            assert_eq!(write.peer_addr().unwrap(), addr);
        }
        chat(&mut client, b"the halves are gone, the stream is open").await;
        let (mut read, mut write) = client.split();
        write.close().await.unwrap();
        assert_eq!(read.recv(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn accepting_by_hand_wakes_and_loses_no_stream() {
    run(async {
        let mut listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(listener.poll_accept(&mut cx).is_pending());
        let config = stream();
        let first = KcpStream::connect(&config, addr).await.unwrap();
        until(|| woken.get() > 0).await;
        let (_first, peer) = match listener.poll_accept(&mut cx) {
            Poll::Ready(accepted) => accepted.unwrap(),
            Poll::Pending => panic!("woken for nothing"),
        };
        assert_eq!(peer, first.local_addr().unwrap());
        assert!(listener.poll_accept(&mut cx).is_pending());

        // The forms may be mixed, in one task.
        let (second, accepted) =
            future::zip(KcpStream::connect(&config, addr), listener.accept()).await;
        assert_eq!(accepted.unwrap().1, second.unwrap().local_addr().unwrap());
        let third = KcpStream::connect(&config, addr).await.unwrap();
        let (_third, peer) = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        assert_eq!(peer, third.local_addr().unwrap());

        listener.endpoint().close();
        assert!(matches!(poll_fn(|cx| listener.poll_accept(cx)).await, Err(KcpError::Closed)));
    });
}

#[test]
fn an_accept_by_hand_that_waits_learns_of_the_end() {
    run(async {
        let mut listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let endpoint = listener.endpoint();
        let woken = Arc::new(Count::default());
        {
            let mut waiting = pin!(poll_fn(|cx| listener.poll_accept(cx)));
            assert!(poll_with(waiting.as_mut(), &woken).is_pending());
            endpoint.close();
            assert_eq!(woken.get(), 1);
            assert!(matches!(waiting.await, Err(KcpError::Closed)));
        }
    });
}
