//! The cache of name look-ups: one at a time for each name, shared by all tasks that wait for it.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use futures_lite::FutureExt;
use smol::LocalExecutor;

use super::clock::{now, within};
use super::resolver::Resolve;
use super::HostPort;

/// Time for which addresses are used without another look-up: a burst of connections needs one.
const FRESH: Duration = Duration::from_secs(5);

/// Time for which a failed look-up is not repeated.
const FAILED: Duration = Duration::from_secs(1);

/// Time that a connection waits for a new answer where an old one is known.
const SLOW: Duration = Duration::from_millis(500);

/// Limits the names that are remembered; more than a process has tunnels.
const NAMES: usize = 64;

type Answer = Result<Rc<[SocketAddr]>, (io::ErrorKind, String)>;

/// Remembers the addresses of names, and the look-ups under way.
pub(super) struct Lookups {
    resolver: Box<dyn Resolve>,
    /// At most [`NAMES`].
    names: RefCell<Vec<(HostPort, Name)>>,
}

/// Remembers the addresses of one name.
struct Name {
    /// The last addresses, and when they were found.
    known: Option<(Rc<[SocketAddr]>, Instant)>,
    /// The last answer, and when it came.
    last: Option<(Answer, Instant)>,
    /// Closed when the look-up that is under way has ended.
    running: Option<Receiver<()>>,
    used: Instant,
}

impl Lookups {
    pub(super) fn new(resolver: impl Resolve + 'static) -> Lookups {
        Lookups { resolver: Box::new(resolver), names: RefCell::default() }
    }

    /// Returns the addresses of `host`, at least one: the known ones if they are fresh, or if an answer
    /// is slow or fails.
    pub(super) async fn resolve(
        self: &Rc<Self>,
        executor: &LocalExecutor<'static>,
        host: &HostPort,
    ) -> io::Result<Vec<SocketAddr>> {
        let known = self.with(host, |name| name.known.clone());
        let Some((addrs, at)) = known else {
            return self.look_up(executor, host).await;
        };
        if now().duration_since(at) < FRESH {
            return Ok(addrs.to_vec());
        }
        match within(SLOW, self.look_up(executor, host)).await {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => {
                log::debug!("{host}: {error}; the last known address serves");
                Ok(addrs.to_vec())
            }
            None => Ok(addrs.to_vec()),
        }
    }

