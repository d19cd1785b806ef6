//! A client of the encrypted mode that was written from docs/security.md alone, with an endpoint of ours.

#[path = "../../../smol-kcp-proto/tests/second/python.rs"]
mod python;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcp::secure::{random_key, PresharedKey, SecretKey, SecureConfig, SecurePeer};
use smol_kcp::{KcpConfig, KcpListener};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../smol-kcp-proto/tests/second");

#[test]
fn a_second_implementation_carries_a_conversation() {
    let Some(python) = python::python() else { return };
    let key = || random_key().unwrap();
    let (server, client) = (SecretKey::from_bytes(key()), SecretKey::from_bytes(key()));
    let psk = PresharedKey::from_bytes(key());
    let peer = SecurePeer::new(client.public_key()).with_psk(psk.clone()).with_name("second");
    let keys =
        [server.public_key().to_string(), client.to_text().to_string(), psk.to_text().to_string()];
    let secure = SecureConfig::new(server).with_client(peer);
    let config = KcpConfig { stream: true, secure: Some(secure), ..KcpConfig::lan() };
    smol::block_on(async {
        let listener = KcpListener::bind(config, "127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = smol::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let name = stream.peer_name();
            let mut buf = [0; 2000];
            let mut total = 0;
            // Until the client, which knows no end of a stream, has said its last words.
            while !buf[..total.min(2000)].ends_with(b"with new keys") {
                total = stream.read(&mut buf).await.unwrap();
                stream.write_all(&buf[..total]).await.unwrap();
            }
            stream.flush().await.unwrap();
            (name, stream)
        });
        let said = smol::unblock(move || {
            let (host, port) = (addr.ip().to_string(), addr.port().to_string());
            let [server, client, psk] = keys.each_ref().map(|key| &**key);
            python::run(python, "conversation.py", &[&host, &port, server, client, psk])
        });
        assert_eq!(said.await.trim(), "everything came back");
        let (name, stream) = server.await;
        assert_eq!(name.as_deref(), Some("second"));
        stream.abort();
    });
}
