//! Routers and stock peers with addresses, links between them, and the time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::app::App;
use super::lines::Cubic;
use super::shared_link::SharedLink;
use super::stock::Stock;
use crate::config::KcpConfig;
use crate::layer::netem::{LinkConfig, Netem};
use crate::path::Path;
use crate::router::{Key, Router};
use crate::time::{earliest, micros, Time};
use crate::{READABLE, WRITABLE};

/// The hosts of [`World::pair`].
pub(super) const SERVER: usize = 0;
pub(super) const CLIENT: usize = 1;

/// The address of a host when the world begins.
pub(super) fn addr(host: usize) -> SocketAddr {
    ([10, 0, 0, host as u8 + 1], 4000).into()
}

/// A datagram that a host has sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub at: Time,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Host {
    pub addr: SocketAddr,
    /// A second address, under which others may reach it; the system's choice is the first.
    pub second: Option<IpAddr>,
    pub router: Router,
    pub apps: Vec<App>,
    /// How the application treats a session that a peer opened; `None`: it does not take any.
    pub accept: Option<fn(Key) -> App>,
    /// When its process runs again, from a time on: at once, or later where it shares a processor.
    pub runs_at: fn(Time) -> Time,
    pub stock: Option<Stock>,
    /// A TCP flow, its receiver included, and nothing else.
    pub cubic: Option<Cubic>,
    /// Something came for it, or its application did something.
    awake: bool,
}

impl Host {
    /// When it wants a turn, and when its timer fires if it does so at multiples of `timer` only.
    fn deadline(&self, timer: Option<Duration>) -> Option<Time> {
        let due = match (&self.stock, &self.cubic) {
            (Some(stock), _) => return stock.poll_timeout(),
            (_, Some(cubic)) => return cubic.poll_timeout(),
            _ => self.router.poll_timeout()?,
        };
        let Some(timer) = timer else { return Some(due) };
        let due = due.as_micros().checked_next_multiple_of(micros(timer).max(1));
        due.map(Time::from_micros)
    }
}

/// Steps after which a story must have ended.
const STEPS: usize = 2_000_000;

type Filter = Box<dyn FnMut(&Sent) -> bool>;

pub(super) struct World {
    pub now: Time,
    pub hosts: Vec<Host>,
    /// What was sent, while it is wanted.
    pub log: Option<Vec<Sent>>,
    /// Which datagrams get as far as their link.
    pub filter: Filter,
    /// Links that several pairs of hosts share, and which do; all others have one of their own.
    pub shared: Vec<SharedLink>,
    pub routes: BTreeMap<(usize, usize), usize>,
    /// The granularity of all timers; with one, a host has its turn when its timer fires or something came
    /// for it. `None`: timers are exact, and whatever happens anywhere gives every host a turn.
    pub timer: Option<Duration>,
    links: BTreeMap<(usize, usize), Netem>,
    link: LinkConfig,
    seed: u64,
    pub steps: usize,
}

impl World {
    /// Hosts without a network of their own: `add` them.
    pub(super) fn new(link: LinkConfig, seed: u64) -> World {
        World {
            now: Time::ZERO,
            hosts: Vec::new(),
            log: None,
            filter: Box::new(|_| true),
            shared: Vec::new(),
            routes: BTreeMap::new(),
            timer: None,
            links: BTreeMap::new(),
            link,
            seed,
            steps: 0,
        }
    }

    /// A server that closes when its client does, and a client.
    pub(super) fn pair(config: &KcpConfig, link: LinkConfig, seed: u64) -> World {
        let mut world = World::new(link, seed);
        world.add_server(config);
        world.add(config);
        world
    }

    pub(super) fn add(&mut self, config: &KcpConfig) -> usize {
        let host = self.hosts.len();
        let router = self.router(config, host);
        self.hosts.push(Host {
            addr: addr(host),
            second: None,
            router,
            apps: Vec::new(),
            accept: None,
            runs_at: |now| now,
            stock: None,
            cubic: None,
            awake: true,
        });
        host
    }

    pub(super) fn add_server(&mut self, config: &KcpConfig) -> usize {
        let host = self.add(config);
        self.hosts[host].router.set_accepting(true);
        self.hosts[host].accept =
            Some(|key| App { closes_at_end: true, releases: true, ..App::new(key) });
        host
    }

    /// Adds a peer that is the reference implementation and nothing else.
    pub(super) fn add_stock(&mut self, config: &KcpConfig, conv: u32, peer: SocketAddr) -> usize {
        let host = self.add(config);
        self.hosts[host].stock = Some(Stock::new(config, conv, peer));
        host
    }