    /// Looks `host` up. Returns at least one address.
    pub(super) async fn look_up(
        self: &Rc<Self>,
        executor: &LocalExecutor<'static>,
        host: &HostPort,
    ) -> io::Result<Vec<SocketAddr>> {
        let failed = self.with(host, |name| match &name.last {
            Some((Err(error), at)) if now().duration_since(*at) < FAILED => Some(error.clone()),
            _ => None,
        });
        if let Some((kind, text)) = failed {
            return Err(io::Error::new(kind, text));
        }
        let running = match self.with(host, |name| name.running.clone()) {
            Some(running) => running,
            None => self.start(executor, host),
        };
        let _ = running.recv().await; // nothing comes: it will be closed
        match self.with(host, |name| name.last.clone()) {
            Some((Ok(addrs), _)) => Ok(addrs.to_vec()),
            Some((Err((kind, text)), _)) => Err(io::Error::new(kind, text)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Begins a look-up that ends even if the task that asked for it does not wait.
    fn start(self: &Rc<Self>, executor: &LocalExecutor<'static>, host: &HostPort) -> Receiver<()> {
        let (asking, running) = async_channel::bounded(1);
        self.with(host, |name| name.running = Some(running.clone()));
        let (lookups, host) = (Rc::clone(self), host.clone());
        let ask = async move {
            let name = host.host();
            let answer: Answer = match lookups.resolver.resolve(&host).await {
                Ok(found) if found.is_empty() => {
                    let why = format!("the name {name} has no address");
                    Err((io::ErrorKind::NotFound, why))
                }
                Ok(found) => Ok(found.into()),
                Err(error) => {
                    let why = format!("the name {name} has no address: {error}");
                    Err((error.kind(), why))
                }
            };
            lookups.with(&host, |name| {
                if let Ok(addrs) = &answer {
                    name.known = Some((Rc::clone(addrs), now()));
                }
                name.last = Some((answer, now()));
                name.running = None;
            });
            drop(asking);
        };
        executor.spawn(ask.boxed_local()).detach();
        running
    }

    fn with<T>(&self, host: &HostPort, act: impl FnOnce(&mut Name) -> T) -> T {
        let mut names = self.names.borrow_mut();
        let used = now();
        let at = names.iter().position(|(key, _)| key == host).unwrap_or_else(|| {
            if names.len() >= NAMES {
                let idle = (0..names.len()).filter(|&at| names[at].1.running.is_none());
                let oldest = idle.min_by_key(|&at| names[at].1.used);
                oldest.map(|at| names.swap_remove(at));
            }
            let new = Name { known: None, last: None, running: None, used };
            names.push((host.clone(), new));
            names.len() - 1
        });
        let name = &mut names[at].1;
        name.used = used;
        act(name)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_lite::future::{self, zip};

    use super::*;
    use crate::{Resolving, Runtime};

    /// Counts its look-ups, and answers each when the test says so.
    #[derive(Clone)]
    struct ManualResolver {
        asked: Rc<Cell<u32>>,
        answers: Receiver<io::Result<Vec<SocketAddr>>>,
    }

    impl Resolve for ManualResolver {
        fn resolve<'a>(&'a self, _: &'a HostPort) -> Resolving<'a> {
            self.asked.set(self.asked.get() + 1);
            Box::pin(async { self.answers.recv().await.expect("an answer") })
        }
    }

    fn addr(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn all_who_wait_share_one_look_up_and_its_answer_stays_for_a_while() {
        let (say, answers) = async_channel::unbounded();
        let resolver = ManualResolver { asked: Rc::default(), answers };
        let runtime = Runtime::with_resolver(resolver.clone());
        let host = HostPort::parse("nas.example:80").unwrap();
        runtime.block_on(async {
            let mut first = Box::pin(runtime.resolve(&host));
            assert!(future::poll_once(&mut first).await.is_none());
            drop(first); // who gives up does not end it for the others
            let both = zip(runtime.resolve(&host), runtime.resolve(&host));
            say.try_send(Ok(vec![addr(1)])).unwrap();
            let (one, other) = both.await;
            assert_eq!((one.unwrap(), other.unwrap()), (vec![addr(1)], vec![addr(1)]));
            assert_eq!(runtime.resolve(&host).await.unwrap(), [addr(1)]);
            assert_eq!(resolver.asked.get(), 1);
            // Who wants to know what is true now asks again.
            say.try_send(Ok(vec![addr(2)])).unwrap();
            assert_eq!(runtime.look_up(&host).await.unwrap(), [addr(2)]);
            assert_eq!(runtime.resolve(&host).await.unwrap(), [addr(2)]);
            assert_eq!(resolver.asked.get(), 2);
        });
    }

    #[test]
    fn the_last_known_address_serves_while_the_resolver_is_away_or_slow() {
        let (say, answers) = async_channel::unbounded();
        let resolver = ManualResolver { asked: Rc::default(), answers };
        let lookups = Rc::new(Lookups::new(resolver.clone()));
        let executor = LocalExecutor::new();
        let host = HostPort::parse("nas.example:80").unwrap();
        let age = || {
            let long_ago = now().checked_sub(FRESH * 2).expect("the machine runs that long");
            lookups.with(&host, |name| {
                name.known = Some((vec![addr(1)].into(), long_ago));
                name.last = None;
            });
        };
        future::block_on(executor.run(async {
            age();
            say.try_send(Err(io::ErrorKind::TimedOut.into())).unwrap();
            assert_eq!(lookups.resolve(&executor, &host).await.unwrap(), [addr(1)]);
            age();
            assert_eq!(lookups.resolve(&executor, &host).await.unwrap(), [addr(1)], "slow");
            say.try_send(Ok(vec![addr(2)])).unwrap();
            assert_eq!(lookups.look_up(&executor, &host).await.unwrap(), [addr(2)]);
            assert_eq!(resolver.asked.get(), 2);
        }));
    }

    #[test]
    fn names_are_forgotten_beyond_a_number() {
        let (_say, answers) = async_channel::unbounded();
        let lookups = Lookups::new(ManualResolver { asked: Rc::default(), answers });
        for at in 0..NAMES * 2 {
            let host = HostPort::parse(&format!("host{at}.example:80")).unwrap();
            lookups.with(&host, |_| ());
        }
        assert_eq!(lookups.names.borrow().len(), NAMES);
    }
}
