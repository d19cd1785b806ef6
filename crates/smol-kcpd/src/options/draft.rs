//! From options to settings and back.

use std::fmt;
use std::time::Duration;

use super::error::{ConfigError, Place, Problem};
use super::table::{Group, Opt, OPTIONS};
use super::values::missing_part;
use crate::machine::Machine;
use crate::{HostPort, Process, Role, Settings};
use smol_kcp::{KcpConfig, KcpError};

/// TCP connections at once, unless told otherwise: half of the 1024 descriptors that a process
/// usually may have.
const MAX_CONNECTIONS: usize = 512;

/// The same of a server, where a single client gets a quarter of them.
const MAX_CONNECTIONS_OF_SERVER: usize = 2048;

/// The round-trip time where only the bandwidth is given, as in the reason of `wan`.
const RTT: Duration = Duration::from_millis(100);

/// Which end, before it is known what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Client => "client",
            Side::Server => "server",
        })
    }
}

/// What options are read into and printed from.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub side: Option<Side>,
    pub listen: Option<HostPort>,
    pub server: Option<HostPort>,
    pub target: Option<HostPort>,
    pub bandwidth: Option<u64>,
    pub rtt: Option<Duration>,
    pub kcp: KcpConfig,
    pub max_connections: Option<usize>,
    pub target_timeout: Duration,
    pub perf: bool,
    pub stats_interval: Option<Duration>,
    pub process: Process,
}

impl Default for Draft {
    fn default() -> Draft {
        Draft {
            side: None,
            listen: None,
            server: None,
            target: None,
            bandwidth: None,
            rtt: None,
            kcp: streams(Machine::here().profile().1),
            max_connections: None,
            // A target is near its server; a second and a third SYN find their time (RFC 6298).
            target_timeout: Duration::from_secs(10),
            perf: false,
            stats_interval: None,
            process: Process::default(),
        }
    }
}

/// TCP is a stream of bytes. The length of messages means nothing then, and memory is the process's:
/// equal settings are equal.
fn streams(kcp: KcpConfig) -> KcpConfig {
    let memory_budget = KcpConfig::default().memory_budget;
    KcpConfig { stream: true, max_message: None, memory_budget, ..kcp }
}

/// The connections that a tunnel of a profile carries at once, and the streams that it may have.
pub(super) fn limits_of(profile: &str) -> Option<(usize, usize)> {
    let mut draft = Draft::default();
    draft.profile(profile)?;
    let sessions = draft.kcp.max_sessions;
    Some((MAX_CONNECTIONS.min(sessions), sessions))
}

impl Draft {
    pub(super) fn profile(&mut self, name: &str) -> Option<()> {
        self.kcp = streams(match name {
            "default" => KcpConfig::default(),
            "lan" => KcpConfig::lan(),
            "wan" => KcpConfig::wan(),
            "high_latency" => KcpConfig::high_latency(),
            "low_bandwidth" => KcpConfig::low_bandwidth(),
            "low_memory" => KcpConfig::low_memory(),
            "gaming" => KcpConfig::gaming(),
            "realtime" => KcpConfig::realtime(),
            "file_transfer" => KcpConfig::file_transfer(),
            _ => return None,
        });
        Some(())
    }

    /// Windows of bandwidth × round-trip time and a quarter more, since both vary; the sender holds
    /// a window in flight and one waiting, the receiver one for a reader that pauses.
    fn size(&mut self) {
        let Some(bandwidth) = self.bandwidth else { return };
        let micros = self.rtt.unwrap_or(RTT).as_micros();
        let bytes = u128::from(bandwidth) / 8 * micros / 1_000_000;
        let payload = self.kcp.mtu.saturating_sub(24).max(1) as u128; // 24: the header of KCP
        let segments = (bytes * 5 / 4).div_ceil(payload).clamp(16, 32_767);
        let window = u16::try_from(segments).unwrap_or(u16::MAX);
        let held = usize::from(window).saturating_mul(self.kcp.mtu);
        let budget = |bytes: usize| bytes.max(self.kcp.mtu).min(256 << 20);
        self.kcp.wnd_size = (window, window);
        (self.kcp.send_budget, self.kcp.recv_budget) = (budget(held * 2), budget(held));
    }

