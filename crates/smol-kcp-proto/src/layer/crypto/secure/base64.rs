//! Base64 (RFC 4648): the text of keys (section 4) and of invitations (section 5, without padding).
//!
//! Characters are computed, not looked up: what is written is secret, and a table is read at places that
//! depend on it.

use zeroize::Zeroizing;

/// The two alphabets, by their last two characters.
#[derive(Clone, Copy)]
enum Alphabet {
    Standard,
    Url,
}

/// Writes bytes with padding.
pub(super) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = write(bytes, Alphabet::Standard);
    while text.len() % 4 != 0 {
        text.push('=');
    }
    text
}

/// Writes bytes with the alphabet for addresses, without padding.
pub(super) fn encode_url(bytes: &[u8]) -> Zeroizing<String> {
    write(bytes, Alphabet::Url)
}

/// Reads what [`encode`] writes; `None` for anything else.
pub(super) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bare = text.trim_end_matches('=');
    let padding = text.len() - bare.len();
    if text.len() % 4 != 0 || padding > 2 {
        return None;
    }
    read(bare, Alphabet::Standard)
}

/// Reads what [`encode_url`] writes; `None` for anything else.
pub(super) fn decode_url(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    read(text, Alphabet::Url)
}

fn write(bytes: &[u8], alphabet: Alphabet) -> Zeroizing<String> {
    // Room for all of it from the start: what is moved when a string grows is not erased.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..=group.len() {
            text.push(char::from(character((bits >> (18 - 6 * i)) as u8 & 63, alphabet)));
        }
    }
    text
}

fn read(text: &str, alphabet: Alphabet) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for (i, &c) in group.iter().enumerate() {
            bits |= u32::from(value(c, alphabet)?) << (18 - 6 * i);
        }
        let [_, b0, b1, b2] = bits.to_be_bytes();
        let (whole, rest): (&[u8], bool) = match group.len() {
            4 => (&[b0, b1, b2], false),
            3 => (&[b0, b1], b2 != 0),
            2 => (&[b0], b1 != 0),
            _ => return None,
        };
        // A text has one meaning and bytes have one text.
        if rest {
            return None;
        }
        bytes.extend_from_slice(whole);
    }
    Some(bytes)
}

fn character(value: u8, alphabet: Alphabet) -> u8 {
    let (c62, c63) = last_two(alphabet);
    // 1 where the value is at least so large.
    let from = |least: u8| u8::from(value >= least);
    let mut c = b'A'.wrapping_add(value);
    c = c.wrapping_add(from(26).wrapping_mul(b'a' - b'Z' - 1));
    c = c.wrapping_sub(from(52).wrapping_mul(b'z' - b'0' + 1));
    c = c.wrapping_add(from(62).wrapping_mul(c62.wrapping_sub(b'9').wrapping_sub(1)));
    c.wrapping_add(from(63).wrapping_mul(c63.wrapping_sub(c62).wrapping_sub(1)))
}

fn value(c: u8, alphabet: Alphabet) -> Option<u8> {
    let (c62, c63) = last_two(alphabet);
    match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        c if c == c62 => Some(62),
        c if c == c63 => Some(63),
        _ => None,
    }
}

fn last_two(alphabet: Alphabet) -> (u8, u8) {
    match alphabet {
        Alphabet::Standard => (b'+', b'/'),
        Alphabet::Url => (b'-', b'_'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        let examples = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let texts = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (bytes, text) in examples.iter().zip(texts) {
            assert_eq!(&*encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap().as_slice(), bytes.as_bytes());
        }
    }

    #[test]
    fn every_byte_has_one_text() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(*decode(&encode(&all)).unwrap(), all);
        assert_eq!(*decode_url(&encode_url(&all)).unwrap(), all);
        let alphabet: String = (0..64).map(|v| char::from(character(v, Alphabet::Url))).collect();
        assert!(alphabet.ends_with("xyz0123456789-_") && alphabet.starts_with("ABC"));
        for wrong in
            ["Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zm 9", "Zm9v\n", "Zg==Zg==", "-_8="]
        {
            assert!(decode(wrong).is_none(), "{wrong:?}");
        }
    }
}
