//! What kcptun sent, and what any bytes do.

use proptest::prelude::*;

use super::*;

/// Returns the recorded packets, each with its cipher and its content.
fn recorded() -> Vec<(Cipher, Vec<u8>, Vec<u8>)> {
    let unhex = |text: &str| {
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect()
    };
    let mut cipher = None;
    let mut packets = Vec::new();
    for line in include_str!("packets.txt").lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(' ') {
            Some(("crypt", name)) => cipher = Some(Cipher::from_name(name).unwrap()),
            Some((packet, content)) => {
                packets.push((cipher.unwrap(), unhex(packet), unhex(content)));
            }
            None => assert_eq!(line, ""),
        }
    }
    packets
}

/// kcptun's default key, as it is spelt there.
fn key() -> DerivedKey {
    derive_key(b"it's a secrect")
}

/// A key that takes no time, for what is not about keys.
fn crypt(cipher: Cipher) -> PacketCipher {
    PacketCipher::new(cipher, &DerivedKey::from_bytes(std::array::from_fn(|at| at as u8)))
}

fn seal(crypt: &PacketCipher, content: &[u8], nonce: &[u8; NONCE_LEN]) -> Option<Vec<u8>> {
    let mut buf = vec![0xee; HEADROOM + TAILROOM + content.len()];
    buf[crypt.headroom()..][..content.len()].copy_from_slice(content);
    let len = crypt.seal(&mut buf, content.len(), nonce)?;
    buf.truncate(len);
    Some(buf)
}

#[test]
fn the_key_is_kcptuns() {
    let hex: String = key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "25d7d7bd51050742d8d791f2b653c6c8b2366b7e25a124cf7a2e12eaf4ffa444");
    assert_eq!(format!("{:?}", key()), "DerivedKey");
}

