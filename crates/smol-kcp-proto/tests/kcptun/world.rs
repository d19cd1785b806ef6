//! Bytes as packets of kcp-go: what the fuzz targets and property tests run.

use std::collections::BTreeSet;
use std::time::Duration;

use smol_kcp_proto::layer::crypto::kcp_go::{
    Cipher, DerivedKey, PacketCipher, HEADROOM, NONCE_LEN, PACKET_MAX, TAILROOM,
};
use smol_kcp_proto::layer::fec::{
    is_fec, FecConfig, FecDecoder, FecEncoder, Origin, DATAGRAM_MAX, HEADROOM as FEC_HEADROOM,
};
use smol_kcp_proto::time::Time;

/// What a decoder may keep: 256 of the longest shards, in whole blocks.
const SHARDS: usize = 256 * DATAGRAM_MAX.next_multiple_of(64);

/// A name of a cipher, then bytes as a packet and as content, for each cipher that there is. Nothing may panic,
/// what was sealed is opened, and nothing else is, unless the cipher does not look at it.
pub fn packets(bytes: &[u8]) {
    if let Err(error) = Cipher::from_name(&String::from_utf8_lossy(bytes)) {
        assert!(error.to_string().contains("must be one of null, none, "));
    }
    let mut key = [0; 32];
    key.iter_mut().zip(bytes).for_each(|(byte, of)| *byte = *of);
    let mut nonce = [0; NONCE_LEN];
    nonce.iter_mut().zip(bytes.iter().rev()).for_each(|(byte, of)| *byte = *of);
    // The row of `xor` takes long to make.
    for &cipher in Cipher::ALL.iter().filter(|&&cipher| cipher != Cipher::Xor) {
        let crypt = PacketCipher::new(cipher, &DerivedKey::from_bytes(key));
        let mut packet = bytes.to_vec();
        if let Some(range) = crypt.open(&mut packet) {
            assert!(range.len() + crypt.overhead() == bytes.len() && bytes.len() <= PACKET_MAX);
            let content = packet[range].to_vec();
            nonce.iter_mut().zip(&packet).for_each(|(byte, of)| *byte = *of);
            let sealed = seal(&crypt, &content, &nonce);
            assert_eq!(sealed.as_deref(), Some(bytes), "{cipher}: sealed as it came");
        }
        let Some(mut sealed) = seal(&crypt, bytes, &nonce) else {
            assert!(bytes.len() + crypt.overhead() > PACKET_MAX, "{cipher}: it fits");
            continue;
        };
        let range = crypt.open(&mut sealed).expect("what was sealed is opened");
        assert_eq!(&sealed[range], bytes, "{cipher}");
    }
}

fn seal(crypt: &PacketCipher, content: &[u8], nonce: &[u8; NONCE_LEN]) -> Option<Vec<u8>> {
    let mut buf = vec![0; HEADROOM + content.len() + TAILROOM];
    buf[crypt.headroom()..][..content.len()].copy_from_slice(content);
    let len = crypt.seal(&mut buf, content.len(), nonce)?;
    buf.truncate(len);
    Some(buf)
}

/// One datagram after the other, each preceded by its length and by how much later it comes, into a decoder that
/// expects the ratio of the first two bytes. Nothing may panic, memory is bounded and given back, and what comes out
/// at once was in the datagram. Texts too.
pub fn parity(bytes: &[u8]) {
    if let Ok(config) = String::from_utf8_lossy(bytes).parse::<FecConfig>() {
        assert!(config.check().is_ok());
    }
    let [data, parity, rest @ ..] = bytes else { return };
    let mut decoder = FecDecoder::new(FecConfig { data: *data, parity: *parity });
    let (mut now, mut rest) = (Time::ZERO, rest);
    while let [len, later, behind @ ..] = rest {
        let (datagram, next) = behind.split_at(usize::from(*len).min(behind.len()));
        rest = next;
        now = now + Duration::from_millis(u64::from(*later) * u64::from(*later));
        if decoder.poll_timeout().is_some_and(|at| at <= now) {
            decoder.handle_timeout(now);
            assert_eq!((decoder.memory(), decoder.poll_timeout()), (0, None));
        }
        decoder.decode(now, datagram, &mut |origin, content| {
            assert!(is_fec(datagram));
            let len = content.len();
            assert!(origin == Origin::Recovered || datagram[FEC_HEADROOM..][..len] == *content);
        });
        assert!(decoder.memory() <= SHARDS);
    }
}

/// The bytes decide upon a ratio, lengths, losses, swaps and pauses between an encoder and a decoder that knows the
/// ratio or finds it out. What comes out was sent, and everything that arrives comes out.
pub fn line(bytes: &[u8]) {
    let [data, parity, steps @ ..] = bytes else { return };
    let config = FecConfig { data: data % 20 + 1, parity: parity % 8 + 1 };
    let mut encoder = FecEncoder::new(config).expect("a ratio");
    let mut decoder = FecDecoder::new(if data % 2 == 0 { config } else { FecConfig::OFF });
    let (mut now, mut number) = (Time::ZERO, 0u16);
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    let mut received = BTreeSet::new();
    let mut arrived = 0;
    for &step in steps {
        match step {
            0..=20 => now = now + Duration::from_millis(u64::from(step) * 30),
            _ => {
                let mut buf = [0; DATAGRAM_MAX];
                let content = [&number.to_le_bytes()[..], &vec![step; usize::from(step)]].concat();
                buf[FEC_HEADROOM..][..content.len()].copy_from_slice(&content);
                let len = encoder.seal(now, &mut buf, content.len()).expect("it fits");
                waiting.push(buf[..len].to_vec());
                while let Some(len) = encoder.parity(&mut buf) {
                    waiting.push(buf[..len].to_vec());
                }
                number = number.wrapping_add(1);
            }
        }
        // Some wait for one more step, and so come after the next ones; some never come.
        let keep = if step % 5 == 4 { 1 } else { 0 };
        for datagram in waiting.drain(..waiting.len().saturating_sub(keep)).rev() {
            if step % 7 == 3 {
                continue;
            }
            arrived += u32::from(datagram[4] == 0xf1);
            decoder.decode(now, &datagram, &mut |_, content| {
                let [n0, n1, rest @ ..] = content else { panic!("it was never sent") };
                let step = rest.first().copied().unwrap_or(0);
                assert!(rest.len() == usize::from(step) && rest.iter().all(|&byte| byte == step));
                received.insert(u16::from_le_bytes([*n0, *n1]));
            });
        }
    }
    assert!(received.iter().all(|&n| n < number));
    assert!(received.len() >= arrived as usize);
    assert!(decoder.memory() <= SHARDS);
}
