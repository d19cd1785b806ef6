//! The round trip to a server without a conversation: who answers, who does not, and what counts.

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::{lossy, ms, now, run, stream, until, within, ANY};
use futures_lite::future;
use smol::Async;
use smol_kcp::{
    Datagram, Datagrams, KcpConfig, KcpError, KcpListener, KcpPing, MemoryTransport, Transport,
    UdpTransport,
};

const LONG: Duration = Duration::from_secs(20);

async fn ping_to(addr: std::net::SocketAddr) -> KcpPing {
    KcpPing::connect(&KcpConfig::default(), addr).await.unwrap()
}

/// A server whose every answer is the test's.
struct Hand(Async<UdpSocket>);

impl Hand {
    fn new() -> Hand {
        Hand(Async::new(UdpSocket::bind(ANY).unwrap()).unwrap())
    }

    async fn ping(&self) -> KcpPing {
        ping_to(self.0.get_ref().local_addr().unwrap()).await
    }

    async fn hear(&self) -> (Vec<u8>, std::net::SocketAddr) {
        let mut buf = [0; 2048];
        let (n, from) = self.0.recv_from(&mut buf).await.unwrap();
        assert_eq!(n, 24, "one header");
        (buf[..n].to_vec(), from)
    }

    /// A header that repeats conversation, clock and number of `question`.
    async fn say(&self, question: &(Vec<u8>, std::net::SocketAddr), change: impl Fn(&mut [u8])) {
        let mut answer = question.0.clone();
        (answer[4], answer[5]) = (84, 3); // WINS, RST
        change(&mut answer);
        self.0.send_to(&answer, question.1).await.unwrap();
    }
}

#[test]
fn a_listener_answers_and_neither_accepts_nor_keeps_anything() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let mut ping = ping_to(listener.local_addr().unwrap()).await;
        for _ in 0..20 {
            let before = now();
            let rtt = ping.ping(LONG).await.unwrap();
            // Of whole microseconds, the difference may be one more.
            let most = before.elapsed() + Duration::from_micros(1);
            assert!(rtt <= most && rtt > Duration::ZERO, "{rtt:?} of {most:?}");
        }
        let stats = listener.stats();
        assert_eq!((stats.datagrams_received, stats.datagrams_sent), (20, 20));
        assert_eq!((stats.bytes_received, stats.bytes_sent), (20 * 24, 20 * 24));
        assert_eq!((stats.sessions, stats.unconfirmed, stats.time_wait), (0, 0, 0));
        assert_eq!((stats.accepted, stats.resets_sent, stats.unknown), (0, 20, 20));
        let accepted = future::poll_once(listener.accept()).await;
        assert!(accepted.is_none(), "nobody has connected");
    });
}

#[test]
fn an_endpoint_that_does_not_listen_answers_too() {
    run(async {
        let endpoint = smol_kcp::KcpEndpoint::bind(stream(), ANY).await.unwrap();
        ping_to(endpoint.local_addr().unwrap()).await.ping(LONG).await.unwrap();
        assert_eq!(endpoint.stats().sessions, 0);
    });
}

/// It would leave each server with a session that nobody uses.
#[cfg(feature = "kcptun")]
#[test]
fn a_server_of_kcp_gos_cannot_be_pinged_and_that_is_said() {
    use smol_kcp::kcp_go::{Cipher, DerivedKey, KcpGoConfig, PacketCipher};
    let crypt = PacketCipher::new(Cipher::Aes, &DerivedKey::from_bytes([7; 32]));
    let config = KcpConfig { kcp_go: Some(KcpGoConfig::new(crypt)), ..KcpConfig::default() };
    run(async {
        let error = KcpPing::connect(&config, "127.0.0.1:4000").await.unwrap_err();
        assert!(matches!(error, KcpError::Config { field: "kcp_go", .. }), "{error}");
    });
}