/// RFC 6070, the ones that run fast: the function below the salt and the rounds that are kcptun's.
#[test]
fn pbkdf2_as_others_compute_it() {
    let derive = |secret: &[u8], salt: &[u8], rounds, len| {
        let mut out = vec![0; len];
        pbkdf2::pbkdf2_hmac::<sha1::Sha1>(secret, salt, rounds, &mut out);
        out.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let expected = "4b007901b765489abead49d926f721d065a429c1";
    assert_eq!(derive(b"password", b"salt", 4096, 20), expected);
    assert_eq!(derive(b"pass\0word", b"sa\0lt", 4096, 16), "56fa6aa75548099dcc37d7f03425e0c3");
}

#[test]
fn what_kcptun_sent_is_opened_and_sealed_again_to_the_byte() {
    let key = key();
    let mut seen = Vec::new();
    for (cipher, packet, content) in recorded() {
        let crypt = PacketCipher::new(cipher, &key);
        let mut opened = packet.clone();
        let range = crypt.open(&mut opened).unwrap_or_else(|| panic!("{cipher} does not open"));
        assert_eq!(opened[range], content, "{cipher}");
        // Once it is open, the nonce stands in front.
        let mut nonce = [0; NONCE_LEN];
        nonce.iter_mut().zip(&opened).for_each(|(byte, of)| *byte = *of);
        assert_eq!(seal(&crypt, &content, &nonce), Some(packet), "{cipher}");
        seen.push(cipher);
    }
    seen.dedup();
    assert_eq!(seen, Cipher::ALL, "each has its packets");
}

#[test]
fn another_key_opens_nothing() {
    let other = derive_key(b"");
    for (cipher, mut packet, _) in recorded() {
        let opened = PacketCipher::new(cipher, &other).open(&mut packet);
        assert_eq!(opened.is_some(), !cipher.needs_key(), "{cipher}");
    }
}

/// Which bits a checksum or a tag covers: all but the nonce, which only `aes-128-gcm` covers too. Under CFB a
/// changed bit of the last block of the nonce changes the checksum; Salsa20 reads the first half of the nonce.
#[test]
fn a_flipped_bit_is_noticed_where_something_looks_at_it() {
    for &cipher in Cipher::ALL {
        let crypt = crypt(cipher);
        let content: Vec<u8> = (0..100).collect();
        let packet = seal(&crypt, &content, &[0x5a; NONCE_LEN]).unwrap();
        for at in 0..packet.len() * 8 {
            let mut changed = packet.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let opened = crypt.open(&mut changed);
            let covered = match cipher {
                Cipher::Null => false,
                Cipher::Aes128Gcm => true,
                _ => at / 8 >= NONCE_LEN,
            };
            assert!(!covered || opened.is_none(), "{cipher}, bit {at}");
            if let Some(range) = opened.filter(|_| cipher != Cipher::Null) {
                assert_eq!(changed[range], content, "{cipher}, bit {at}");
            }
        }
    }
}

/// Why docs/kcptun.md calls it compatible and not secure. The checksum is linear, and Salsa20 and `xor` let each
/// bit that is changed through to itself alone: who knows the content makes it another, without the key.
#[test]
fn a_changed_packet_passes_without_a_tag() {
    for cipher in [Cipher::Xor, Cipher::Salsa20, Cipher::Aes128Gcm] {
        let crypt = crypt(cipher);
        let (said, forged) = (b"pay 10 to alice", b"pay 99 to mallo");
        let mut packet = seal(&crypt, said, &[7; NONCE_LEN]).unwrap();
        let at = crypt.headroom();
        let changes = said.iter().zip(forged).map(|(a, b)| a ^ b);
        packet[at..].iter_mut().zip(changes).for_each(|(byte, by)| *byte ^= by);
        if let Some(checksum_at) = at.checked_sub(4) {
            let change = (crc32fast::hash(said) ^ crc32fast::hash(forged)).to_le_bytes();
            packet[checksum_at..at].iter_mut().zip(change).for_each(|(byte, by)| *byte ^= by);
        }
        let opened = crypt.open(&mut packet);
        assert_eq!(opened.is_none(), cipher.authenticates(), "{cipher}");
        assert!(opened.is_none_or(|range| &packet[range] == forged), "{cipher}");
    }
}

/// Under CFB that is true of the last block, and of changes that the checksum's polynomial divides.
#[test]
fn a_changed_packet_passes_under_cfb() {
    let crypt = crypt(Cipher::Aes);
    let content: Vec<u8> = (0..60).collect();
    let mut packet = seal(&crypt, &content, &[7; NONCE_LEN]).unwrap();
    let polynomial = (1 | 0xedb8_8320u64 << 1).to_le_bytes();
    packet[70..].iter_mut().zip(polynomial).for_each(|(byte, by)| *byte ^= by);
    let range = crypt.open(&mut packet).expect("the checksum sees nothing");
    assert_eq!(packet[range][50..55], [50 ^ 0x41, 51 ^ 0x06, 52 ^ 0x71, 53 ^ 0xdb, 54 ^ 0x01]);
}

#[test]
fn what_does_not_fit_is_refused() {
    for &cipher in Cipher::ALL {
        let crypt = crypt(cipher);
        let longest = PACKET_MAX - crypt.overhead();
        let packet = seal(&crypt, &vec![7; longest], &[1; NONCE_LEN]).unwrap();
        assert_eq!(
            crypt.open(&mut packet.clone()),
            Some(crypt.headroom()..crypt.headroom() + longest)
        );
        assert_eq!(seal(&crypt, &vec![7; longest + 1], &[1; NONCE_LEN]), None);
        assert_eq!(crypt.open(&mut [&packet[..], &[0]].concat()), None);
        assert_eq!(crypt.seal(&mut [0; 99], 100 - crypt.overhead(), &[1; NONCE_LEN]), None);
        assert_eq!(crypt.seal(&mut [0; 99], usize::MAX, &[1; NONCE_LEN]), None);
        for len in 0..crypt.overhead() {
            assert_eq!(crypt.open(&mut vec![0; len]), None, "{cipher}, {len} bytes");
        }
    }
}

#[test]
fn a_cipher_says_what_it_is_and_not_its_key() {
    let crypt = crypt(Cipher::Tea);
    assert_eq!((format!("{crypt:?}"), crypt.cipher()), ("PacketCipher(Tea)".into(), Cipher::Tea));
    let growths = Cipher::ALL.iter().map(|cipher| cipher.overhead());
    assert!(growths.clone().max() == Some(28) && growths.min() == Some(0));
    assert!(Cipher::ALL.iter().all(|c| c.headroom() <= HEADROOM && c.tailroom() <= TAILROOM));
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened(
        content in proptest::collection::vec(any::<u8>(), 0..=PACKET_MAX - HEADROOM - TAILROOM),
        nonce: [u8; NONCE_LEN],
        at in 0..Cipher::ALL.len(),
    ) {
        let crypt = crypt(Cipher::ALL[at]);
        let mut packet = seal(&crypt, &content, &nonce).unwrap();
        prop_assert_eq!(packet.len(), content.len() + crypt.overhead());
        let range = crypt.open(&mut packet).unwrap();
        prop_assert_eq!(&packet[range], &content[..]);
    }

    #[test]
    fn any_bytes_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..=PACKET_MAX + 50),
        len: usize,
        at in 0..Cipher::ALL.len(),
    ) {
        let cipher = Cipher::ALL[at];
        let crypt = crypt(cipher);
        let opened = crypt.open(&mut bytes.clone());
        prop_assert!(opened.is_none() || cipher == Cipher::Null, "2^-32 at most");
        let mut buf = bytes.clone();
        if let Some(total) = crypt.seal(&mut buf, len % 2000, &[3; NONCE_LEN]) {
            prop_assert!(total <= bytes.len() && total == len % 2000 + crypt.overhead());
            prop_assert_eq!(&buf[total..], &bytes[total..], "nothing behind the packet is touched");
        }
    }
}
