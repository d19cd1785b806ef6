//! What the tests of sessions need: a pipe, a clock that they move, and an executor that notices when nobody
//! would wake it.

#![allow(dead_code)] // each test uses a part of it

pub mod pipe;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::future;
use smol_smux::{Config, Driver, Role, Session, Timer};

use pipe::{pipe, End};

/// Runs a future on this thread. Nothing here waits for anything outside, so a future that is pending and was not
/// woken never goes on: that fails the test.
#[track_caller]
pub fn run<T>(future: impl Future<Output = T>) -> T {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
    }
    panic!("nobody would wake it");
}

/// Runs futures side by side, each with a waker of its own, until all are done.
pub async fn all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut left: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    future::poll_fn(|cx| {
        for (future, result) in left.iter_mut().filter(|(_, result)| result.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                *result = Some(value);
            }
        }
        match left.iter().all(|(_, result)| result.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    left.into_iter().filter_map(|(_, result)| result).collect()
}

/// A clock that stands until it is moved. Clones are the same clock, each with an alarm of its own.
#[derive(Debug, Default)]
pub struct Clock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    now: Duration,
    waiting: Vec<Waker>,
    asked: u32,
}

impl Clone for Clock {
    fn clone(&self) -> Clock {
        Clock { state: Arc::clone(&self.state) }
    }
}

impl Clock {
    /// Moves the clock, and wakes those that wait: their alarm may have passed.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock().unwrap();
        state.now += by;
        state.waiting.drain(..).for_each(Waker::wake);
    }
}

impl Timer for Clock {
    fn now(&self) -> Duration {
        self.state.lock().unwrap().now
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()> {
        let mut state = self.state.lock().unwrap();
        if state.now >= at {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Both ends of a session over a pipe that holds `room` bytes.
pub struct Ends {
    pub client: Session,
    pub server: Session,
    pub drivers: (Driver<End>, Driver<End>),
    pub clock: Clock,
}

pub fn ends(config: &Config, room: usize) -> Ends {
    let clock = Clock::default();
    let (here, there) = pipe(room);
    let (client, a) =
        Session::with_timer(Role::Client, here, config.clone(), clock.clone()).unwrap();
    let (server, b) =
        Session::with_timer(Role::Server, there, config.clone(), clock.clone()).unwrap();
    Ends { client, server, drivers: (a, b), clock }
}

/// Runs a test against sessions whose drivers run beside it.
#[track_caller]
pub fn with_ends<F>(config: &Config, room: usize, test: impl FnOnce(Session, Session, Clock) -> F)
where
    F: Future<Output = ()>,
{
    let Ends { client, server, drivers: (a, b), clock } = ends(config, room);
    let test = test(client, server, clock);
    run(future::or(test, async {
        let ends = future::zip(a, b).await;
        let _: () = future::pending().await;
        drop(ends);
    }));
}
