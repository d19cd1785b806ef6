//! Noise's vectors, and our own, from which a second implementation can check itself.
//!
//! `SMOL_KCP_BLESS=1 cargo test -p smol-kcp-proto --lib vectors` writes ours anew.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::layer::crypto::secure::data::{self, Kind, Outgoing};
use crate::layer::crypto::secure::invitation::{Invitation, InvitationKeys};
use crate::layer::crypto::secure::keys::{
    Identity, PresharedKey, PublicKey, SecretKey, SharedSecret,
};
use crate::layer::crypto::secure::message::{
    response, unmask_response, InitiationPayload, ResponderKeys, ResponsePayload, PROLOGUE,
};
use crate::layer::crypto::secure::noise::{Initiator, Responder, Split};
use crate::layer::crypto::secure::primitives::{self, Key};
use crate::layer::crypto::secure::replay::reconstruct;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn key(text: &str) -> [u8; 32] {
    unhex(text).try_into().unwrap()
}

fn parse(file: &str) -> BTreeMap<&str, &str> {
    file.lines().filter_map(|line| line.split_once(" = ")).collect()
}

#[test]
fn noise_as_others_compute_it() {
    let vector = parse(include_str!("noise.txt"));
    let identity = |name| Identity::new(SecretKey::from_bytes(key(vector[name])));
    let (a, b) = (identity("init_static"), identity("resp_static"));
    assert_eq!(hex(b.public.as_bytes()), vector["init_remote_static"]);
    let ephemeral = |name| SecretKey::from_bytes(key(vector[name]));
    let psk = PresharedKey::from_bytes(key(vector["psk"]));
    let (prologue, payload) = (unhex(vector["init_prologue"]), |i: usize| {
        let name = format!("payload_{i}");
        unhex(vector[&*name])
    });

    let (initiator, first) =
        Initiator::new(&a, &b.public, ephemeral("init_ephemeral"), &prologue, &payload(0)).unwrap();
    assert_eq!(hex(&first), vector["ciphertext_0"]);
    let mut responder = Responder::read(&b, &prologue, &first).unwrap();
    assert_eq!(responder.initiator(), &a.public);
    assert_eq!(*responder.payload(&b).unwrap(), payload(0));
    let (second, split) = responder.write(&ephemeral("resp_ephemeral"), &psk, &payload(1)).unwrap();
    assert_eq!(hex(&second), vector["ciphertext_1"]);
    let (answer, also) = initiator.read(&a, &psk, &second).unwrap();
    assert_eq!(*answer, payload(1));
    assert_eq!(hex(&split.transcript), vector["handshake_hash"]);
    assert_eq!((&split.forth, &split.back), (&also.forth, &also.back));

    for i in 2..6 {
        let (mut data, number) = (payload(i), (i as u64 - 2) / 2);
        let key = if i % 2 == 0 { &split.forth } else { &split.back };
        let tag = primitives::seal(key, number, &[], &mut data);
        let name = format!("ciphertext_{i}");
        assert_eq!(hex(&[&data[..], &tag].concat()), vector[&*name]);
        assert!(primitives::open(key, number, &[], &mut data, &tag));
        assert_eq!(data, payload(i));
    }
}

#[test]
fn a_message_of_noise_that_was_changed_is_refused_and_changes_nothing() {
    let identity = |byte| Identity::new(SecretKey::from_bytes([byte; 32]));
    let ((a, b), psk) = ((identity(1), identity(2)), PresharedKey::from_bytes([3; 32]));
    let ephemeral = |byte| SecretKey::from_bytes([byte; 32]);
    let (initiator, first) =
        Initiator::new(&a, &b.public, ephemeral(4), PROLOGUE, b"hello").unwrap();
    for at in 0..first.len() * 8 {
        let mut changed = first.clone();
        changed[at / 8] ^= 1 << (at % 8);
        let payload = Responder::read(&b, PROLOGUE, &changed).and_then(|mut r| r.payload(&b));
        // X25519 ignores the top bit of a public key; the hash of the transcript does not.
        assert!(payload.is_none(), "{at}");
    }
    let mut responder = Responder::read(&b, PROLOGUE, &first).unwrap();
    responder.payload(&b).unwrap();
    let (second, _) = responder.write(&ephemeral(5), &psk, b"welcome").unwrap();
    for at in 0..second.len() * 8 {
        let mut changed = second.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert!(initiator.read(&a, &psk, &changed).is_none(), "{at}");
    }
    assert!(initiator.read(&a, &PresharedKey::none(), &second).is_none(), "another psk");
    assert!(initiator.read(&a, &psk, &second).is_some());
    let zero = PublicKey::from_bytes([0; 32]);
    assert!(Initiator::new(&a, &zero, ephemeral(4), PROLOGUE, b"").is_none());
}