    fn of(settings: &Settings) -> Draft {
        let (side, server, target) = match &settings.role {
            Role::Server { target } => (Side::Server, None, Some(target.clone())),
            Role::Client { server } => (Side::Client, Some(server.clone()), None),
        };
        Draft {
            side: Some(side),
            listen: Some(settings.listen.clone()),
            server,
            target,
            kcp: settings.kcp.clone(),
            max_connections: Some(settings.max_connections),
            target_timeout: settings.target_timeout,
            perf: settings.perf,
            stats_interval: settings.stats_interval,
            ..Draft::default()
        }
    }
}

/// A value that somebody has given.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub option: &'static Opt,
    pub value: String,
    pub place: Place,
}

impl Entry {
    fn refused(&self, accepted: impl Into<String>) -> ConfigError {
        let problem = Problem::Refused { value: self.value.clone(), accepted: accepted.into() };
        ConfigError::new(self.place.clone(), self.option.name, problem)
    }

    fn wrong(&self, why: impl Into<String>) -> ConfigError {
        let problem = Problem::Wrong { value: self.value.clone(), why: why.into() };
        ConfigError::new(self.place.clone(), self.option.name, problem)
    }

    fn set(&self, draft: &mut Draft) -> Result<(), ConfigError> {
        (self.option.set)(draft, &self.value).ok_or_else(|| {
            match missing_part(self.option.unit, &self.value) {
                Some(why) => self.wrong(why),
                None => self.refused(self.option.accepted),
            }
        })
    }
}

/// Values that are given, each at most once.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries(Vec<Entry>);

