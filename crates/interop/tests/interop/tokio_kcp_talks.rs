//! tokio_kcp at the other end: talking.

use std::net::SocketAddr;

use futures_lite::future::zip;
use smol_kcp::{KcpConfig, KcpListener, KcpNoDelayConfig, KcpStream};

use crate::support::{config, lossy, run_with_each_engine};
use crate::talk::{answer, open};

const LOCAL: &str = "127.0.0.1:0";
const MIB: usize = 1024 * 1024;

/// tokio_kcp with the same settings as `ours`.
pub fn theirs(ours: &KcpConfig) -> tokio_kcp::KcpConfig {
    tokio_kcp::KcpConfig {
        mtu: ours.mtu,
        nodelay: tokio_kcp::KcpNoDelayConfig {
            nodelay: ours.nodelay.nodelay,
            interval: ours.nodelay.interval as i32,
            resend: ours.nodelay.resend as i32,
            nc: ours.nodelay.nc,
        },
        wnd_size: ours.wnd_size,
        flush_write: ours.flush_write,
        stream: ours.stream,
        ..tokio_kcp::KcpConfig::default()
    }
}

/// Fastest and normal, with small writes leaving at once and waiting for company.
fn paces(stream: bool) -> Vec<KcpConfig> {
    let mut paces = Vec::new();
    for nodelay in [KcpNoDelayConfig::fastest(), KcpNoDelayConfig::normal()] {
        for flush_write in [true, false] {
            paces.push(KcpConfig { nodelay, flush_write, ..config(stream) });
        }
    }
    paces
}

pub async fn their_listener(ours: &KcpConfig) -> (tokio_kcp::KcpListener, SocketAddr) {
    let listener = tokio_kcp::KcpListener::bind(theirs(ours), LOCAL).await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

async fn their_client_opens(ours: &KcpConfig, conv: Option<u32>, total: usize) {
    let listener = KcpListener::bind(ours.clone(), LOCAL).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        assert!(stream.conv() != 0);
        answer(stream, ours.stream, total).await
    };
    let client = async {
        let config = theirs(ours);
        let client = match conv {
            Some(conv) => tokio_kcp::KcpStream::connect_with_conv(&config, conv, addr).await,
            None => tokio_kcp::KcpStream::connect(&config, addr).await,
        };
        open(client.unwrap(), ours.stream, total).await
    };
    zip(server, client).await;
}

async fn our_client_opens(ours: &KcpConfig, conv: Option<u32>, total: usize) {
    let (mut listener, addr) = their_listener(ours).await;
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream, ours.stream, total).await
    };
    let client = async {
        let client = match conv {
            Some(conv) => KcpStream::connect_with_conv(ours, conv, addr).await,
            None => KcpStream::connect(ours, addr).await,
        };
        let client = client.unwrap();
        assert!(client.conv() != 0);
        open(client, ours.stream, total).await
    };
    zip(server, client).await;
}

#[test]
fn their_client_streams_to_our_listener_at_every_pace() {
    run_with_each_engine(|| async {
        for ours in paces(true) {
            their_client_opens(&ours, None, MIB).await;
        }
    });
}

#[test]
fn their_client_sends_messages_to_our_listener_at_every_pace() {
    run_with_each_engine(|| async {
        for ours in paces(false) {
            their_client_opens(&ours, None, MIB).await;
        }
    });
}

#[test]
fn our_client_streams_to_their_listener_at_every_pace() {
    run_with_each_engine(|| async {
        for ours in paces(true) {
            our_client_opens(&ours, None, MIB).await;
        }
    });
}

#[test]
fn our_client_sends_messages_to_their_listener_at_every_pace() {
    run_with_each_engine(|| async {
        for ours in paces(false) {
            our_client_opens(&ours, None, MIB).await;
        }
    });
}

#[test]
fn conversation_zero_gets_a_number_from_either_listener() {
    run_with_each_engine(|| async {
        for stream in [true, false] {
            their_client_opens(&config(stream), Some(0), 64 * 1024).await;
            our_client_opens(&config(stream), Some(0), 64 * 1024).await;
        }
    });
}

#[test]
fn a_chosen_number_is_kept() {
    run_with_each_engine(|| async {
        let ours = config(true);
        let (mut listener, addr) = their_listener(&ours).await;
        let client = async {
            let client = KcpStream::connect_with_conv(&ours, 77, addr).await.unwrap();
            assert_eq!(client.conv(), 77);
            open(client, true, 1000).await
        };
        let server = async { answer(listener.accept().await.unwrap().0, true, 1000).await };
        zip(client, server).await;

        let listener = KcpListener::bind(ours.clone(), LOCAL).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let client = async {
            let their = theirs(&ours);
            let client = tokio_kcp::KcpStream::connect_with_conv(&their, 78, addr).await.unwrap();
            open(client, true, 1000).await
        };
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.conv(), 78);
            answer(stream, true, 1000).await
        };
        zip(client, server).await;
    });
}

#[test]
fn many_of_their_clients_talk_to_one_listener_of_ours() {
    run_with_each_engine(|| async {
        let ours = config(true);
        let listener = KcpListener::bind(ours.clone(), LOCAL).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..16)
            .map(|_| {
                let their = theirs(&ours);
                tokio::spawn(async move {
                    let client = tokio_kcp::KcpStream::connect(&their, addr).await.unwrap();
                    open(client, true, 50_000).await
                })
            })
            .collect();
        let mut servers = Vec::new();
        for _ in 0..clients.len() {
            let (stream, _) = listener.accept().await.unwrap();
            servers.push(smol::spawn(answer(stream, true, 50_000)));
        }
        // A tokio_kcp stream that is dropped takes along what it has not yet sent.
        let mut ends = Vec::new();
        for client in clients {
            ends.push(client.await.unwrap());
        }
        for server in servers {
            server.await;
        }
        assert_eq!(listener.stats().accepted, 16);
    });
}

#[test]
fn many_of_our_clients_talk_to_one_listener_of_theirs() {
    run_with_each_engine(|| async {
        let ours = config(true);
        let (mut listener, addr) = their_listener(&ours).await;
        let clients: Vec<_> = (0..16)
            .map(|_| {
                let ours = ours.clone();
                smol::spawn(async move {
                    let client = KcpStream::connect(&ours, addr).await.unwrap();
                    open(client, true, 50_000).await
                })
            })
            .collect();
        let mut servers = Vec::new();
        for _ in 0..clients.len() {
            let (stream, _) = listener.accept().await.unwrap();
            servers.push(tokio::spawn(answer(stream, true, 50_000)));
        }
        for client in clients {
            client.await;
        }
        let mut ends = Vec::new();
        for server in servers {
            ends.push(server.await.unwrap());
        }
    });
}

#[test]
fn a_lossy_link_delays_and_loses_nothing() {
    run_with_each_engine(|| async {
        for stream in [true, false] {
            their_client_opens(&lossy(config(stream), 5, 1), None, 300_000).await;
            our_client_opens(&lossy(config(stream), 5, 2), None, 300_000).await;
        }
    });
}
