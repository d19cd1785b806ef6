//! It never gives up: peers that restart, names and addresses that come, go and change.

use std::io::ErrorKind;
use std::net::UdpSocket;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcp::secure::{SecretKey, SecureConfig, SecurePeer};
use smol_kcp::KcpConfig;
use smol_kcpd::{Settings, Tunnel};

use crate::support::*;

/// Patient with a server that is away.
fn patient() -> KcpConfig {
    KcpConfig {
        connect_timeout: Some(ms(60_000)),
        stall_timeout: ms(60_000),
        session_expire: Some(ms(90_000)),
        ..stream()
    }
}

#[test]
fn after_a_restart_of_the_server_the_next_connection_works_and_the_old_one_is_reset() {
    run(|runtime, _| async move {
        let target = echo_server().await;
        let (server, client, at) = tunnel(&runtime, target, patient());
        let mut old = talking(at).await;
        let listen = addr(&server);
        let settings =
            Settings { listen: Some(listen.into()), ..server_settings(target, patient()) };
        server.drain(ms(0)).await;
        let server = Tunnel::start(&runtime, settings);
        assert_eq!(addr(&server), listen);
        let mut new = talking(at).await;
        assert_eq!(ending(&mut old).await, ErrorKind::ConnectionReset);
        chat(&mut new, b"on and on").await.expect("it goes on");
        assert_eq!(client.stats().open, 1);
    });
}

#[test]
fn a_server_that_forgot_everything_says_so_when_it_is_spoken_to() {
    run(|runtime, _| async move {
        let target = echo_server().await;
        let (first, second) = (
            Tunnel::start(&runtime, server_settings(target, patient())),
            Tunnel::start(&runtime, server_settings(target, patient())),
        );
        // Both under one address, one after the other: the second knows nothing of the first's.
        let switch = Switch::to(addr(&first));
        let client = Tunnel::start(&runtime, client_settings(switch.addr, patient()));
        let mut old = talking(addr(&client)).await;
        switch.turn(addr(&second));
        let mut new = talking(addr(&client)).await;
        let failed = chat(&mut old, b"do you remember?").await.expect_err("it does not");
        assert_eq!(failed.kind(), ErrorKind::ConnectionReset);
        chat(&mut new, b"me?").await.expect("that one it knows");
    });
}

#[test]
fn a_connection_waits_for_a_server_that_is_not_there_yet() {
    run(|runtime, _| async move {
        let target = echo_server().await;
        let later = UdpSocket::bind(ANY).expect("a port").local_addr().expect("its address");
        let client = Tunnel::start(&runtime, client_settings(later, patient()));
        let waiting = smol::spawn(talking(addr(&client)));
        until(|| client.stats().open == 1).await;
        let settings =
            Settings { listen: Some(later.into()), ..server_settings(target, patient()) };
        let _server = Tunnel::start(&runtime, settings);
        waiting.await;
    });
}

