//! The cipher of the encrypted mode alone: CPU seconds to seal a gigabyte, and to open it, in datagrams of the
//! peers' MTU. What `smol-kcp/secure` may cost beyond `smol-kcp`, and a little.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use peers::peer::MTU;
use peers::usage::Mark;

/// What KCP and the encrypted mode add to the payload of a datagram, of which one byte and KCP's header are sealed.
const ADDED: usize = 24 + 25;
const SEALED: usize = MTU - 24;
const BYTES: usize = 1 << 30;

fn nonce(number: usize) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[4..].copy_from_slice(&(number as u64).to_le_bytes());
    nonce
}

fn main() {
    let cipher = ChaCha20Poly1305::new(&[7; 32].into());
    let numbers = 0..BYTES / (MTU - ADDED);
    // A batch at a time, as the driver has it.
    let mut batch = vec![([0x5a_u8; SEALED], Tag::default()); 64];
    let (mut seal, mut open) = (0.0, 0.0);
    for first in numbers.step_by(batch.len()) {
        let began = Mark::now();
        for (number, (content, tag)) in (first..).zip(&mut batch) {
            let sealed =
                cipher.encrypt_inout_detached(&nonce(number), b"", (&mut content[..]).into());
            *tag = sealed.expect("it is short enough");
        }
        seal += began.span().cpu_seconds;
        let began = Mark::now();
        for (number, (content, tag)) in (first..).zip(&mut batch) {
            let opened =
                cipher.decrypt_inout_detached(&nonce(number), b"", (&mut content[..]).into(), tag);
            opened.expect("it is authentic");
        }
        open += began.span().cpu_seconds;
    }
    let per_gb = 1e9 / BYTES as f64;
    println!("seal s/GB {:.3}, open s/GB {:.3}", seal * per_gb, open * per_gb);
}