/// Writes lines of a name and bytes, or a text.
#[derive(Default)]
struct Page(String);

impl Page {
    fn title(&mut self, text: &str) {
        writeln!(self.0, "\n# {text}").unwrap();
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        writeln!(self.0, "{name} = {}", hex(bytes)).unwrap();
    }

    fn text(&mut self, name: &str, text: &str) {
        writeln!(self.0, "{name} = {text}").unwrap();
    }
}

/// A secret that a reader sees to be made up: `from`, and each byte one more.
fn rising(from: u8) -> [u8; 32] {
    std::array::from_fn(|i| from.wrapping_add(i as u8))
}

fn keys(page: &mut Page, a: &Identity, b: &Identity, psk: &PresharedKey) {
    page.title("Static keys of initiator (a) and responder (b), and the preshared key");
    for (name, identity) in [("a", a), ("b", b)] {
        page.bytes(&format!("{name}_secret"), identity.secret.as_bytes());
        page.bytes(&format!("{name}_public"), identity.public.as_bytes());
        page.text(&format!("{name}_secret_text"), &identity.secret.to_text());
        page.text(&format!("{name}_public_text"), &identity.public.to_string());
    }
    page.bytes("psk", psk.as_bytes());
}

/// Writes the first message down, and returns it as Noise knows it.
fn initiation(page: &mut Page, a: &Identity, b: &Identity) -> (Initiator, Vec<u8>) {
    let responder_keys = ResponderKeys::new(&b.public);
    page.title("Keys of everybody who knows b_public");
    let derive = |label: &[u8]| primitives::hash(&[label, b.public.as_bytes()]);
    for (name, label) in [("mac1_key", "mac1"), ("mask_key", "mask"), ("cookie_key", "cookie")] {
        page.bytes(name, &derive(format!("smol-kcp 1 {label}").as_bytes()));
    }

    page.title("Initiation: padding 5, without a cookie (mac2 random), then with one");
    let payload = InitiationPayload {
        instance: *b"instance",
        sequence: 7,
        index: 0x0403_0201,
        header_key: Key::new(rising(0x60)),
    };
    let ephemeral = SecretKey::from_bytes(rising(0x80));
    page.bytes("a_ephemeral_secret", ephemeral.as_bytes());
    page.bytes("a_header_key", &payload.header_key[..]);
    page.bytes("initiation_payload", &payload.encode(5));
    let (initiator, first) =
        Initiator::new(a, &b.public, ephemeral, PROLOGUE, &payload.encode(5)).unwrap();
    page.bytes("initiation_noise", &first);
    let (salt, last) = ([0x51; 16], [0x52; 16]);
    page.bytes("initiation_salt", &salt);
    page.bytes("initiation_random_mac2", &last);
    let (datagram, mac1) = responder_keys.initiation(&first, salt, Err(last));
    page.bytes("initiation", &datagram);
    let cookie = [0x53; 16];
    let reply = responder_keys.cookie_reply(&mac1, [0x54; 16], &cookie, 3);
    page.bytes("cookie", &cookie);
    page.bytes("cookie_reply_salt", &[0x54; 16]);
    page.bytes("cookie_reply", &reply);
    assert_eq!(responder_keys.cookie(&mac1, &reply), Some(cookie));
    let (again, _) = responder_keys.initiation(&first, salt, Ok(cookie));
    page.bytes("initiation_with_cookie", &again);

    let checked = responder_keys.check(&again).unwrap();
    assert!(checked.has_cookie(&cookie));
    let message = responder_keys.unmask(&checked);
    (initiator, message)
}

/// Writes the second message down, and returns the keys.
fn handshake(page: &mut Page, a: &Identity, b: &Identity, psk: &PresharedKey) -> Split {
    let (initiator, message) = initiation(page, a, b);
    let mut responder = Responder::read(b, PROLOGUE, &message).unwrap();
    let read = InitiationPayload::decode(&responder.payload(b).unwrap()).unwrap();
    assert_eq!((read.sequence, read.index), (7, 0x0403_0201));

    page.title("Response: padding 2");
    let payload = ResponsePayload {
        instance: *b"INSTANCE",
        index: 0x0807_0605,
        header_key: Key::new(rising(0xa0)),
    };
    let ephemeral = SecretKey::from_bytes(rising(0xc0));
    page.bytes("b_ephemeral_secret", ephemeral.as_bytes());
    page.bytes("b_header_key", &payload.header_key[..]);
    page.bytes("response_payload", &payload.encode(2));
    let (second, split) = responder.write(&ephemeral, psk, &payload.encode(2)).unwrap();
    page.bytes("response_noise", &second);
    page.bytes("response_salt", &[0x55; 16]);
    let datagram = response(&read.header_key, read.index, [0x55; 16], &second);
    page.bytes("response", &datagram);
    assert_eq!(data::read_header(&read.header_key, &datagram), Some((read.index, 0)));
    let message = unmask_response(&read.header_key, &datagram).unwrap();
    let (answer, also) = initiator.read(a, psk, &message).unwrap();
    assert_eq!(ResponsePayload::decode(&answer).unwrap().index, 0x0807_0605);
    assert_eq!((&split.forth, &split.back), (&also.forth, &also.back));
    page.bytes("handshake_hash", &split.transcript);
    page.bytes("key_a_to_b", &split.forth[..]);
    page.bytes("key_b_to_a", &split.back[..]);
    split
}

