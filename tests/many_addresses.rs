//! A server with several addresses answers from the one that it was asked at.
#![cfg(target_os = "linux")]

mod common;

use std::process::Command;

use common::tools::is_installed;
use common::{chat, run, stream};
use smol_kcp::{KcpEndpoint, KcpListener};

/// Talks with a server on the port of all addresses by each of `addresses`. A client takes nothing that
/// comes from elsewhere, and is itself where the system would rather answer from.
fn talk_with(all: &'static str, addresses: &'static [&'static str]) {
    run(async move {
        let listener = KcpListener::bind(stream(), (all, 0)).await.unwrap();
        let port = common::echo(listener).port();
        for &address in addresses {
            let own = if address.contains('.') { "127.0.0.1" } else { addresses[0] };
            let endpoint = KcpEndpoint::bind(stream(), (own, 0)).await.unwrap();
            let mut client = endpoint.connect((address, port)).await.unwrap();
            chat(&mut client, b"hello").await;
            // More than leaves in one system call, and at once.
            chat(&mut client, &[7; 100_000]).await;
            assert_eq!(client.peer_addr().unwrap().ip().to_string(), address);
        }
    });
}

#[test]
fn a_server_answers_from_the_address_that_it_was_asked_at() {
    talk_with("0.0.0.0", &["127.0.0.2", "127.0.0.1", "127.3.2.1"]);
}

#[test]
fn so_does_one_of_both_families() {
    talk_with("::", &["::1", "127.0.0.2", "127.0.0.1"]);
}

#[test]
fn an_endpoint_that_connects_leaves_the_choice_to_the_system() {
    run(async {
        let listener = KcpListener::bind(stream(), "127.0.0.2:0").await.unwrap();
        let addr = common::echo(listener);
        let endpoint = KcpEndpoint::bind(stream(), "0.0.0.0:0").await.unwrap();
        let mut client = endpoint.connect(addr).await.unwrap();
        chat(&mut client, b"hello").await;
    });
}

/// Loopback has one address of IPv6. Where the system lets us, this runs in a network of its own.
#[test]
fn a_server_with_two_addresses_of_ipv6() {
    const INSIDE: &str = "SMOL_KCP_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return talk_with("::", &["fd00::2", "fd00::1", "::1"]);
    }
    if !(is_installed("unshare") && is_installed("ip")) {
        return;
    }
    let unshare = |command: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--net", "sh", "-c", command]);
        unshare
    };
    if !unshare("ip link set lo up").status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no rights to a network of its own");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let addresses = "for ip in fd00::1 fd00::2; do ip addr add $ip/128 dev lo nodad || exit; done";
    let command = format!(
        "ip link set lo up && {addresses}; exec '{}' --exact a_server_with_two_addresses_of_ipv6",
        own.display()
    );
    let status = unshare(&command).env(INSIDE, "1").status().unwrap();
    assert!(status.success(), "{status}");
}
