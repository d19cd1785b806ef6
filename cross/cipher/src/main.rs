//! Seals as many datagrams of 1,400 bytes as the argument says: cross/cipher.sh counts the instructions. The file is
//! that of the secure channel.
#![allow(dead_code)]

#[path = "../../../crates/smol-kcp-proto/src/layer/crypto/secure/data.rs"]
mod data;
use smol_kcp_crypto::secure as primitives;

use data::{Kind, Outgoing, HEADER_LEN};

const LEN: usize = 1400;

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    let (key, header_key) = (primitives::Key::new([1; 32]), primitives::Key::new([2; 32]));
    let mut buf = [7; HEADER_LEN + LEN + 1 + primitives::TAG_LEN];
    for counter in 0..count {
        let outgoing = Outgoing { key: &key, counter, index: 1, header_key: &header_key };
        outgoing.seal(&mut buf, LEN, Kind::Data, 0).expect("there is room");
    }
    println!("{:02x}{:02x}", buf[0], buf[HEADER_LEN]);
}
