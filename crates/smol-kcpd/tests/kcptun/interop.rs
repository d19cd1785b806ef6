//! With Debian's kcptun (20210922) at the other end: both roles, its ciphers, parity and compression.

use std::sync::Mutex;
use std::thread;

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

/// How many are under way at a time. Most of the time they wait for the tick of kcptun's clock.
const AT_ONCE: usize = 6;

/// What both sides are told, and what of each hundred datagrams the network between them loses, either way.
struct Case {
    words: String,
    loss: u32,
}

/// Every cipher of this build with every ratio, compressed and not; one in five through a network that loses.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for cipher in CIPHERS.into_iter().filter(|cipher| Cipher::from_name(cipher).is_ok()) {
        for ratio in RATIOS {
            for compression in ["", "--nocomp"] {
                let at = cases.len();
                let version = 1 + at / 2 % 2;
                let words = format!(
                    "--crypt {cipher} {ratio} {compression} --smuxver {version} --key hush"
                );
                cases.push(Case { words, loss: if at % 5 == 0 { 3 } else { 0 } });
            }
        }
    }
    cases
}

/// Goes through all cases, a few at a time, each in a thread that is called after it.
fn with_each(test: impl Fn(&Case) + Sync) {
    let cases = cases();
    let rest = Mutex::new(cases.iter());
    let next = || rest.lock().expect("nobody panics with it").next();
    let work = || {
        while let Some(case) = next() {
            let name = format!("{}, {} % lost", case.words, case.loss);
            thread::scope(|scope| {
                let case = thread::Builder::new().name(name).spawn_scoped(scope, || test(case));
                case.expect("a thread");
            });
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
}

#[test]
fn its_server_takes_ours_for_its_client() {
    if !has_kcptun() {
        return;
    }
    with_each(|case| {
        run(|runtime| async move {
            let (words, at) = (Words::new(&case.words), free_port());
            let _server = Kcptun::server(&words, at, echo_server().await);
            until_bound(at).await;
            let (_client, at) = start(&runtime, lossy(client(&words, at), case.loss));
            ask_much(at).await;
        });
    });
}

#[test]
fn its_client_takes_ours_for_its_server() {
    if !has_kcptun() {
        return;
    }
    with_each(|case| {
        run(|runtime| async move {
            let words = Words::new(&case.words);
            let ours = lossy(server(&words, echo_server().await), case.loss);
            let (_server, at) = start(&runtime, ours);
            let (_client, at) = Kcptun::client(&words, at);
            ask_much(at).await;
        });
    });
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
    if percent == 0 {
        return settings;
    }
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