    /// Makes one direction another than the rest.
    pub(super) fn set_link(&mut self, from: usize, to: usize, link: &LinkConfig) {
        let seed = self.seed ^ ((from as u64) << 32) ^ ((to as u64) << 40);
        self.links.insert((from, to), Netem::new(link, seed));
    }

    pub(super) fn stock(&mut self, host: usize) -> &mut Stock {
        self.hosts[host].stock.as_mut().expect("a stock peer")
    }

    pub(super) fn router(&self, config: &KcpConfig, host: usize) -> Router {
        assert!(config.check().is_ok(), "{:?}", config.check());
        // Keys and channels of a host are others in each of its lives.
        let life = self.now.as_millis() as u8;
        let seed = std::array::from_fn(|n| n as u8 ^ host as u8 ^ life ^ self.seed as u8);
        Router::new(Arc::new(config.clone()), 0, [self.seed, host as u64 + 1]).with_secure(seed)
    }

    /// Opens a session from `host` to the first address of `to`; the index of its application.
    pub(super) fn connect(&mut self, host: usize, to: usize, conv: Option<u32>) -> usize {
        let Host { router, apps, .. } = &mut self.hosts[host];
        let key = router.connect(self.now, addr(to), conv).expect("there is room");
        apps.push(App { releases: true, ..App::new(key) });
        apps.len() - 1
    }

    /// An application, which may be told to do something else.
    pub(super) fn app(&mut self, host: usize, app: usize) -> &mut App {
        self.hosts[host].awake = true;
        let app = &mut self.hosts[host].apps[app];
        app.awake = READABLE | WRITABLE;
        app
    }

    pub(super) fn release(&mut self, host: usize, app: usize) {
        let Host { router, apps, .. } = &mut self.hosts[host];
        router.release(self.now, apps[app].key);
        apps[app].released = true;
        self.turn();
    }

    /// Lets go of everything that nobody has let go of.
    pub(super) fn release_all(&mut self) {
        for host in 0..self.hosts.len() {
            for app in 0..self.hosts[host].apps.len() {
                if !self.hosts[host].apps[app].released {
                    self.release(host, app);
                }
            }
        }
    }

    /// From here on whoever comes is sent away.
    pub(super) fn accept_none(&mut self) {
        for host in &mut self.hosts {
            host.router.set_accepting(false);
            host.router.refuse_incoming(self.now);
            host.accept = None;
        }
    }

    /// Puts a datagram before a host, as if it came from `from`.
    pub(super) fn inject(&mut self, to: usize, from: SocketAddr, bytes: &[u8]) {
        let now = self.now;
        self.hosts[to].router.receive(now, from, &mut bytes.to_vec());
        self.turn();
    }

    /// When something happens next; `None`: never.
    pub(super) fn next(&self) -> Option<Time> {
        let links = self.links.iter().filter_map(|(&(_, to), link)| {
            let due = link.poll_timeout()?;
            Some((self.hosts[to].runs_at)(due.max(self.now)))
        });
        let shared = self.shared.iter().filter_map(SharedLink::poll_timeout);
        let hosts = self.hosts.iter().filter_map(|host| {
            // What waits for the processor needs no other deadline.
            let at = host.deadline(self.timer).map(|due| (host.runs_at)(due.max(self.now)));
            earliest(at, Some((host.runs_at)(self.now)).filter(|&at| at > self.now))
        });
        links.chain(shared).chain(hosts).min()
    }

    /// Jumps to what happens next; `false`: nothing does, up to `end`.
    pub(super) fn step(&mut self, end: Time) -> bool {
        self.turn();
        let Some(next) = self.next().filter(|&next| next <= end) else { return false };
        self.steps += 1;
        assert!(self.steps < STEPS, "no end at {:?}", self.now);
        self.now = self.now.max(next);
        let now = self.now;
        let mut arrived = Vec::new();
        for (&(_, to), link) in &mut self.links {
            if (self.hosts[to].runs_at)(now) > now {
                continue;
            }
            while let Some((from, bytes)) = link.dequeue(now) {
                arrived.push((to, from, bytes));
            }
        }
        for link in &mut self.shared {
            while let Some((to, from, bytes)) = link.dequeue(now) {
                arrived.push((to, from, bytes));
            }
        }
        for (to, from, mut bytes) in arrived {
            let host = &mut self.hosts[to];
            host.awake = true;
            match (&mut host.stock, &mut host.cubic) {
                (Some(stock), _) => stock.input(now, from.peer, &bytes),
                (_, Some(cubic)) => cubic.handle_segment(now, &bytes),
                _ => host.router.receive(now, from, &mut bytes),
            }
        }
        for host in self.hosts.iter_mut().filter(|host| (host.runs_at)(now) <= now) {
            host.awake |=
                self.timer.is_none() || host.deadline(self.timer).is_some_and(|due| due <= now);
            if !host.awake {
                continue;
            }
            match (&mut host.stock, &mut host.cubic) {
                (Some(stock), _) => stock.update(now),
                (_, Some(cubic)) => cubic.handle_timeout(now),
                _ => host.router.handle_timeout(now),
            }
        }
        self.turn();
        true
    }

