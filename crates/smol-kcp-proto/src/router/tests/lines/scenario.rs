//! A line, who uses it, and for how long.

use std::time::Duration;

use super::super::shared_link::SharedLink;
use super::super::stock::Stock;
use super::super::*;
use super::cubic::Cubic;
use super::goals::Goal;
use super::measure::Measured;
use super::trace::Trace;

/// How often thin flows write, and what.
const THIN_EVERY: u64 = 50;
const THIN_BYTES: usize = 64;
/// What flows write that come in pieces, and how long they rest after each.
const PIECE: usize = 100_000;
const REST: Duration = Duration::from_millis(300);
/// UDP and IPv4.
pub(super) const HEADERS: usize = 28;
/// The steps in which a scenario runs; no flow begins between them and none writes at times of its own.
const STEP: Duration = Duration::from_millis(10);
const SHORT_STEP: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Writes as fast as it may, towards the server.
    Bulk,
    /// Writes 64 bytes each 50 ms and has them echoed.
    Thin,
    /// Writes 100 kB, and more of it 300 ms after the server has it all.
    Pieces,
}

impl Kind {
    /// Bytes of what such a flow writes at once, where that takes a time that is measured.
    pub(super) fn message(self) -> Option<usize> {
        match self {
            Kind::Bulk => None,
            Kind::Thin => Some(THIN_BYTES),
            Kind::Pieces => Some(PIECE),
        }
    }
}

/// A stream of a client to the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// Clients have endpoints of their own; streams of one client share one.
    pub client: usize,
    pub kind: Kind,
    pub starts: Duration,
}

/// Bulk that begins at once, of the client of that number.
pub(super) fn bulk(client: usize) -> Flow {
    Flow { client, kind: Kind::Bulk, starts: Duration::ZERO }
}

pub(super) fn thin(client: usize) -> Flow {
    Flow { client, kind: Kind::Thin, starts: Duration::ZERO }
}

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub name: String,
    /// The bottleneck: from all clients to the server. Times in it count from the beginning.
    pub up: LinkConfig,
    /// Back, shared by all clients too, and with nothing of the way up.
    pub down: LinkConfig,
    pub flows: Vec<Flow>,
    /// TCP flows through the bottleneck, and when the first begins. Others follow 20 ms apart.
    pub cubics: usize,
    pub cubic_starts: Duration,
    pub length: Duration,
    /// What is measured: from then to the end.
    pub from: Duration,
    /// From when on the time is taken until the line is full.
    pub clock: Duration,
    pub seed: u64,
    pub goals: Vec<Goal>,
    /// The server is ikcp.c with a window of 8,192 segments, of one bulk flow.
    pub stock: bool,
    /// How exact the timers of our endpoints are.
    pub timer: Duration,
}

/// A number that the server knows a stream by.
fn conv(flow: usize) -> u32 {
    flow as u32 + 1
}

/// A scenario that runs.
pub(super) struct Lab<'a> {
    pub scenario: &'a Scenario,
    pub world: World,
    /// The client's application of each flow, once it has begun.
    pub apps: Vec<Option<(usize, usize)>>,
    /// The server's.
    pub server_apps: Vec<Option<usize>>,
    /// When a flow wrote that is not bulk.
    pub written: Vec<Vec<Time>>,
    pub cubics: Vec<usize>,
}

/// The bottleneck among the shared links.
pub(super) const UP: usize = 0;
const DOWN: usize = 1;

impl Scenario {
    /// A line of the same kind: other rates and round trips, queues of as many BDP.
    pub(super) fn kin(&self, rate_percent: u64, rtt_percent: u64) -> Scenario {
        let mut kin = self.clone();
        kin.name = format!("{} x{rate_percent}% x{rtt_percent}%", self.name);
        let rate = |rate: u64| rate * rate_percent / 100;
        let time = |time: Duration| time * rtt_percent as u32 / 100;
        for way in [&mut kin.up, &mut kin.down] {
            way.rate = way.rate.map(rate);
            way.rate_steps.iter_mut().for_each(|step| step.rate = rate(step.rate));
            way.queue_bytes =
                way.queue_bytes.map(|bytes| (rate(bytes as u64) * rtt_percent / 100) as usize);
            way.delay = time(way.delay);
            way.jitter = time(way.jitter);
            if let Some(policer) = &mut way.policer {
                policer.rate = rate(policer.rate);
            }
        }
        kin
    }

    pub(super) fn clients(&self) -> usize {
        self.flows.iter().map(|flow| flow.client + 1).max().unwrap_or(0)
    }

    /// Runs it and tells what came of it.
    pub(super) fn run(&self, config: &KcpConfig, trace: Option<&mut Trace>) -> Measured {
        Measured::of(&self.watch(config, trace))
    }

    /// Runs it and leaves it as it is then.
    pub(super) fn watch(&self, config: &KcpConfig, trace: Option<&mut Trace>) -> Lab<'_> {
        let mut lab = Lab::new(self, config);
        lab.run(trace);
        lab
    }
}