#[test]
fn a_connection_is_reset_when_the_server_does_not_come_within_connect_timeout() {
    run(|runtime, _| async move {
        let silent = UdpSocket::bind(ANY).expect("a port");
        let kcp = KcpConfig { connect_timeout: Some(ms(300)), ..stream() };
        let server = silent.local_addr().expect("its address");
        let client = Tunnel::start(&runtime, client_settings(server, kcp));
        assert_eq!(refusal(addr(&client)).await, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_name_may_resolve_later() {
    run(|runtime, names| async move {
        let target = echo_server().await;
        let server = Tunnel::start(&runtime, server_settings(target, patient()));
        let client = Tunnel::start(&runtime, client_settings(name("server.test"), patient()));
        let waiting = smol::spawn(talking(addr(&client)));
        until(|| client.stats().open == 1).await;
        names.lead("server.test", addr(&server));
        waiting.await;
    });
}

#[test]
fn without_the_name_a_connection_is_reset_within_connect_timeout() {
    run(|runtime, _| async move {
        let kcp = KcpConfig { connect_timeout: Some(ms(300)), ..stream() };
        let client = Tunnel::start(&runtime, client_settings(name("server.test"), kcp));
        assert_eq!(refusal(addr(&client)).await, ErrorKind::ConnectionReset);
    });
}

#[test]
fn an_open_stream_lives_through_a_change_of_the_servers_address() {
    run(|runtime, names| async move {
        let target = echo_server().await;
        let server = Tunnel::start(&runtime, server_settings(target, patient()));
        let (before, after) = (Relay::to(addr(&server)), Relay::to(addr(&server)));
        names.lead("server.test", before.addr);
        let client = Tunnel::start(&runtime, client_settings(name("server.test"), patient()));
        let (mut busy, mut idle) = (talking(addr(&client)).await, talking(addr(&client)).await);
        before.silence();
        names.lead("server.test", after.addr);
        chat(&mut busy, b"are you there?").await.expect("at the new address");
        chat(&mut idle, b"and you?").await.expect("at the new address too");
        talking(addr(&client)).await;
        assert_eq!(client.stats().failed, 0);
    });
}

#[test]
fn a_client_finds_the_server_that_answers_among_the_addresses_of_its_name() {
    run(|runtime, names| async move {
        let target = echo_server().await;
        let server = Tunnel::start(&runtime, server_settings(target, patient()));
        let silent = UdpSocket::bind(ANY).expect("a port");
        let silent = silent.local_addr().map(|at| (silent, at)).expect("its address");
        names.lead_to("pool.test", vec![silent.1, addr(&server)]);
        let client = Tunnel::start(&runtime, client_settings(name("pool.test"), patient()));
        talking(addr(&client)).await;
        assert_eq!(client.stats().failed, 0);
    });
}

/// Settings of both ends, with a key of each.
fn with_keys(kcp: KcpConfig) -> (KcpConfig, KcpConfig) {
    let secret = |byte| SecretKey::from_bytes([byte; 32]);
    let [of_server, of_client] = [1, 2].map(|byte| SecurePeer::new(secret(byte).public_key()));
    let at_server = SecureConfig::new(secret(1)).with_client(of_client.with_name("alice"));
    let at_client = SecureConfig::new(secret(2)).with_server(of_server);
    let with = |secure| KcpConfig { secure: Some(secure), ..kcp.clone() };
    (with(at_server), with(at_client))
}

#[test]
fn a_client_with_keys_finds_the_server_that_answers_to_them() {
    run(|runtime, names| async move {
        let target = echo_server().await;
        let (at_server, at_client) = with_keys(patient());
        let server = Tunnel::start(&runtime, server_settings(target, at_server));
        let silent = UdpSocket::bind(ANY).expect("a port");
        let silent = silent.local_addr().map(|at| (silent, at)).expect("its address");
        // One that would answer anybody, and has other keys.
        let other = Tunnel::start(&runtime, server_settings(target, patient()));
        names.lead_to("pool.test", vec![silent.1, addr(&other), addr(&server)]);
        let client = Tunnel::start(&runtime, client_settings(name("pool.test"), at_client));
        talking(addr(&client)).await;
        talking(addr(&client)).await;
        assert_eq!((client.stats().failed, other.stats().opened), (0, 0));
        assert_eq!(server.stats().opened, 2, "what was tried opened nothing");
    });
}

#[test]
fn streams_with_keys_follow_the_server_to_another_address_of_its_name() {
    run(|runtime, names| async move {
        let target = echo_server().await;
        let (at_server, at_client) = with_keys(patient());
        let server = Tunnel::start(&runtime, server_settings(target, at_server));
        let (before, after) = (Relay::to(addr(&server)), Relay::to(addr(&server)));
        names.lead("server.test", before.addr);
        let client = Tunnel::start(&runtime, client_settings(name("server.test"), at_client));
        let mut tcp = talking(addr(&client)).await;
        before.silence();
        names.lead_to("server.test", vec![before.addr, after.addr]);
        chat(&mut tcp, b"are you there?").await.expect("at the other address");
        talking(addr(&client)).await;
        assert_eq!(client.stats().failed, 0);
    });
}

#[test]
fn a_client_stays_with_the_server_of_its_streams_while_the_name_leads_elsewhere() {
    run(|runtime, names| async move {
        let target = echo_server().await;
        let start = || Tunnel::start(&runtime, server_settings(target, patient()));
        let (first, second) = (start(), start());
        let way = Relay::to(addr(&first));
        names.lead("pool.test", way.addr);
        let client = Tunnel::start(&runtime, client_settings(name("pool.test"), patient()));
        let mut stream = talking(addr(&client)).await;
        names.lead("pool.test", addr(&second));
        way.silence();
        let asked = names.asked();
        stream.write_all(b"?").await.expect("into the buffer");
        until(|| names.asked() > asked).await; // the client looks where the name leads
        way.resume();
        stream.read_exact(&mut [0]).await.expect("its server is there again");
        chat(&mut stream, b"and stays").await.expect("the same");
        assert_eq!((client.stats().failed, second.stats().opened), (0, 0));
    });
}

#[test]
fn an_open_stream_lives_through_a_change_of_its_nat_port() {
    run(|runtime, _| async move {
        let target = echo_server().await;
        let server = Tunnel::start(&runtime, server_settings(target, patient()));
        let nat = Relay::to(addr(&server));
        let client = Tunnel::start(&runtime, client_settings(nat.addr, patient()));
        let mut tcp = talking(addr(&client)).await;
        nat.rebind();
        chat(&mut tcp, b"from another port").await.expect("the same stream");
        // And when the NAT hears nothing from the old local port any more.
        nat.deafen();
        chat(&mut tcp, b"from another socket").await.expect("the same stream");
        assert_eq!((server.stats().opened, server.stats().failed), (1, 0));
    });
}

#[test]
fn what_cannot_be_bound_is_bound_later() {
    run(|runtime, _| async move {
        let taken = UdpSocket::bind(ANY).expect("a port");
        let listen = taken.local_addr().expect("its address");
        let settings = Settings {
            listen: Some(listen.into()),
            ..server_settings(echo_server().await, stream())
        };
        let server = Tunnel::start(&runtime, settings);
        assert_eq!(server.local_addr(), None);
        drop(taken);
        until(|| server.local_addr() == Some(listen)).await;
    });
}