impl Entries {
    /// # Errors
    /// No such option; or it is there already.
    pub(super) fn add(
        &mut self,
        place: Place,
        name: &str,
        value: impl Into<String>,
    ) -> Result<(), ConfigError> {
        let Some(option) = Opt::find(name) else {
            let problem = Problem::Unknown { nearest: Opt::nearest(name) };
            return Err(ConfigError::new(place, name, problem));
        };
        if self.get(name).is_some() {
            return Err(ConfigError::new(place, name, Problem::Repeated));
        }
        self.0.push(Entry { option, value: value.into(), place });
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.option.name == name)
    }

    /// What is not of the process.
    pub(super) fn without_process(&self) -> Entries {
        let of_tunnel = self.0.iter().filter(|entry| entry.option.group != Group::Process);
        Entries(of_tunnel.cloned().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn process_entry(&self) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.option.group == Group::Process)
    }

    /// These, over `defaults`.
    pub(super) fn over(mut self, defaults: &Entries) -> Entries {
        let missing = defaults.0.iter().filter(|entry| self.get(entry.option.name).is_none());
        let missing: Vec<Entry> = missing.cloned().collect();
        self.0.extend(missing);
        self
    }

    /// What these say of the process, over `defaults`.
    ///
    /// # Errors
    /// A value that is not accepted.
    pub(super) fn process(&self, defaults: Process) -> Result<Process, ConfigError> {
        let mut draft = Draft { process: defaults, ..Draft::default() };
        for entry in self.0.iter().filter(|entry| entry.option.group == Group::Process) {
            entry.set(&mut draft)?;
        }
        Ok(draft.process)
    }

    /// A tunnel of these options; `place` is blamed for what is missing.
    ///
    /// # Errors
    /// A value that is not accepted, or a missing one.
    pub(super) fn settings(&self, name: &str, place: &Place) -> Result<Settings, ConfigError> {
        let mut draft = Draft::default();
        // What others build on comes first, in whatever order they were given.
        for first in ["profile", "mtu", "bandwidth", "rtt"] {
            if let Some(entry) = self.get(first) {
                entry.set(&mut draft)?;
            }
        }
        if let (Some(entry), None) = (self.get("rtt"), draft.bandwidth) {
            return Err(entry.wrong("means nothing without bandwidth"));
        }
        draft.size();
        let others = |entry: &&Entry| !matches!(entry.option.name, "profile" | "bandwidth" | "rtt");
        for entry in self.0.iter().filter(others) {
            entry.set(&mut draft)?;
        }
        draft.kcp.check().map_err(|error| self.blame(error, &draft, place))?;
        self.finish(draft, name, place)
    }

    fn finish(&self, draft: Draft, name: &str, place: &Place) -> Result<Settings, ConfigError> {
        let missing = |key| ConfigError::new(place.clone(), key, Problem::Missing);
        let side = draft.side.ok_or_else(|| missing("role"))?;
        let foreign = match side {
            Side::Client => ["target", "target_timeout", "perf"].as_slice(),
            Side::Server => &["server"],
        };
        if let Some(entry) = foreign.iter().find_map(|name| self.get(name)) {
            return Err(entry.wrong(format!("a {side} has no {}", entry.option.name)));
        }
        let role = match side {
            Side::Client => Role::Client { server: draft.server.ok_or_else(|| missing("server"))? },
            Side::Server => Role::Server { target: draft.target.ok_or_else(|| missing("target"))? },
        };
        let usual = match side {
            Side::Client => MAX_CONNECTIONS,
            Side::Server => MAX_CONNECTIONS_OF_SERVER,
        };
        let max = draft.max_connections.unwrap_or(usual.min(draft.kcp.max_sessions));
        if max > draft.kcp.max_sessions {
            let accepted = format!("at most max_sessions = {}", draft.kcp.max_sessions);
            let error = self.get("max_connections").map(|entry| entry.refused(accepted));
            return Err(error.unwrap_or_else(|| missing("max_connections")));
        }
        Ok(Settings {
            name: name.to_string(),
            role,
            listen: draft.listen.ok_or_else(|| missing("listen"))?,
            kcp: draft.kcp,
            max_connections: max,
            target_timeout: draft.target_timeout,
            perf: draft.perf,
            stats_interval: draft.stats_interval,
        })
    }

    /// Finds the option behind a field that was refused.
    fn blame(&self, error: KcpError, draft: &Draft, place: &Place) -> ConfigError {
        let KcpError::Config { field, value, accepted } = error else {
            return ConfigError::new(place.clone(), "", Problem::Other(error.to_string()));
        };
        let option = OPTIONS.iter().find(|option| option.field == field);
        // A range in the units of the table, with the number behind what it names.
        let accepted = match option.filter(|_| accepted.contains(" to ")) {
            Some(option) => match option.accepted.strip_prefix("mtu to") {
                Some(rest) => format!("{} (mtu) to{rest}", draft.kcp.mtu),
                None => option.accepted.into(),
            },
            None => accepted,
        };
        match option.and_then(|option| self.get(option.name)) {
            Some(entry) => entry.refused(accepted),
            None => {
                let value = option.and_then(|option| (option.get)(draft)).unwrap_or(value);
                let name = option.map_or(field, |option| option.name);
                ConfigError::new(place.clone(), name, Problem::Refused { value, accepted })
            }
        }
    }
}

/// Every option of a tunnel with its effective value.
pub(super) fn effective(settings: &Settings) -> impl Iterator<Item = (&'static str, String)> {
    let draft = Draft::of(settings);
    let of_tunnel = OPTIONS.iter().filter(|option| option.group != Group::Process);
    of_tunnel.filter_map(move |option| Some((option.name, (option.get)(&draft)?)))
}

/// Every option of the process with its effective value.
pub(super) fn effective_process(process: &Process) -> Vec<(&'static str, String)> {
    let draft = Draft { process: process.clone(), ..Draft::default() };
    let of_process = OPTIONS.iter().filter(|option| option.group == Group::Process);
    of_process.filter_map(|option| Some((option.name, (option.get)(&draft)?))).collect()
}

/// What an option is when nobody says anything.
pub(super) fn default_of(option: &Opt) -> Option<String> {
    (option.get)(&Draft::default())
}
