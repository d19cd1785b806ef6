//! Clients that a server knows by name: what each of them does.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::Settings;

/// Names the other end of a stream, as the log does.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: Option<Arc<str>>,
    pub(super) addr: SocketAddr,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} at {}", self.addr),
            None => self.addr.fmt(f),
        }
    }
}

/// Counts what one client does.
#[derive(Debug, Default)]
pub(super) struct ClientCounters {
    open: Cell<u64>,
    opened: Cell<u64>,
    failed: Cell<u64>,
    /// Bytes of its connections, towards it and from it.
    sent: Cell<u64>,
    received: Cell<u64>,
}

fn add(counter: &Cell<u64>, count: u64) {
    counter.set(counter.get().saturating_add(count));
}

impl ClientCounters {
    pub(super) fn sent(&self, bytes: usize) {
        add(&self.sent, bytes as u64);
    }

    pub(super) fn received(&self, bytes: usize) {
        add(&self.received, bytes as u64);
    }

    pub(super) fn failed(&self) {
        add(&self.failed, 1);
    }
}

impl fmt::Display for ClientCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [open, opened, failed, sent, received] =
            [&self.open, &self.opened, &self.failed, &self.sent, &self.received].map(Cell::get);
        write!(
            f,
            "{open} connections, {opened} so far, {failed} failed; {sent} bytes sent, {received} received"
        )
    }
}

/// Counts a connection of a client as open for as long as it lives.
#[derive(Debug)]
pub(super) struct OpenClient(Rc<ClientCounters>);

impl Drop for OpenClient {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
    }
}

/// Has the counters of each client that has ever connected and may still do so. A list: a map of its own is
/// 8 kB of code on MIPS, and there are as many as `allow` names.
#[derive(Debug, Default)]
pub(super) struct Clients(RefCell<Vec<(Arc<str>, Rc<ClientCounters>)>>);

impl Clients {
    /// Counts one more connection of who is known by name, for as long as the guard lives.
    pub(super) fn count(&self, from: &Peer) -> (Option<OpenClient>, Option<Rc<ClientCounters>>) {
        let client = from.name.as_ref().map(|name| self.open(name));
        let counters = client.as_ref().map(|client| Rc::clone(&client.0));
        (client, counters)
    }

    /// Counts one more connection.
    fn open(&self, name: &Arc<str>) -> OpenClient {
        let counters = self.counters(name);
        add(&counters.opened, 1);
        add(&counters.open, 1);
        OpenClient(counters)
    }

    fn counters(&self, name: &Arc<str>) -> Rc<ClientCounters> {
        let mut all = self.0.borrow_mut();
        if let Some((_, counters)) = all.iter().find(|(known, _)| known == name) {
            return Rc::clone(counters);
        }
        let counters = Rc::<ClientCounters>::default();
        all.push((Arc::clone(name), Rc::clone(&counters)));
        counters
    }

    /// Forgets those who may not connect any more.
    pub(super) fn retain(&self, settings: &Settings) {
        let is_allowed = |name: &str| settings.keys.allow.iter().any(|client| client.name == name);
        self.0.borrow_mut().retain(|(name, _)| is_allowed(name));
    }

    /// Logs what each of them has done; `tunnel` is where.
    pub(super) fn log(&self, tunnel: &str) {
        for (name, counters) in self.0.borrow().iter() {
            log::info!(target: super::logging::UNLIMITED, "{tunnel}: client {name}: {counters}");
        }
    }
}

/// Returns whether two tunnels differ in nothing but who may connect, and where each of them gets to: that
/// needs no restart.
pub(super) fn differ_in_clients_only(a: &Settings, b: &Settings) -> bool {
    let without = |settings: &Settings| {
        let mut settings = settings.clone();
        settings.keys.allow.clear();
        settings.keys.client_targets.clear();
        if let Some(secure) = &mut settings.kcp.secure {
            secure.clients.clear();
        }
        settings
    };
    a.kcp.secure.is_some() && without(a) == without(b)
}

/// Says who came and who went.
pub(super) fn difference(before: &Settings, after: &Settings) -> String {
    let only_in = |one: &Settings, other: &Settings| {
        let (one, other) = (&one.keys.allow, &other.keys.allow);
        let names = one.iter().filter(|client| !other.contains(client));
        names.map(|client| client.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (came, went) = (only_in(after, before), only_in(before, after));
    match (came.is_empty(), went.is_empty()) {
        (true, true) => "its clients have other targets".into(),
        (false, true) => format!("{came} may connect now"),
        (true, false) => format!("{went} may not connect any more"),
        (false, false) => format!("{came} may connect now, {went} may not any more"),
    }
}