#[test]
fn a_closed_port_refuses_each_ping_and_a_server_that_comes_back_answers() {
    run(async {
        let free = UdpSocket::bind(ANY).unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let mut ping = ping_to(addr).await;
        for _ in 0..3 {
            assert!(matches!(ping.ping(LONG).await, Err(KcpError::Refused)));
        }
        let _listener = KcpListener::bind(stream(), addr).await.unwrap();
        ping.ping(LONG).await.unwrap();
    });
}

#[test]
fn silence_is_a_timeout_at_its_time() {
    run(async {
        let hand = Hand::new();
        let mut ping = hand.ping().await;
        let before = now();
        assert!(matches!(ping.ping(ms(50)).await, Err(KcpError::TimedOut)));
        assert!(before.elapsed() >= ms(50));
        let nothing = ping.ping(Duration::ZERO).await;
        assert!(matches!(nothing, Err(KcpError::TimedOut)), "{nothing:?}");
    });
}

#[test]
fn a_lossy_path_loses_pings_and_the_others_are_answered() {
    run(async {
        // The listener loses half of its answers.
        let listener = KcpListener::bind(lossy(stream(), 50, 7), ANY).await.unwrap();
        let mut ping = ping_to(listener.local_addr().unwrap()).await;
        let mut answered = 0;
        for _ in 0..24 {
            let answers = || listener.stats().netem.unwrap().0;
            let lost = answers().lost;
            // The answer comes, or it is lost: nothing else ends the wait.
            let given_up = async {
                until(|| answers().lost > lost).await;
                None
            };
            let pinged = future::or(async { Some(ping.ping(LONG).await) }, given_up).await;
            answered += u64::from(pinged.transpose().unwrap().is_some());
        }
        let (sent, _) = listener.stats().netem.unwrap();
        assert_eq!((sent.enqueued, sent.delivered), (24, answered));
        assert!((4..=20).contains(&answered), "{answered}");
    });
}

#[test]
fn a_late_answer_is_not_taken_for_that_of_the_next_ping() {
    run(async {
        let hand = Hand::new();
        let mut ping = hand.ping().await;
        assert!(matches!(ping.ping(ms(20)).await, Err(KcpError::TimedOut)));
        let first = hand.hear().await;
        // Arrives before the second is sent, and once more while it is under way.
        hand.say(&first, |_| {}).await;
        let second = async {
            let second = hand.hear().await;
            assert_eq!(first.0[..4], second.0[..4], "one conversation for all");
            assert_ne!(first.0[8..16], second.0[8..16], "another clock and number");
            hand.say(&first, |_| {}).await;
        };
        let (answered, ()) = future::zip(ping.ping(ms(100)), second).await;
        assert!(matches!(answered, Err(KcpError::TimedOut)), "{answered:?}");
    });
}

#[test]
fn copies_of_an_answer_count_once() {
    run(async {
        let hand = Hand::new();
        let mut ping = hand.ping().await;
        let server = async {
            let first = hand.hear().await;
            for _ in 0..100 {
                hand.say(&first, |_| {}).await;
            }
            let second = hand.hear().await;
            hand.say(&first, |_| {}).await;
            smol::Timer::after(ms(60)).await; // the path
            hand.say(&second, |_| {}).await;
        };
        let client = async {
            ping.ping(LONG).await.unwrap();
            let rtt = ping.ping(LONG).await.unwrap();
            assert!(rtt >= ms(60), "{rtt:?}");
        };
        future::zip(server, client).await;
    });
}

#[test]
fn a_forged_answer_is_ignored_whatever_is_wrong_with_it() {
    run(async {
        let hand = Hand::new();
        let mut ping = hand.ping().await;
        let server = async {
            let question = hand.hear().await;
            for at in (0..4).chain(8..16) {
                hand.say(&question, |answer| answer[at] ^= 0x10).await; // conversation, clock, number
            }
            for frg in [0, 1, 2, 4] {
                hand.say(&question, |answer| answer[5] = frg).await; // another answer to a probe
            }
            for cmd in [0, 81, 83, 85] {
                hand.say(&question, |answer| answer[4] = cmd).await; // no answer at all
            }
            hand.say(&question, |answer| answer[20] = 1).await; // a length beyond the end
            hand.0.send_to(b"x", question.1).await.unwrap();
            hand.0.send_to(b"", question.1).await.unwrap();
            let stranger = UdpSocket::bind(ANY).unwrap();
            let mut right = question.0.clone();
            (right[4], right[5]) = (84, 3);
            stranger.send_to(&right, question.1).unwrap(); // the right one from the wrong address
            smol::Timer::after(ms(60)).await; // the path
            hand.say(&question, |answer| (answer[4], answer[5]) = (82, 0)).await;
            // ACK
        };
        let (rtt, ()) = future::zip(ping.ping(LONG), server).await;
        assert!(rtt.unwrap() >= ms(60));
    });
}

