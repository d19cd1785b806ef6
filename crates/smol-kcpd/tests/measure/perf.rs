//! Measurements against a server in the same process.

use std::cell::RefCell;
use std::future::pending;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future;
use smol::LocalExecutor;
use smol_kcp::{KcpConfig, KcpError, KcpListener, LinkConfig, NetemConfig};
use smol_kcpd::perf::{measure, Direction, Outcome, PerfError, PerfServer};

use crate::common::{lossy, ms, run, stream, until, ANY};

/// A server that answers measurements, and what it says of each.
pub struct Server {
    pub addr: SocketAddr,
    pub ended: Rc<RefCell<Vec<Result<String, KcpError>>>>,
}

impl Server {
    pub async fn start(ex: &Rc<LocalExecutor<'static>>, config: KcpConfig) -> Server {
        let listener = KcpListener::bind(config.clone(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let ended: Rc<RefCell<Vec<_>>> = Rc::default();
        let (perf_server, log, spawner) =
            (Rc::new(PerfServer::new()), ended.clone(), Rc::downgrade(ex));
        ex.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (perf_server, log, config) = (perf_server.clone(), log.clone(), config.clone());
                let Some(ex) = spawner.upgrade() else { return };
                ex.spawn(async move {
                    let end = perf_server.answer(stream, &config).await;
                    log.borrow_mut().push(end);
                })
                .detach();
            }
        })
        .detach();
        Server { addr, ended }
    }

    pub async fn measure(
        &self,
        config: &KcpConfig,
        direction: Direction,
        time: Duration,
    ) -> Result<Outcome, PerfError> {
        measure(config, self.addr, direction, time, |_| {}, pending()).await
    }
}