    /// What follows a batch: the applications read and write, then everything due is sent.
    pub(super) fn turn(&mut self) {
        let now = self.now;
        for index in 0..self.hosts.len() {
            let host = &mut self.hosts[index];
            let sleeps = self.timer.is_some() && !host.awake;
            if sleeps || (host.runs_at)(now) > now {
                continue;
            }
            host.awake = false;
            let mut sent = Vec::new();
            let own = host.addr;
            let mut out = |path: Path, datagram: &[u8]| {
                let to = path.peer;
                let from = path.local.map_or(own, |ip| SocketAddr::new(ip, own.port()));
                sent.push(Sent { at: now, from, to, bytes: datagram.to_vec() });
            };
            if let Some(stock) = &mut host.stock {
                stock.transmit(&mut out);
            } else if let Some(cubic) = &mut host.cubic {
                cubic.transmit(now, |segment| out(own.into(), segment));
            } else {
                while let Some((key, bits)) = host.router.pop_ready() {
                    let live = |app: &&mut App| app.key == key && !app.released;
                    if let Some(app) = host.apps.iter_mut().find(live) {
                        app.awake |= bits;
                    }
                }
                if let Some(accept) = host.accept {
                    while let Some(key) = host.router.pop_incoming() {
                        host.apps.push(accept(key));
                    }
                }
                for app in &mut host.apps {
                    app.pump(now, &mut host.router);
                }
                for turns in 0.. {
                    assert!(turns < 10_000, "always more to send");
                    if !host.router.transmit(now, &mut out) {
                        break;
                    }
                }
            }
            for datagram in sent {
                self.post(index, datagram);
            }
        }
    }

    fn post(&mut self, from: usize, datagram: Sent) {
        if let Some(log) = &mut self.log {
            log.push(datagram.clone());
        }
        if !(self.filter)(&datagram) {
            return;
        }
        let is_at = |host: &Host| {
            let second = host.second.map(|ip| SocketAddr::new(ip, host.addr.port()));
            host.addr == datagram.to || second == Some(datagram.to)
        };
        let Some(to) = self.hosts.iter().position(is_at) else { return };
        if let Some(&shared) = self.routes.get(&(from, to)) {
            self.shared[shared].enqueue(self.now, from, to, datagram.from, &datagram.bytes);
            return;
        }
        let seed = self.seed ^ ((from as u64) << 32) ^ ((to as u64) << 40);
        let link = self.links.entry((from, to)).or_insert_with(|| Netem::new(&self.link, seed));
        let local = self.hosts[to].second.map(|_| datagram.to.ip());
        link.enqueue(self.now, Path { peer: datagram.from, local, channel: None }, &datagram.bytes);
    }

    /// Runs for `span`.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
        self.turn();
    }

    /// Runs until `done`, which must be within `span`.
    pub(super) fn run_until(&mut self, span: Duration, mut done: impl FnMut(&mut World) -> bool) {
        let end = self.now + span;
        self.turn();
        loop {
            // To look is not to wake.
            let awake: Vec<u8> = self.apps().map(|app| app.awake).collect();
            let end_reached = done(self);
            self.apps().zip(awake).for_each(|(app, awake)| app.awake = awake);
            if end_reached {
                break;
            }
            assert!(self.step(end), "not done within {span:?}: {:?}", self.summary());
        }
    }

    /// Runs until nothing is ever going to happen again.
    pub(super) fn run_dry(&mut self) {
        while self.step(Time::from_micros(u64::MAX)) {}
    }

    fn apps(&mut self) -> impl Iterator<Item = &mut App> {
        self.hosts.iter_mut().flat_map(|host| &mut host.apps)
    }

    /// What every application has come to.
    pub(super) fn summary(&self) -> Vec<String> {
        let apps = self
            .hosts
            .iter()
            .enumerate()
            .flat_map(|(host, of)| of.apps.iter().map(move |app| (host, app)));
        apps.map(|(host, app)| {
            let (read, at_end) = (app.read.len(), app.at_end);
            format!("{host}: {read} {at_end} {:?} {:?}", app.delivered, app.failed)
        })
        .collect()
    }

    /// Datagrams sent so far from one address to another, while the log runs.
    pub(super) fn sent(&self, from: SocketAddr, to: SocketAddr) -> impl Iterator<Item = &Sent> {
        self.log.iter().flatten().filter(move |sent| sent.from == from && sent.to == to)
    }
}