impl<'a> Lab<'a> {
    fn new(scenario: &'a Scenario, config: &KcpConfig) -> Lab<'a> {
        let mut world = World::new(LinkConfig::default(), scenario.seed);
        world.shared.push(SharedLink::new(&scenario.up, scenario.seed));
        world.shared.push(SharedLink::new(&scenario.down, !scenario.seed));
        world.timer = Some(scenario.timer);
        let server = world.add_server(config);
        if scenario.stock {
            let wide = KcpConfig { wnd_size: (8192, 8192), ..config.clone() };
            let mut stock = Stock::new(&wide, conv(0), addr(CLIENT));
            stock.arrivals = Some(Vec::new());
            world.hosts[server].stock = Some(stock);
        }
        // Nobody reads before it is known what for.
        world.hosts[server].accept =
            Some(|key| App { reads: false, arrivals: Some(Vec::new()), ..App::new(key) });
        for _ in 0..scenario.clients() {
            let client = world.add(config);
            world.routes.insert((client, server), UP);
            world.routes.insert((server, client), DOWN);
        }
        let mut cubics = Vec::new();
        for n in 0..scenario.cubics {
            let host = world.add(config);
            let seed = scenario.seed ^ (n as u64 + 1) << 32;
            let starts = Time::ZERO + scenario.cubic_starts + ms(20) * n as u32;
            world.hosts[host].cubic = Some(Cubic::new(starts, scenario.down.delay, seed));
            world.routes.insert((host, host), UP);
            cubics.push(host);
        }
        let flows = scenario.flows.len();
        Lab {
            scenario,
            world,
            apps: vec![None; flows],
            server_apps: vec![None; flows],
            written: vec![Vec::new(); flows],
            cubics,
        }
    }

    fn run(&mut self, mut trace: Option<&mut Trace>) {
        let end = Time::ZERO + self.scenario.length;
        let exact = self.scenario.flows.iter().any(|flow| flow.kind != Kind::Bulk);
        let step = if exact { SHORT_STEP } else { STEP };
        while self.world.now < end {
            self.begin_flows();
            self.write();
            let until = self.world.now + step;
            while self.world.step(until) {
                self.take_over_accepted();
            }
            self.world.now = until;
            self.world.steps = 0; // a step has an end, or the world says that it has none
            if let Some(trace) = &mut trace {
                trace.look(self);
            }
        }
    }

    fn begin_flows(&mut self) {
        let now = self.world.now;
        for (n, flow) in self.scenario.flows.iter().enumerate() {
            if self.apps[n].is_some() || now < Time::ZERO + flow.starts {
                continue;
            }
            let client = flow.client + 1;
            let app = self.world.connect(client, SERVER, Some(conv(n)));
            let bulk = flow.kind == Kind::Bulk;
            let key = self.world.app(client, app).key;
            let arrivals = Some(Vec::new());
            *self.world.app(client, app) = App { floods: bulk, arrivals, ..App::new(key) };
            self.apps[n] = Some((client, app));
        }
    }

    /// Lets those write whose time has come.
    fn write(&mut self) {
        let now = self.world.now;
        for (n, flow) in self.scenario.flows.iter().enumerate() {
            let Some(((client, app), bytes)) = self.apps[n].zip(flow.kind.message()) else {
                continue;
            };
            let count = self.written[n].len();
            let due = match flow.kind {
                // A few milliseconds to and fro: in step with an engine's ticks it would meet one phase only.
                Kind::Thin => {
                    let count = count as u64;
                    Some(Time::ZERO + flow.starts + ms(count * THIN_EVERY + count * 3 % 10))
                }
                _ => self.completed(n, count * bytes).map(|at| at + REST),
            };
            if due.is_some_and(|due| now >= due) {
                self.world.app(client, app).to_write.extend(vec![n as u8; bytes]);
                self.written[n].push(now);
            }
        }
    }

    /// When the first bytes of a flow had all arrived.
    fn completed(&self, flow: usize, bytes: usize) -> Option<Time> {
        let arrivals = self.arrivals(flow);
        let all: usize = arrivals.iter().map(|&(_, more)| more).sum();
        (all >= bytes).then(|| arrivals.last().map_or(Time::ZERO, |&(at, _)| at))
    }

    /// Tells the server's new applications by their numbers what they are for.
    fn take_over_accepted(&mut self) {
        let known = self.server_apps.iter().flatten().count();
        for app in known..self.world.hosts[SERVER].apps.len() {
            let key = self.world.hosts[SERVER].apps[app].key;
            let flow = self.world.hosts[SERVER].router.conv(key) as usize - 1;
            let echoes = self.scenario.flows[flow].kind == Kind::Thin;
            let host_app = self.world.app(SERVER, app);
            host_app.reads = true;
            host_app.echoes = echoes;
            self.server_apps[flow] = Some(app);
        }
    }

    /// When how many bytes of a flow arrived where they are counted: at the server, those of thin flows at
    /// the client, as echoes.
    pub(super) fn arrivals(&self, flow: usize) -> &[(Time, usize)] {
        if let (0, Some(stock)) = (flow, &self.world.hosts[SERVER].stock) {
            return stock.arrivals.as_deref().unwrap_or(&[]);
        }
        let place = match self.scenario.flows[flow].kind {
            Kind::Thin => self.apps[flow],
            _ => self.server_apps[flow].map(|app| (SERVER, app)),
        };
        let app = place.map(|(host, app)| &self.world.hosts[host].apps[app]);
        app.and_then(|app| app.arrivals.as_deref()).unwrap_or(&[])
    }

    /// The flows that are not bulk: which, how long their messages are, and when they were written.
    pub(super) fn messages(&self) -> impl Iterator<Item = (usize, usize, &[Time])> {
        let flows = self.scenario.flows.iter().zip(&self.written).enumerate();
        flows.filter_map(|(n, (flow, written))| Some((n, flow.kind.message()?, &written[..])))
    }

    pub(super) fn bulk_flows(&self) -> impl Iterator<Item = usize> + '_ {
        let flows = self.scenario.flows.iter().enumerate();
        flows.filter(|(_, flow)| flow.kind == Kind::Bulk).map(|(n, _)| n)
    }
}
