//! The encrypted mode over real sockets.
#![cfg(feature = "secure")]

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcp::secure::{random_key, SecretKey, SecureConfig, SecurePeer, SharedSecret};
use smol_kcp::{KcpConfig, KcpEndpoint, KcpError, KcpListener, KcpPing, KcpStream};
use std::time::Duration;

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(60);

fn secret() -> SecretKey {
    SecretKey::from_bytes(random_key().unwrap())
}

fn with(secure: SecureConfig) -> KcpConfig {
    KcpConfig { stream: true, secure: Some(secure), ..KcpConfig::lan() }
}

/// Answers each stream with what it said, backwards, and who said it.
fn serve(listener: KcpListener) {
    smol::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            smol::spawn(async move {
                let mut said = Vec::new();
                stream.read_to_end(&mut said).await.unwrap();
                said.reverse();
                let name = stream.peer_name().map_or("nobody".into(), |name| name.to_string());
                stream.write_all(format!("{name}: ").as_bytes()).await.unwrap();
                stream.write_all(&said).await.unwrap();
                stream.close().await.unwrap();
            })
            .detach();
        }
    })
    .detach();
}

async fn ask(stream: &mut KcpStream, question: &[u8]) -> std::io::Result<String> {
    stream.write_all(question).await?;
    stream.close().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

#[test]
fn two_who_know_each_other_talk_and_know_with_whom() {
    let (of_server, of_alice) = (secret(), secret());
    let alice = SecurePeer::new(of_alice.public_key()).with_name("alice");
    let server = of_server.public_key();
    smol::block_on(async {
        let config = with(SecureConfig::new(of_server).with_client(alice));
        let listener = KcpListener::bind(config, "127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        serve(listener);
        let config = with(SecureConfig::new(of_alice).with_server(SecurePeer::new(server)));
        let endpoint = KcpEndpoint::bind(config, "127.0.0.1:0").await.unwrap();
        for _ in 0..3 {
            let mut stream = endpoint.connect(addr).await.unwrap();
            assert_eq!(stream.peer_key(), Some(server));
            assert_eq!(ask(&mut stream, b"olleh").await.unwrap(), "alice: hello");
        }
    });
}

#[test]
fn one_secret_for_both_sides_is_enough() {
    let secret = SharedSecret::from_bytes(random_key().unwrap());
    smol::block_on(async {
        let config = with(SecureConfig::shared_server(&secret));
        let listener = KcpListener::bind(config, "127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        serve(listener);
        for _ in 0..3 {
            let config = with(SecureConfig::shared_client(&secret));
            let mut stream = KcpStream::connect(&config, addr).await.unwrap();
            assert_eq!(ask(&mut stream, b"olleh").await.unwrap(), "nobody: hello");
        }
    });
}

#[test]
fn a_ping_is_answered_to_those_who_have_keys_and_to_nobody_else() {
    let (of_server, of_alice) = (secret(), secret());
    let alice = SecurePeer::new(of_alice.public_key());
    let server = SecurePeer::new(of_server.public_key());
    smol::block_on(async {
        let config = with(SecureConfig::new(of_server).with_client(alice));
        let listener = KcpListener::bind(config, "127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let config = with(SecureConfig::new(of_alice).with_server(server.clone()));
        // Beside a stream of the same key, which does not notice.
        serve(listener);
        let endpoint = KcpEndpoint::bind(config.clone(), "127.0.0.1:0").await.unwrap();
        let mut stream = endpoint.connect(addr).await.unwrap();
        let mut ping = KcpPing::connect(&config, addr).await.unwrap();
        for _ in 0..5 {
            ping.ping(LONG).await.unwrap();
        }
        assert_eq!(ask(&mut stream, b"olleh").await.unwrap(), "nobody: hello");

        let short = Duration::from_millis(300);
        let stranger = with(SecureConfig::new(secret()).with_server(server));
        for config in [stranger, KcpConfig::lan()] {
            let mut ping = KcpPing::connect(&config, addr).await.unwrap();
            assert!(matches!(ping.ping(short).await, Err(KcpError::TimedOut)));
        }
        let nobody = with(SecureConfig::new(secret()));
        let error = KcpPing::connect(&nobody, addr).await.unwrap_err();
        assert!(matches!(error, KcpError::Config { field: "secure.server", .. }), "{error}");
    });
}

#[test]
fn a_ping_finds_its_server_again_after_a_restart() {
    let secret = SharedSecret::from_bytes(random_key().unwrap());
    smol::block_on(async {
        let config = with(SecureConfig::shared_server(&secret));
        let listener = KcpListener::bind(config.clone(), "127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut ping =
            KcpPing::connect(&with(SecureConfig::shared_client(&secret)), addr).await.unwrap();
        ping.ping(LONG).await.unwrap();
        drop(listener);
        let mut again = KcpListener::bind(config.clone(), addr).await;
        while again.is_err() {
            smol::future::yield_now().await;
            again = KcpListener::bind(config.clone(), addr).await;
        }
        ping.ping(LONG).await.expect("in a new channel");
    });
}
