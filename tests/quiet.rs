//! What costs nothing while nothing happens.

mod common;

use std::time::Duration;

use common::{chat, ms, run, stream, until, ANY};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol::Timer;
use smol_kcp::{KcpConfig, KcpEndpoint, KcpListener};

const SESSIONS: usize = 1000;

/// The measurement itself.
const WATCHED: Duration = Duration::from_secs(5);

#[test]
fn a_thousand_idle_sessions_cost_no_turn_of_any_driver() {
    let config = KcpConfig { keep_alive: None, backlog: SESSIONS, ..stream() };
    run(async {
        let listener = KcpListener::bind(config.clone(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let client = KcpEndpoint::bind(config.clone(), ANY).await.unwrap();
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for word in 0..SESSIONS as u32 {
            let connecting = client.connect(addr);
            let (connected, accepted) = future::zip(connecting, listener.accept()).await;
            let (mut connected, mut accepted) = (connected.unwrap(), accepted.unwrap().0);
            connected.write_all(&word.to_le_bytes()).await.unwrap();
            let mut heard = [0; 4];
            accepted.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, word.to_le_bytes());
            accepted.write_all(&heard).await.unwrap();
            connected.read_exact(&mut heard).await.unwrap();
            here.push(connected);
            there.push(accepted);
        }
        assert_eq!((client.sessions().len(), listener.sessions().len()), (SESSIONS, SESSIONS));

        // The last words settle.
        let polls = || (client.stats().driver_polls, listener.stats().driver_polls);
        let mut settled = (0, 0);
        while settled != polls() {
            settled = polls();
            Timer::after(ms(600)).await;
        }
        let bytes = (client.stats().bytes_sent, listener.stats().bytes_sent);
        Timer::after(WATCHED).await;
        assert_eq!(polls(), settled, "turns in {WATCHED:?} of silence");
        assert_eq!((client.stats().bytes_sent, listener.stats().bytes_sent), bytes);

        // They only slept.
        for (connected, accepted) in here.iter_mut().zip(&mut there).step_by(100) {
            connected.write_all(b"still").await.unwrap();
            let mut heard = [0; 5];
            accepted.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"still");
        }
    });
}

/// A client that says nothing, and whose keepalives are answered `answers` times, is heard after
/// that, from the port it had before.
fn stays_at_its_port(config: &KcpConfig, answers: u64) {
    run(async {
        let addr = common::echo(KcpListener::bind(config.clone(), ANY).await.unwrap());
        let mut stream = smol_kcp::KcpStream::connect(config, addr).await.unwrap();
        chat(&mut stream, b"hello").await;
        let port = stream.local_addr().unwrap().port();
        let before = stream.stats().datagrams_received;
        until(|| stream.stats().datagrams_received >= before + answers).await;
        chat(&mut stream, b"still there").await;
        assert_eq!(stream.local_addr().unwrap().port(), port, "rebound without a reason");
    });
}

#[test]
fn keepalives_keep_an_idle_stream_alive_where_its_session_would_expire() {
    // A machine may well be busy for a second.
    let config =
        KcpConfig { keep_alive: Some(ms(250)), session_expire: Some(ms(2000)), ..stream() };
    stays_at_its_port(&config, 12);
}

#[test]
fn an_idle_client_whose_keepalives_are_answered_stays_at_its_port() {
    // Longer than the silence after which a client looks for another port.
    stays_at_its_port(&KcpConfig { keep_alive: Some(ms(3500)), ..stream() }, 1);
}
