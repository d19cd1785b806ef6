//! Both ends ours, as kcptun: sessions in turn, their age, ranges of ports, and what kcptun does not do.

use std::net::Shutdown;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcpd::{PortRange, Settings};

use crate::support::*;

fn changed(settings: Settings, change: impl FnOnce(&mut smol_kcpd::KcptunSettings)) -> Settings {
    let mut kcptun = settings.kcptun.clone().expect("kcptun's");
    change(&mut kcptun);
    Settings { kcptun: Some(kcptun), ..settings }
}

#[test]
fn every_cipher_and_version_carries() {
    for (at, cipher) in smol_kcp::kcp_go::Cipher::ALL.iter().enumerate() {
        let compression = ["", "--nocomp"][at % 2];
        let words = format!("--crypt {} {compression} --smuxver {}", cipher.name(), 1 + at / 2 % 2);
        let words = Words::new(&words);
        run(|runtime| async move {
            let (_server, at) = start(&runtime, server(&words, echo_server().await));
            let (_client, at) = start(&runtime, client(&words, at));
            ask_much(at).await;
        });
    }
}

#[test]
fn an_end_of_one_direction_leaves_the_other_open() {
    for version in ["--smuxver 1", "--smuxver 2"] {
        run(|runtime| async move {
            let words = Words::new(version);
            let (_server, at) = start(&runtime, server(&words, echo_server().await));
            let (_client, at) = start(&runtime, client(&words, at));
            let mut stream = connect(at).await;
            let data = content(9, 100_000);
            stream.write_all(&data).await.unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            assert!(back == data);
        });
    }
}

#[test]
fn a_connection_of_which_one_direction_has_ended_is_given_up_after_a_silence() {
    run(|runtime| async move {
        let target = smol::net::TcpListener::bind(ANY).await.unwrap();
        let words = Words::new("");
        let (_server, at) = start(&runtime, server(&words, target.local_addr().unwrap()));
        let settings = client(&words, at);
        let (client, at) = start(&runtime, changed(settings, |it| it.close_wait = ms(300)));
        let mut stream = connect(at).await;
        stream.write_all(b"x").await.unwrap();
        // The target says nothing more, and goes on listening.
        let (far, _) = target.accept().await.unwrap();
        far.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0);
        until(|| client.stats().open == 0).await;
        drop(far);
    });
}

#[test]
fn parity_may_be_left_to_find_out() {
    run(|runtime| async move {
        let words = Words::new("");
        let auto = |settings| changed(settings, |it| it.fec = smol_kcp::kcp_go::FecMode::Auto);
        let (_server, at) = start(&runtime, auto(server(&words, echo_server().await)));
        let (_client, at) = start(&runtime, auto(client(&words, at)));
        ask_much(at).await;
    });
}

#[test]
fn connections_are_dealt_to_sessions_in_turn() {
    run(|runtime| async move {
        let words = Words::new("--ds 0");
        let (far, at) = start(&runtime, server(&words, echo_server().await));
        let (_near, at) = start(&runtime, client(&words.with(&["--conn", "3"]), at));
        let mut open = Vec::new();
        for number in 1..=6 {
            let mut stream = connect(at).await;
            chat(&mut stream, number, 2000).await.unwrap();
            open.push(stream);
            assert_eq!(far.sessions().len(), 3.min(number as usize));
        }
    });
}

#[test]
fn a_session_that_is_old_gets_no_more_connections_and_ends_with_its_last() {
    run(|runtime| async move {
        let words = Words::new("--ds 0");
        let (far, at) = start(&runtime, server(&words, echo_server().await));
        let (near, at) = start(&runtime, client(&words.with(&["--autoexpire", "1"]), at));
        let mut old = connect(at).await;
        chat(&mut old, 1, 2000).await.unwrap();
        smol::Timer::after(ms(1100)).await;
        let mut new = connect(at).await;
        chat(&mut new, 2, 2000).await.unwrap();
        assert_eq!((near.sessions().len(), far.sessions().len()), (2, 2));
        chat(&mut old, 3, 2000).await.unwrap();
        drop(old);
        until(|| near.sessions().len() == 1).await;
        chat(&mut new, 4, 2000).await.unwrap();
    });
}

