//! Names, families, sockets of one's own, and configurations that are refused everywhere.

mod common;

use std::net::{Ipv6Addr, UdpSocket};

use common::{chat, run, stream, ANY};
use futures_lite::{AsyncReadExt, StreamExt};
use smol_kcp::{
    KcpConfig, KcpEndpoint, KcpError, KcpListener, KcpStream, LinkConfig, MemoryTransport,
    NetemConfig, Probability,
};

#[test]
fn over_ipv6() {
    run(async {
        let listener = KcpListener::bind(stream(), "[::1]:0").await.unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), Ipv6Addr::LOCALHOST);
        let addr = common::echo(listener);
        let mut client = KcpStream::connect(&stream(), addr).await.unwrap();
        chat(&mut client, b"over IPv6").await;
        assert!(client.local_addr().unwrap().is_ipv6());
        assert_eq!(client.peer_addr().unwrap(), addr);
    });
}

#[test]
fn one_socket_for_both_families_tells_ipv4_as_ipv4() {
    run(async {
        let listener = KcpListener::bind(stream(), "[::]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut four = KcpStream::connect(&stream(), ("127.0.0.1", port)).await.unwrap();
        let (_server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, four.local_addr().unwrap(), "not mapped");
        let mut six = KcpStream::connect(&stream(), ("::1", port)).await.unwrap();
        let (_other, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, six.local_addr().unwrap());
        drop((_server, _other));
        assert_eq!(four.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(six.read(&mut [0; 9]).await.unwrap(), 0);
    });
}

#[test]
fn an_endpoint_of_both_families_connects_to_both() {
    run(async {
        let four = common::echo(KcpListener::bind(stream(), ANY).await.unwrap());
        let six = common::echo(KcpListener::bind(stream(), "[::1]:0").await.unwrap());
        let endpoint = KcpEndpoint::bind(stream(), "[::]:0").await.unwrap();
        for addr in [four, six] {
            let mut client = endpoint.connect(addr).await.unwrap();
            assert_eq!(client.peer_addr().unwrap(), addr);
            chat(&mut client, b"hello").await;
        }
    });
}

#[test]
fn a_name_is_tried_address_by_address() {
    run(async {
        let listener = KcpListener::bind(stream(), "localhost:0").await.unwrap();
        let addr = common::echo(listener);
        let name = format!("localhost:{}", addr.port());
        chat(&mut KcpStream::connect(&stream(), name.as_str()).await.unwrap(), b"hello").await;

        // Nobody is at the first address.
        let nobody = UdpSocket::bind(ANY).unwrap().local_addr().unwrap();
        let mut second = KcpStream::connect(&stream(), &[nobody, addr][..]).await.unwrap();
        chat(&mut second, b"hello").await;

        let unknown = KcpStream::connect(&stream(), "no.such.name.invalid:1").await;
        assert!(matches!(unknown, Err(KcpError::Io(_))), "{unknown:?}");
    });
}

#[test]
fn existing_sockets_serve_connected_or_not() {
    run(async {
        let socket = UdpSocket::bind(ANY).unwrap();
        let addr = socket.local_addr().unwrap();
        let listener = KcpListener::from_socket(stream(), socket).unwrap();
        assert_eq!(listener.local_addr().unwrap(), addr);
        common::echo(listener);

        let open = UdpSocket::bind(ANY).unwrap();
        let port = open.local_addr().unwrap();
        let mut client = KcpStream::connect_with_socket(&stream(), open, addr).await.unwrap();
        assert_eq!((client.local_addr().unwrap(), client.peer_addr().unwrap()), (port, addr));
        chat(&mut client, b"from an open socket").await;

        let connected = UdpSocket::bind(ANY).unwrap();
        connected.connect(addr).unwrap();
        let mut client = KcpStream::connect_with_socket(&stream(), connected, addr).await.unwrap();
        chat(&mut client, b"from a connected socket").await;
    });
}

#[test]
fn a_port_that_is_taken_is_not_bound_twice() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let Err(KcpError::Io(error)) =
            KcpListener::bind(stream(), listener.local_addr().unwrap()).await
        else {
            panic!("bound twice");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    });
}

#[test]
fn incoming_is_a_stream_of_streams() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let endpoint = KcpEndpoint::bind(stream(), ANY).await.unwrap();
        for _ in 0..3 {
            let _ = endpoint.connect(addr).await.unwrap();
        }
        let mut incoming = listener.incoming().take(3);
        while let Some(stream) = incoming.next().await {
            assert_eq!(stream.unwrap().peer_addr().unwrap(), endpoint.local_addr().unwrap());
        }
    });
}

#[test]
fn every_way_in_refuses_a_bad_configuration_by_the_name_of_its_field() {
    let lossy = LinkConfig { loss: Probability::percent(101), ..LinkConfig::default() };
    let netem = NetemConfig { receive: lossy, ..NetemConfig::default() };
    for (bad, name) in
        [(stream().with_mtu(20), "mtu"), (stream().with_netem(Some(netem)), "netem.receive.loss")]
    {
        run(refused_everywhere(bad, name));
    }
}

async fn refused_everywhere(bad: KcpConfig, name: &str) {
    let there = UdpSocket::bind(ANY).unwrap().local_addr().unwrap();
    let socket = || UdpSocket::bind(ANY).unwrap();
    let [addr, _] = MemoryTransport::ADDRS;
    let refusals = [
        KcpListener::bind(bad.clone(), ANY).await.err(),
        KcpEndpoint::bind(bad.clone(), ANY).await.err(),
        KcpStream::connect(&bad, there).await.err(),
        KcpStream::connect_with_conv(&bad, 7, there).await.err(),
        KcpStream::connect_with_socket(&bad, socket(), there).await.err(),
        KcpListener::from_socket(bad.clone(), socket()).err(),
        KcpListener::with_driver(bad.clone(), MemoryTransport::pair().0).err(),
        KcpEndpoint::with_driver(bad.clone(), MemoryTransport::pair().0).err(),
        KcpStream::connect_with_driver(&bad, MemoryTransport::pair().0, addr).err(),
    ];
    for (way, refusal) in refusals.into_iter().enumerate() {
        match refusal {
            Some(KcpError::Config { field, .. }) => assert_eq!(field, name, "way {way}"),
            other => panic!("way {way}: {other:?}"),
        }
    }
}
