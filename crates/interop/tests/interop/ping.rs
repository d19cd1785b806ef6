//! What stock servers make of our pings: one session that hears nothing.

use std::time::Duration;

use futures_lite::future::poll_once;
use smol_kcp::{KcpConfig, KcpPing};

use crate::ikcp_peer::{Event, Ikcp, Manner};
use crate::support::{config, run_with_each_engine};
use crate::tokio_kcp_talks::their_listener;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn tokio_kcp_answers_every_ping_from_one_session_that_hears_nothing() {
    run_with_each_engine(|| async {
        let (mut listener, addr) = their_listener(&config(true)).await;
        let mut ping = KcpPing::connect(&KcpConfig::default(), addr).await.unwrap();
        for _ in 0..20 {
            ping.ping(LONG).await.unwrap();
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..20 {
            ping.ping(LONG).await.unwrap();
        }
        let mut buf = [0; 100];
        assert!(poll_once(stream.recv(&mut buf)).await.is_none(), "nothing has been said");
        assert!(poll_once(listener.accept()).await.is_none(), "one session for all pings");
    });
}

#[test]
fn ikcp_answers_every_ping_and_hears_nothing() {
    run_with_each_engine(|| async {
        let banner = vec![b"SSH-2.0".to_vec()];
        let ikcp = Ikcp::listen(Manner { stream: true, says: banner, ..Manner::default() });
        let mut ping = KcpPing::connect(&KcpConfig::default(), ikcp.addr).await.unwrap();
        for _ in 0..20 {
            ping.ping(LONG).await.unwrap();
        }
        while let Ok(event) = ikcp.events.try_recv() {
            assert!(matches!(event, Event::PeerWindowClosed), "{event:?}");
        }
        ikcp.stop();
    });
}
