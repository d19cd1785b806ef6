//! The first thing anybody tries.

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpListener, KcpStream};

#[test]
fn bytes_come_back_and_then_the_end() {
    smol::block_on(async {
        let config = KcpConfig { stream: true, ..KcpConfig::lan() };
        let listener = KcpListener::bind(config.clone(), "127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr();
        let server = smol::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_all(&all).await.unwrap();
            stream.close().await.unwrap();
        });
        let mut stream = KcpStream::connect(&config, addr).await.unwrap();
        let sent: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
        stream.write_all(&sent).await.unwrap();
        stream.close().await.unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.unwrap();
        assert!(back == sent);
        server.await;
    });
}
