//! Bytes as packets of kcp-go: what the fuzz targets and property tests run.

use smol_kcp_proto::layer::crypto::kcp_go::{
    Cipher, DerivedKey, PacketCipher, HEADROOM, NONCE_LEN, PACKET_MAX, TAILROOM,
};

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
