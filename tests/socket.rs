//! What the socket beneath an endpoint does shows in the statistics.

use std::net::UdpSocket;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpEndpoint, KcpListener, KcpStream, UdpTransport};

#[test]
fn the_buffers_that_the_system_granted_are_told() {
    let config = KcpConfig {
        send_buffer: Some(64 * 1024),
        recv_buffer: Some(96 * 1024),
        ..Default::default()
    };
    let transport = UdpTransport::bind(&config, ([127, 0, 0, 1], 0).into()).unwrap();
    let granted = transport.granted_buffers();
    let (endpoint, _driver) = KcpEndpoint::with_driver(config, transport).unwrap();
    assert_eq!((endpoint.stats().send_buffer, endpoint.stats().recv_buffer), granted);
    assert!(granted.0 >= 64 * 1024 && granted.1 >= 96 * 1024, "{granted:?}");
}

#[test]
fn what_the_socket_drops_is_counted_and_harms_nobody() {
    smol::block_on(async {
        let config = KcpConfig { stream: true, ..KcpConfig::lan() };
        let listener = KcpListener::bind(config.clone(), "127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        // In order before the stream's datagrams.
        other.send_to(&[0; 5000], listener.local_addr().unwrap()).unwrap();
        let mut stream = KcpStream::connect(&config, listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut hello = [0; 5];
        peer.read_exact(&mut hello).await.unwrap();
        assert_eq!(&hello, b"hello");
        let stats = listener.stats();
        assert_eq!((stats.receive_dropped, stats.malformed, stats.unknown), (1, 0, 0));
    });
}
