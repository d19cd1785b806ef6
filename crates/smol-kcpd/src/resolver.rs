//! The resolver of names, and the system's.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use smol::lock::Semaphore;

use super::HostPort;

/// Limits the look-ups at a time, of as many names. Each occupies a thread until the system's resolver
/// gives up, which may be half a minute: a few dead names must not hold up the others.
const LOOKUPS: usize = 16;

/// What [`Resolve::resolve`] returns.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + 'a>>;

/// Finds the addresses behind a name. A tunnel never asks for literal addresses.
pub trait Resolve {
    /// Looks up the addresses of `host`, the preferred one first.
    fn resolve<'a>(&'a self, host: &'a HostPort) -> Resolving<'a>;
}

/// Asks the system's resolver, on a thread that ends when it is not needed.
#[derive(Debug)]
pub(super) struct System {
    lookups: Arc<Semaphore>,
}

impl System {
    pub(super) fn new() -> System {
        System { lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a HostPort) -> Resolving<'a> {
        Box::pin(async move {
            let place = self.lookups.acquire_arc().await;
            let (name, port) = (host.host().to_string(), host.port());
            smol::unblock(move || {
                let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
                drop(place);
                found
            })
            .await
        })
    }
}
