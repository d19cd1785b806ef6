//! With Debian's kcptun (20210922) at the other end: both roles, its ciphers, parity and compression.

use smol_kcp::kcp_go::Cipher;
use smol_kcp::{LinkConfig, NetemConfig, Probability};
use smol_kcpd::Settings;

use crate::support::*;

/// The ciphers that it has.
const CIPHERS: [&str; 13] = [
    "aes", "aes-128", "aes-192", "salsa20", "blowfish", "twofish", "cast5", "3des", "tea", "xtea",
    "xor", "sm4", "none",
];

const RATIOS: [&str; 3] = ["--ds 10 --ps 3", "--ds 0 --ps 0", "--ds 3 --ps 2"];

/// Every cipher of this build with one of the others, and AES with each.
fn cases() -> Vec<Words> {
    let mut cases = Vec::new();
    for (at, cipher) in CIPHERS.into_iter().enumerate() {
        if Cipher::from_name(cipher).is_err() {
            continue;
        }
        for (number, ratio) in RATIOS.into_iter().enumerate() {
            for nocomp in [false, true] {
                let is_its_turn = number == at % 3 && nocomp == (at % 2 == 0);
                if cipher == "aes" || is_its_turn {
                    let compression = if nocomp { "--nocomp" } else { "" };
                    let version = 1 + at % 2;
                    cases.push(Words::new(&format!(
                        "--key hush --crypt {cipher} {ratio} {compression} --smuxver {version}"
                    )));
                }
            }
        }
    }
    cases
}

#[test]
fn its_server_takes_ours_for_its_client() {
    if !has_kcptun() {
        return;
    }
    for words in cases() {
        run(|runtime| async move {
            let at = free_port();
            let _server = Kcptun::server(&words, at, echo_server().await);
            let (_client, at) = start(&runtime, client(&words, at));
            ask_much(at).await;
        });
    }
}

#[test]
fn its_client_takes_ours_for_its_server() {
    if !has_kcptun() {
        return;
    }
    for words in cases() {
        run(|runtime| async move {
            let (_server, at) = start(&runtime, server(&words, echo_server().await));
            let (_client, at) = Kcptun::client(&words, at);
            ask_much(at).await;
        });
    }
}

#[test]
fn the_directions_may_have_different_parity() {
    if !has_kcptun() {
        return;
    }
    for (ours, theirs) in [("--ds 0", "--ds 10 --ps 3"), ("--ds 20 --ps 10", "--ds 0")] {
        run(|runtime| async move {
            let at = free_port();
            let _server = Kcptun::server(&Words::new(theirs), at, echo_server().await);
            let ours = Words::new(&format!("{ours} --smuxver 1"));
            let (_client, at) = start(&runtime, client(&ours, at));
            ask_much(at).await;
        });
    }
}

/// A network below one of ours that loses in both directions.
fn lossy(settings: Settings, percent: u32) -> Settings {
    let link = || LinkConfig {
        loss: Probability::percent(percent),
        delay: ms(10),
        ..LinkConfig::default()
    };
    let netem = NetemConfig { seed: 7, send: link(), receive: link() };
    let kcp = smol_kcp::KcpConfig { netem: Some(netem), ..settings.kcp };
    Settings { kcp, ..settings }
}

#[test]
fn a_network_that_loses_a_tenth_changes_nothing() {
    if !has_kcptun() {
        return;
    }
    for words in ["--ds 10 --ps 3 --smuxver 2", "--ds 0 --crypt salsa20 --nocomp --smuxver 1"] {
        let words = Words::new(&format!("{words} --mode fast3"));
        run(|runtime| async move {
            let (target, at) = (echo_server().await, free_port());
            let _server = Kcptun::server(&words, at, target);
            let (_ours, here) = start(&runtime, lossy(client(&words, at), 10));
            ask_much(here).await;
            let (_ours, at) = start(&runtime, lossy(server(&words, target), 10));
            let (_client, there) = Kcptun::client(&words, at);
            ask_much(there).await;
        });
    }
}