/// Runs a test on an executor of its own.
pub fn local<T>(test: impl AsyncFnOnce(&Rc<LocalExecutor<'static>>) -> T) -> T {
    let ex = Rc::new(LocalExecutor::new());
    run(ex.run(test(&ex)))
}

#[test]
fn both_directions_are_measured_for_the_time_that_was_asked_for() {
    local(async |ex| {
        let server = Server::start(ex, stream()).await;
        let mss = stream().mtu as u64 - 24;
        for direction in [Direction::Upload, Direction::Download] {
            let outcome = server.measure(&stream(), direction, ms(300)).await.unwrap();
            assert_eq!(outcome.direction, direction);
            let (received, sent) = (outcome.received, outcome.sent.unwrap());
            match direction {
                // The client sends until it hears that the time is over.
                Direction::Upload => assert_eq!(received.elapsed, ms(300)),
                Direction::Download => assert!(received.elapsed <= ms(300), "{received:?}"),
            }
            assert!(received.bytes > 0 && received.bytes <= sent.payload, "{outcome:?}");
            assert!(sent.wire > sent.payload && sent.segments >= sent.payload / mss, "{sent:?}");
            assert!(sent.srtt_min <= sent.srtt && sent.srtt <= sent.srtt_max, "{sent:?}");
            assert!(outcome.goodput() > 0);
        }
        until(|| server.ended.borrow().len() == 2).await;
        let ended: Vec<_> = server.ended.borrow().iter().cloned().map(Result::unwrap).collect();
        assert!(ended[0].starts_with("upload of ") && ended[1].starts_with("download of "));
    });
}

#[test]
fn a_slow_long_path_shows_in_the_goodput_and_in_the_round_trip() {
    local(async |ex| {
        // 8 Mbit/s and 30 ms towards the receiver; the server's side, then the client's.
        let link = LinkConfig { rate: Some(8_000_000), delay: ms(30), ..LinkConfig::default() };
        let slow = NetemConfig { seed: 1, send: link, ..NetemConfig::default() };
        let slow = KcpConfig { netem: Some(slow), wnd_size: (64, 128), ..stream() };
        for (ours, theirs, direction) in [
            (slow.clone(), stream(), Direction::Upload),
            (stream(), slow.clone(), Direction::Download),
        ] {
            let server = Server::start(ex, theirs).await;
            let outcome = server.measure(&ours, direction, ms(1000)).await.unwrap();
            // The window lets in 64 × 1376 bytes at once.
            let most = 1_000_000 + 64 * 1376;
            assert!(outcome.received.bytes <= most, "{outcome:?}");
            assert!(outcome.received.bytes > 0, "{outcome:?}");
            let sent = outcome.sent.unwrap();
            assert!(sent.srtt_min >= ms(29), "{outcome:?}");
            // Told by the sender, whichever side that is.
            let path = sent.path.unwrap();
            assert!(path.min_rtt_ms >= 29 && path.queue_ms <= path.queue_p95_ms, "{path:?}");
            assert!((1..=2_000_000).contains(&path.rate) && path.phase() != "?", "{path:?}");
            let waits: u32 = path.waits().map(|(_, share)| u32::from(share)).sum();
            assert!((98..=102).contains(&waits), "{path:?}");
        }
    });
}

#[test]
fn losses_show_as_such_as_retransmissions_and_on_the_wire() {
    local(async |ex| {
        for (ours, theirs, direction) in [
            (lossy(stream(), 5, 1), stream(), Direction::Upload),
            (stream(), lossy(stream(), 5, 2), Direction::Download),
        ] {
            let server = Server::start(ex, theirs).await;
            let outcome = server.measure(&ours, direction, ms(500)).await.unwrap();
            let sent = outcome.sent.unwrap();
            assert!(sent.timeout_retransmits + sent.fast_retransmits > 0, "{sent:?}");
            assert!(sent.wire as f64 > sent.payload as f64 * 1.02, "{sent:?}");
            // One in twenty, of some hundred at least.
            let lost = sent.path.unwrap().loss_ppm;
            assert!((10_000..250_000).contains(&lost), "{sent:?}");
        }
    });
}

#[test]
fn progress_is_told_ten_times_a_second() {
    local(async |ex| {
        let server = Server::start(ex, stream()).await;
        for direction in [Direction::Upload, Direction::Download] {
            let mut told = Vec::new();
            let tell = |progress| told.push(progress);
            let time = ms(2300);
            let measured = measure(&stream(), server.addr, direction, time, tell, pending()).await;
            let outcome = measured.unwrap();
            assert!(told.len() > 2, "{told:?}");
            assert!(told.windows(2).all(|two| two[0].elapsed < two[1].elapsed), "{told:?}");
            assert!(told.windows(2).all(|two| two[0].bytes <= two[1].bytes), "{told:?}");
            let sent = outcome.sent.unwrap();
            assert!((1..=sent.payload).contains(&told[told.len() - 1].bytes), "{told:?}");
            let is_sender = direction == Direction::Upload;
            assert!(told.iter().all(|told| told.sender.is_some() == is_sender), "{told:?}");
        }
    });
}

#[test]
fn who_comes_second_is_told_that_the_server_is_busy_and_the_first_is_not_disturbed() {
    local(async |ex| {
        let server = Server::start(ex, stream()).await;
        let config = stream();
        for direction in [Direction::Upload, Direction::Download] {
            let first = server.measure(&config, direction, ms(1500));
            let second = async {
                smol::Timer::after(ms(300)).await; // the first is in the middle of it
                server.measure(&config, Direction::Upload, ms(100)).await
            };
            let (first, second) = future::zip(first, second).await;
            assert!(first.unwrap().received.bytes > 0);
            assert!(matches!(second, Err(PerfError::Busy)), "{second:?}");
        }
        server.measure(&config, Direction::Upload, ms(100)).await.unwrap();
    });
}

#[test]
fn who_stops_in_the_middle_leaves_the_server_free() {
    local(async |ex| {
        let server = Server::start(ex, stream()).await;
        for (at, direction) in [Direction::Upload, Direction::Download].into_iter().enumerate() {
            // Once it runs.
            let (tell, told) = async_channel::bounded(1);
            let progress = |_| tell.try_send(()).unwrap_or_default();
            let stop = async { told.recv().await.unwrap() };
            let time = Duration::from_secs(60);
            let stopped = measure(&stream(), server.addr, direction, time, progress, stop).await;
            let so_far = stopped.expect("what there is");
            assert!(!so_far.complete && so_far.received.bytes > 0, "{so_far:?}");
            until(|| server.ended.borrow().len() == at * 2 + 1).await;
            let end = server.ended.borrow()[at * 2].clone();
            assert!(matches!(end, Err(KcpError::Reset)), "{direction}: {end:?}");
            server.measure(&stream(), Direction::Upload, ms(100)).await.unwrap();
            until(|| server.ended.borrow().len() == at * 2 + 2).await;
        }
    });
}
