//! Timers fire, and not early: on some builds for MIPS they do neither by themselves (.cargo/config.toml
//! has the cure, cross/test.sh runs this there). What the kernel is then told is chance: a timer that never
//! fires, or one of a few milliseconds, which async-io hides by waiting again, hundreds of times a second. So
//! the wait below async-io is asked, too.

#![allow(clippy::disallowed_methods)] // what is tested is real time

use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use smol::Timer;

/// No timer is so late, on the slowest of machines.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs `test` and fails when it hangs. A thread watches it, as no timer can be trusted to.
fn guarded(test: impl FnOnce() + Send + 'static) {
    let (done, wait) = std::sync::mpsc::channel();
    let running = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match wait.recv_timeout(LIMIT) {
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("a timer never fired"),
        _ => running.join().expect("the test in its own thread"),
    }
}

/// Waits `wait` milliseconds by a timer; it must not take less.
async fn fires(wait: u64) {
    let wait = Duration::from_millis(wait);
    let start = Instant::now();
    Timer::after(wait).await;
    let took = start.elapsed();
    assert!(took >= wait, "a timer of {wait:?} fired after {took:?}");
}

#[test]
fn timers_from_a_millisecond_to_more_than_a_second_fire_and_not_early() {
    guarded(|| {
        smol::block_on(async {
            for wait in [1, 10, 50, 200, 1100] {
                fires(wait).await;
            }
        });
    });
}

#[test]
fn the_wait_below_them_takes_its_time() {
    guarded(|| {
        let poller = polling::Poller::new().expect("a poller");
        for wait in [1, 10, 50, 200, 1100] {
            let wait = Duration::from_millis(wait);
            let start = Instant::now();
            poller.wait(&mut polling::Events::new(), Some(wait)).expect("waiting");
            let took = start.elapsed();
            assert!(took >= wait, "a wait of {wait:?} ended after {took:?}");
        }
    });
}

#[test]
fn timers_that_run_together_fire_in_order() {
    guarded(|| {
        smol::block_on(async {
            let start = Instant::now();
            let after = |wait| async move {
                fires(wait).await;
                start.elapsed()
            };
            let (long, short) = future::zip(after(300), after(30)).await;
            assert!(short < long, "30 ms took {short:?}, 300 ms {long:?}");
        });
    });
}

#[test]
fn a_timer_that_is_set_earlier_fires_at_its_new_time() {
    guarded(|| {
        smol::block_on(async {
            let mut timer = Timer::after(2 * LIMIT);
            assert!(future::poll_once(&mut timer).await.is_none());
            timer.set_after(Duration::from_millis(20));
            timer.await;
        });
    });
}