#[test]
fn connections_of_an_old_session_are_cut_after_a_while() {
    run(|runtime| async move {
        let words = Words::new("--ds 0");
        let (_far, at) = start(&runtime, server(&words, echo_server().await));
        let words = words.with(&["--autoexpire", "1", "--scavengettl", "1"]);
        let (_near, at) = start(&runtime, client(&words, at));
        let mut old = connect(at).await;
        chat(&mut old, 1, 2000).await.unwrap();
        smol::Timer::after(ms(1100)).await;
        ask(at, 2, 2000).await.unwrap();
        assert!(old.read(&mut [0; 9]).await.is_err(), "reset");
    });
}

#[test]
fn a_range_of_ports_is_listened_at_and_drawn_from() {
    run(|runtime| async move {
        let words = Words::new("--ds 0");
        let target = echo_server().await;
        // Two neighbours that nobody has.
        let (far, ports) = loop {
            let first = free_port().port().clamp(1, 65_534);
            let ports = PortRange::parse(&format!("{first}-{}", first + 1)).unwrap();
            let settings = changed(server(&words, target), |it| it.ports = Some(ports));
            let tunnel = smol_kcpd::Tunnel::start(&runtime, settings);
            if tunnel.local_addr().is_some() {
                break (tunnel, ports);
            }
        };
        let at = format!("127.0.0.1:{ports}");
        let ours = words.with(&["--remoteaddr", &at, "--conn", "16"]);
        let (_near, at) = start(&runtime, from_words(&ours));
        for number in 0..16 {
            ask(at, number, 2000).await.unwrap();
        }
        assert_eq!(far.sessions().len(), 16);
    });
}

#[test]
fn who_has_another_key_is_turned_away_without_an_answer() {
    run(|runtime| async move {
        let (far, at) = start(&runtime, server(&Words::new("--key one"), echo_server().await));
        let (near, at) = start(&runtime, client(&Words::new("--key two"), at));
        let mut stream = connect(at).await;
        stream.write_all(b"hello").await.unwrap();
        assert!(stream.read(&mut [0; 9]).await.is_err(), "reset");
        assert_eq!((near.stats().failed, far.stats().endpoint.datagrams_sent), (1, 0));
    });
}

#[test]
fn connections_beyond_the_limit_are_turned_away() {
    run(|runtime| async move {
        let words = Words::new("--ds 0");
        let limited = |settings| Settings { max_connections: 2, ..settings };
        let (far, at) = start(&runtime, limited(server(&words, echo_server().await)));
        let (_near, at) = start(&runtime, client(&words, at));
        let (mut one, mut two) = (connect(at).await, connect(at).await);
        chat(&mut one, 1, 2000).await.unwrap();
        chat(&mut two, 2, 2000).await.unwrap();
        let mut three = connect(at).await;
        three.write_all(b"hello").await.unwrap();
        let refused = three.read(&mut [0; 9]).await;
        assert!(matches!(refused, Ok(0) | Err(_)), "{refused:?}");
        drop((one, three));
        until(|| far.stats().open == 1).await;
        ask(at, 4, 2000).await.unwrap();
        chat(&mut two, 5, 2000).await.unwrap();
    });
}

#[test]
fn a_tunnel_that_ends_lets_its_connections_end() {
    run(|runtime| async move {
        let words = Words::new("");
        let (far, at) = start(&runtime, server(&words, echo_server().await));
        let (near, at) = start(&runtime, client(&words, at));
        let mut stream = connect(at).await;
        chat(&mut stream, 1, 2000).await.unwrap();
        let draining = smol::LocalExecutor::new();
        let drained = draining.spawn(near.drain(ms(60_000)));
        draining
            .run(async {
                chat(&mut stream, 2, 50_000).await.unwrap();
                drop(stream);
                drained.await;
            })
            .await;
        far.drain(ms(0)).await;
    });
}
