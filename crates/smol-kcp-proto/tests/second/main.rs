//! docs/security.md as somebody else reads it: a second implementation of the secure channel, in Python, computes our
//! vectors anew and speaks with our state machine over real sockets.
#![cfg(feature = "secure")]

mod python;
mod responder;

use std::path::Path;

use smol_kcp_proto::layer::crypto::secure::{
    Identity, PeerParams, PresharedKey, SecretKey, SecureEvent, SecureParams, SecureTable,
};

use python::{python, run};
use responder::{Report, Responder};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/second");

#[test]
fn it_computes_every_vector_as_we_do() {
    let Some(python) = python() else { return };
    let vectors =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/layer/crypto/secure/tests/vectors.txt");
    let said = run(python, "vectors.py", &[vectors.to_str().unwrap()]);
    assert!(said.contains("values and"), "{said}");
}

/// Lets the client speak with a server of ours, and returns what that has seen.
fn session(python: &str, options: &[&str]) -> Report {
    let (server, client) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
    let psk = PresharedKey::from_bytes([3; 32]);
    let mut table = SecureTable::new(SecureParams::new(Identity::new(server.clone())), [4; 32]);
    let mut peer = PeerParams::new(client.public_key());
    peer.psk = psk.clone();
    table.add_peer(peer).unwrap();
    let responder = Responder::start(table);
    let (host, port) = (responder.addr.ip().to_string(), responder.addr.port().to_string());
    let keys =
        [server.public_key().to_string(), client.to_text().to_string(), psk.to_text().to_string()];
    let args = [&[&*host, &*port], &keys.each_ref().map(|key| &**key)[..], options].concat();
    let said = run(python, "client.py", &args);
    assert_eq!(said.trim(), "everything came back");
    responder.stop()
}

fn assert_heard(report: &Report) {
    let numbers: Vec<u32> = report
        .contents
        .iter()
        .filter_map(|content| Some(u32::from_le_bytes(content.as_slice().try_into().ok()?)))
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5], "each once");
    assert_eq!(report.contents.len(), 10);
    let channels = &report.channels;
    assert_eq!(channels[5..], [0, 0, 1, 0, 0], "each run in a channel of its own");
    let restarts: Vec<bool> = report
        .events
        .iter()
        .filter_map(|event| match event {
            SecureEvent::Established { restarted, .. } => Some(*restarted),
            _ => None,
        })
        .collect();
    assert_eq!(restarts, [false, false, false, true]);
    assert_eq!((report.stats.forged, report.stats.replayed), (0, 1), "{:?}", report.stats);
}

#[test]
fn it_connects_and_gets_back_what_it_says() {
    let Some(python) = python() else { return };
    let report = session(python, &[]);
    assert_heard(&report);
    assert_eq!(report.stats.cookies_sent, 0);
}

#[test]
fn it_connects_under_load() {
    let Some(python) = python() else { return };
    let report = session(python, &["--flood", "32"]);
    assert_heard(&report);
    assert_eq!(report.stats.bad_initiations, 32);
    assert_eq!(report.stats.cookies_sent, 4, "one for each handshake");
}
