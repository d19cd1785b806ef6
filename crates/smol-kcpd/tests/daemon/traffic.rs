//! What goes in comes out: many connections, half-close, slow readers, lossy lines, resets.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;
use smol_kcp::KcpConfig;
use smol_kcpd::Tunnel;
use socket2::SockRef;

use crate::support::*;

#[test]
fn what_is_sent_comes_back_and_the_end_too() {
    run(|runtime, _| async move {
        let (_server, client, at) = tunnel(&runtime, echo_server().await, stream());
        let mut tcp = talking(at).await;
        let (mut writer, data) = (tcp.clone(), pattern(3_000_000));
        let writing = async {
            writer.write_all(&data).await.expect("writing");
            writer.shutdown(Shutdown::Write).expect("ending");
        };
        let (read, ()) = future::zip(read_pattern(&mut tcp), writing).await;
        assert_eq!(read, 3_000_000);
        until(|| client.stats().open == 0).await;
        assert_eq!((client.stats().opened, client.stats().failed), (1, 0));
    });
}

#[test]
fn two_hundred_connections_at_once_each_get_their_own_bytes() {
    run(|runtime, _| async move {
        let (server, client, at) = tunnel(&runtime, echo_server().await, stream());
        let talks: Vec<_> = (0..200u32)
            .map(|n| {
                smol::spawn(async move {
                    let mut tcp = TcpStream::connect(at).await.expect("connecting");
                    let word: Vec<u8> = n.to_be_bytes().repeat(1000);
                    chat(&mut tcp, &word).await.expect("an answer");
                    tcp
                })
            })
            .collect();
        let mut open = Vec::new();
        for talk in talks {
            open.push(talk.await);
        }
        assert_eq!((client.stats().open, server.stats().open), (200, 200));
        drop(open);
        until(|| client.stats().open + server.stats().open == 0).await;
        assert_eq!(client.stats().failed + server.stats().failed, 0);
    });
}

#[test]
fn a_reply_of_100_000_bytes_comes_after_the_client_has_half_closed() {
    run(|runtime, _| async move {
        let target = tcp_server(|mut stream| async move {
            let mut question = Vec::new();
            stream.read_to_end(&mut question).await?;
            assert_eq!(question, b"how many?");
            stream.write_all(&pattern(100_000)).await
        })
        .await;
        let (_server, _client, at) = tunnel(&runtime, target, stream());
        let mut tcp = TcpStream::connect(at).await.expect("connecting");
        tcp.write_all(b"how many?").await.expect("asking");
        tcp.shutdown(Shutdown::Write).expect("half-closing");
        assert_eq!(read_pattern(&mut tcp).await, 100_000);
    });
}

#[test]
fn the_target_may_half_close_and_go_on_reading() {
    run(|runtime, _| async move {
        let (told, heard) = async_channel::bounded(1);
        let target = tcp_server(move |mut stream| {
            let told = told.clone();
            async move {
                stream.shutdown(Shutdown::Write)?;
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await?;
                told.send(bytes.len()).await.expect("the test goes on");
                Ok(())
            }
        })
        .await;
        let (_server, _client, at) = tunnel(&runtime, target, stream());
        let mut tcp = TcpStream::connect(at).await.expect("connecting");
        let mut none = Vec::new();
        tcp.read_to_end(&mut none).await.expect("the target's end");
        assert_eq!(none, b"");
        tcp.write_all(&pattern(100_000)).await.expect("writing on");
        drop(tcp);
        assert_eq!(heard.recv().await, Ok(100_000));
    });
}

#[test]
fn a_slow_reader_slows_its_writer_and_loses_nothing() {
    const ALL: usize = 64 * 1024 * 1024;
    run(|runtime, _| async move {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let target = tcp_server(move |mut stream| {
            let sent = Arc::clone(&counter);
            async move {
                let data = pattern(251 * 256);
                for _ in 0..ALL / data.len() {
                    stream.write_all(&data).await?;
                    sent.fetch_add(data.len(), Ordering::Relaxed);
                }
                Ok(())
            }
        })
        .await;
        let kcp = KcpConfig { send_budget: 256 * 1024, recv_budget: 256 * 1024, ..stream() };
        let (_server, _client, at) = tunnel(&runtime, target, kcp);
        let mut tcp = TcpStream::connect(at).await.expect("connecting");
        // It stands still once everything between the two is full.
        let mut before = usize::MAX;
        while sent.load(Ordering::Relaxed) != before {
            before = sent.load(Ordering::Relaxed);
            smol::Timer::after(Duration::from_millis(500)).await;
        }
        assert!(before < ALL / 2, "{before} bytes on their way to nobody");
        let all = ALL / (251 * 256) * (251 * 256);
        assert_eq!(read_pattern(&mut tcp).await, all as u64);
    });
}