#[test]
fn a_flood_of_nonsense_does_not_keep_a_ping_from_timing_out() {
    /// Has a datagram at every poll.
    struct Flood(std::net::SocketAddr);

    impl Transport for Flood {
        fn poll_recv(
            &mut self,
            _: &mut std::task::Context<'_>,
            batch: &mut Datagrams,
        ) -> std::task::Poll<std::io::Result<()>> {
            batch.push(Datagram::new(self.0, &[0; 24]));
            std::task::Poll::Ready(Ok(()))
        }

        fn poll_send(
            &mut self,
            _: &mut std::task::Context<'_>,
            batch: &mut Datagrams,
        ) -> std::task::Poll<std::io::Result<()>> {
            batch.clear();
            std::task::Poll::Ready(Ok(()))
        }

        fn local_addr(&self) -> std::io::Result<std::net::SocketAddr> {
            Ok(self.0)
        }
    }

    run(async {
        let peer = ([192, 0, 2, 1], 1).into();
        let mut ping = KcpPing::over(Flood(peer), peer);
        assert!(matches!(ping.ping(ms(30)).await, Err(KcpError::TimedOut)));
    });
}

#[test]
fn a_cancelled_ping_does_not_disturb_the_next() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let mut ping = ping_to(listener.local_addr().unwrap()).await;
        for round in 1..=5 {
            // Cancelled after its first poll, unless the answer was there even then.
            let _ = future::poll_once(ping.ping(LONG)).await;
            until(|| listener.stats().resets_sent == 2 * round - 1).await;
            ping.ping(LONG).await.unwrap();
        }
    });
}

#[test]
fn after_unanswered_pings_and_a_silence_the_next_comes_from_another_port() {
    run(async {
        let hand = Hand::new();
        let mut ping = hand.ping().await;
        let began = now();
        let mut ports = Vec::new();
        while ports.last() == ports.first() {
            assert!(matches!(ping.ping(ms(50)).await, Err(KcpError::TimedOut)));
            ports.push(hand.hear().await.1.port());
        }
        assert!(began.elapsed() >= ms(3000), "not for a short outage: {:?}", began.elapsed());
        assert!(ports.len() > 3, "{ports:?}");
    });
}

#[test]
fn any_transport_will_do_and_its_end_is_told() {
    run(async {
        let [_, there] = MemoryTransport::ADDRS;
        let (a, b) = MemoryTransport::pair();
        let (listener, driver) = KcpListener::with_driver(stream(), b).unwrap();
        let mut ping = KcpPing::over(a, there);
        assert_eq!(ping.peer_addr().unwrap(), there);
        let pings = async {
            ping.ping(LONG).await.unwrap();
            assert_eq!(listener.stats().sessions, 0);
            drop(listener);
        };
        within(LONG, future::zip(driver, pings)).await.0.unwrap();
        let ended = ping.ping(LONG).await;
        assert!(matches!(ended, Err(KcpError::Io(_))), "{ended:?}");
    });
}

#[test]
fn an_unconnected_socket_pings_over_ipv6_too() {
    run(async {
        let Ok(listener) = KcpListener::bind(stream(), "[::1]:0").await else {
            return; // this machine has no IPv6
        };
        let config = KcpConfig::default();
        let transport = UdpTransport::bind(&config, "[::]:0".parse().unwrap()).unwrap();
        KcpPing::over(transport, listener.local_addr().unwrap()).ping(LONG).await.unwrap();
    });
}