fn datagrams(page: &mut Page, split: &Split) {
    page.title("Data from a to b: counter, content, kind, padding, and the datagram");
    let header_key = Key::new(rising(0xa0));
    let long: Vec<u8> = (0..100).collect();
    let cases: [(u64, &[u8], Kind, usize); 6] = [
        (0, b"", Kind::Probe, 0),
        (1, b"hello", Kind::Data, 0),
        (2, b"hello", Kind::Data, 10),
        (3, &long, Kind::Data, 0),
        ((1 << 32) - 1, b"last of the first 2^32", Kind::Data, 0),
        (1 << 32, b"", Kind::Answer, 1),
    ];
    for (i, (counter, content, kind, padding)) in cases.into_iter().enumerate() {
        let (key, index, header_key) = (&split.forth, 0x0807_0605, &header_key);
        let outgoing = Outgoing { key, counter, index, header_key };
        let mut datagram = vec![0xee; data::HEADER_LEN];
        datagram.extend_from_slice(content);
        datagram.resize(datagram.len() + 1 + padding + 16, 0xee);
        let len = outgoing.seal(&mut datagram, content.len(), kind, padding).unwrap();
        assert_eq!(len, datagram.len());
        page.text(&format!("data_{i}_counter"), &counter.to_string());
        page.bytes(&format!("data_{i}_content"), content);
        page.text(&format!("data_{i}_kind"), &format!("{kind:?}"));
        page.text(&format!("data_{i}_padding"), &padding.to_string());
        page.bytes(&format!("data_{i}"), &datagram);
        assert_eq!(data::read_header(header_key, &datagram), Some((index, counter as u32)));
        let opened = data::open_datagram(key, counter, &mut datagram);
        assert_eq!(opened, Some((content.len(), kind)));
        assert_eq!(&datagram[data::HEADER_LEN..][..content.len()], content);
    }
}

fn others(page: &mut Page) {
    page.title("Counters: expected next, lower 32 bits received, the counter");
    let expected = [0, 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + (1 << 31), 1 << 33];
    for expected in expected {
        for lower in [0, 1, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, u32::MAX] {
            let found = reconstruct(expected, lower);
            page.text("counter", &format!("{expected} {lower} {found}"));
        }
    }
    page.title("One secret for both sides");
    let shared = SharedSecret::from_bytes(rising(0x10));
    page.text("shared_secret", &shared.to_text());
    page.text("shared_server_key", &shared.server_key().to_text());
    page.text("shared_psk", &shared.preshared_key().to_text());
    page.title("Invitations");
    let server = "router.example:29900".to_owned();
    let own = InvitationKeys::Own {
        secret: SecretKey::from_bytes(rising(0)),
        server: PublicKey::from_bytes(rising(0x20)),
        psk: PresharedKey::none(),
    };
    for (name, keys) in [("own", own), ("shared", InvitationKeys::Shared(shared))] {
        let invitation = Invitation { server: server.clone(), keys };
        page.text(&format!("invitation_{name}"), &invitation.to_line());
    }
}

#[test]
fn our_own_are_what_they_were() {
    let mut page = Page(String::from(
        "# What docs/security.md specifies, computed. Bytes in hexadecimal, texts as they are.\n",
    ));
    let identity = |from| Identity::new(SecretKey::from_bytes(rising(from)));
    let (a, b, psk) = (identity(0), identity(0x20), PresharedKey::from_bytes(rising(0x40)));
    keys(&mut page, &a, &b, &psk);
    let split = handshake(&mut page, &a, &b, &psk);
    datagrams(&mut page, &split);
    others(&mut page);
    if std::env::var_os("SMOL_KCP_BLESS").is_some() {
        let file = "src/layer/crypto/secure/tests/vectors.txt";
        std::fs::write(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file), page.0)
            .unwrap();
    } else {
        assert_eq!(page.0, include_str!("vectors.txt"), "SMOL_KCP_BLESS=1 accepts");
    }
}