#[test]
fn a_tenth_of_all_datagrams_lost_both_ways_changes_no_byte() {
    run(|runtime, _| async move {
        let target = echo_server().await;
        let server = Tunnel::start(&runtime, server_settings(target, lossy(stream(), 10, 1)));
        let kcp = lossy(stream(), 10, 2);
        let client = Tunnel::start(&runtime, client_settings(addr(&server), kcp));
        let mut tcp = talking(addr(&client)).await;
        let (mut writer, data) = (tcp.clone(), pattern(500_000));
        let writing = async {
            writer.write_all(&data).await.expect("writing");
            writer.shutdown(Shutdown::Write).expect("ending");
        };
        let (read, ()) = future::zip(read_pattern(&mut tcp), writing).await;
        assert_eq!(read, 500_000);
    });
}

#[test]
fn a_reset_of_the_target_is_a_reset_for_the_client() {
    run(|runtime, _| async move {
        let target = tcp_server(|mut stream| async move {
            stream.read_exact(&mut [0; 5]).await?;
            SockRef::from(&stream).set_linger(Some(Duration::ZERO))
        })
        .await;
        let (server, _client, at) = tunnel(&runtime, target, stream());
        let mut tcp = TcpStream::connect(at).await.expect("connecting");
        tcp.write_all(b"hello").await.expect("writing");
        assert_eq!(ending(&mut tcp).await, ErrorKind::ConnectionReset);
        until(|| server.stats().failed == 1).await;
    });
}

#[test]
fn a_reset_of_the_client_is_a_reset_for_the_target() {
    run(|runtime, _| async move {
        let (told, heard) = async_channel::bounded(1);
        let target = tcp_server(move |mut stream| {
            let told = told.clone();
            async move {
                stream.read_exact(&mut [0; 5]).await?;
                stream.write_all(b"hello").await?;
                let kind = ending(&mut stream).await;
                told.send(kind).await.expect("the test goes on");
                Ok(())
            }
        })
        .await;
        let (_server, _client, at) = tunnel(&runtime, target, stream());
        let tcp = talking(at).await;
        SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).expect("a reset");
        drop(tcp);
        assert_eq!(heard.recv().await, Ok(ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_target_that_refuses_is_a_reset_for_the_client() {
    run(|runtime, _| async move {
        let nobody = {
            let listener = smol::net::TcpListener::bind(ANY).await.expect("a port");
            listener.local_addr().expect("its address")
        };
        let (_server, _client, at) = tunnel(&runtime, nobody, stream());
        assert_eq!(refusal(at).await, ErrorKind::ConnectionReset);
    });
}

#[test]
fn beyond_max_connections_both_ends_reset_and_there_is_room_again() {
    run(|runtime, _| async move {
        let target = echo_server().await;
        let settings = server_settings(target, stream());
        let server =
            Tunnel::start(&runtime, smol_kcpd::Settings { max_connections: 2, ..settings });
        let settings = client_settings(addr(&server), stream());
        let narrow = smol_kcpd::Settings { max_connections: 1, ..settings.clone() };
        let (narrow, wide) = (Tunnel::start(&runtime, narrow), Tunnel::start(&runtime, settings));

        let first = talking(addr(&narrow)).await;
        assert_eq!(refusal(addr(&narrow)).await, ErrorKind::ConnectionReset);
        let mut third = talking(addr(&wide)).await;
        assert_eq!(refusal(addr(&wide)).await, ErrorKind::ConnectionReset);
        assert_eq!(narrow.stats().opened, 1, "the second never counted");
        drop(first);
        until(|| narrow.stats().open == 0 && server.stats().open == 1).await;
        talking(addr(&narrow)).await;
        chat(&mut third, b"still here").await.expect("nothing happened to it");
    });
}

#[test]
fn beyond_max_sessions_a_client_resets_instead_of_letting_wait() {
    run(|runtime, _| async move {
        let target = echo_server().await;
        let server = Tunnel::start(&runtime, server_settings(target, stream()));
        let kcp = smol_kcp::KcpConfig { max_sessions: 1, ..stream() };
        let client = Tunnel::start(&runtime, client_settings(addr(&server), kcp));
        let mut first = talking(addr(&client)).await;
        assert_eq!(refusal(addr(&client)).await, ErrorKind::ConnectionReset);
        chat(&mut first, b"still here").await.expect("nothing happened to it");
    });
}

#[test]
fn a_target_is_reached_by_any_of_its_addresses() {
    run(|runtime, names| async move {
        // The first accepts nothing and refuses nothing: its backlog is full.
        let deaf = std::net::TcpListener::bind(ANY).expect("a port");
        socket2::SockRef::from(&deaf).listen(0).expect("a backlog of one");
        let dead = deaf.local_addr().expect("its address");
        let (mut held, limit) = (Vec::new(), ms(300));
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&dead, limit) {
            held.push(stream);
        }
        names.lead_to("nas.test", vec![dead, echo_server().await]);
        let server = Tunnel::start(&runtime, server_settings(name("nas.test"), stream()));
        let client = Tunnel::start(&runtime, client_settings(addr(&server), stream()));
        talking(addr(&client)).await;
        drop(held);
    });
}
