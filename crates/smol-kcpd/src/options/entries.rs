//! Option values as they were given, and the settings they make.

#[cfg(feature = "kcptun")]
mod kcptun;
mod keys;

use keys::{as_error, refuse_secret};

use super::builder::{streams_of, TunnelBuilder};
use super::error::{ConfigError, Location, Problem};
use super::table::{Group, Opt, Scope, KCPTUN_OPTIONS, OPTIONS};
use super::values::{boolean, is_secret, missing_part};
use crate::ends::Side;
use crate::keys::{resolve, KeyFault, Keyring};
use crate::machine::Machine;
use crate::{HostPort, Process, Role, Settings};
use smol_kcp::{EngineKind, KcpConfig, KcpError};

/// A value that somebody has given.
#[derive(Clone, Debug)]
pub(super) struct OptionValue {
    pub option: &'static Opt,
    pub value: String,
    pub place: Location,
}

impl OptionValue {
    fn refused(&self, accepted: impl Into<String>) -> ConfigError {
        let problem = Problem::Refused { value: self.shown(), accepted: accepted.into() };
        ConfigError::new(self.place.clone(), self.option.name, problem)
    }

    pub(super) fn invalid(&self, why: impl Into<String>) -> ConfigError {
        let problem = Problem::Invalid { value: self.shown(), why: why.into() };
        ConfigError::new(self.place.clone(), self.option.name, problem)
    }

    /// The value as it may be read by anybody.
    fn shown(&self) -> String {
        match self.option.unit {
            "INVITATION" => "\u{2026}".into(),
            "FILE" if is_secret(&self.value) => "\u{2026}".into(),
            _ => self.value.clone(),
        }
    }

    fn set(&self, builder: &mut TunnelBuilder) -> Result<(), ConfigError> {
        (self.option.set)(builder, &self.value).ok_or_else(|| {
            match missing_part(self.option.unit, &self.value) {
                Some(why) => self.invalid(why),
                None => self.refused(self.option.accepted),
            }
        })
    }
}

/// Values that are given, each at most once unless it is one of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct OptionValues(Vec<OptionValue>);

impl OptionValues {
    /// # Errors
    /// No such option; or it is there already.
    pub(super) fn add(
        &mut self,
        place: Location,
        name: &str,
        value: impl Into<String>,
    ) -> Result<(), ConfigError> {
        refuse_secret(&place, name)?;
        let Some(option) = Opt::find(name) else {
            let problem = Problem::Unknown { nearest: Opt::nearest(name) };
            return Err(ConfigError::new(place, name, problem));
        };
        if !option.is_list() && self.get(name).is_some() {
            return Err(ConfigError::new(place, name, Problem::Repeated));
        }
        self.0.push(OptionValue { option, value: value.into(), place });
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&OptionValue> {
        self.0.iter().find(|entry| entry.option.name == name)
    }

    /// The value of an option that is a list with `item` in it.
    pub(super) fn get_item(&self, name: &str, item: &str) -> Option<&OptionValue> {
        let of_name = |entry: &&OptionValue| entry.option.name == name;
        let with_item = self.0.iter().find(|entry| of_name(entry) && entry.value.contains(item));
        with_item.or_else(|| self.get(name))
    }

    /// Takes out what a command line says of keys beside a file: that those who have none want none.
    ///
    /// # Errors
    /// A value that is not accepted.
    pub(super) fn take_insecure(&mut self) -> Result<bool, ConfigError> {
        let mut builder = TunnelBuilder::default();
        for entry in self.0.iter().filter(|entry| entry.option.name == "insecure") {
            entry.set(&mut builder)?;
        }
        self.0.retain(|entry| entry.option.name != "insecure");
        Ok(builder.keys.insecure)
    }

    /// What is not of the process.
    pub(super) fn without_process(&self) -> OptionValues {
        let of_tunnel = self.0.iter().filter(|entry| entry.option.scope != Scope::Process);
        OptionValues(of_tunnel.cloned().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn process_entry(&self) -> Option<&OptionValue> {
        self.0.iter().find(|entry| entry.option.scope == Scope::Process)
    }

    /// These, over `defaults`. Who wants no keys gets none from there, and who has some gets no leave to do
    /// without.
    pub(super) fn over(mut self, defaults: &OptionValues) -> OptionValues {
        let insecure = |entry: &OptionValue| entry.option.name == "insecure";
        let of_keys = |entry: &OptionValue| entry.option.group == Group::Keys && !insecure(entry);
        let is_plain = self.0.iter().any(|it| {
            let speaks_kcptun = it.option.name == "protocol" && it.value == "kcptun";
            speaks_kcptun || insecure(it) && boolean(&it.value) == Some(true)
        });
        let has_keys = self.0.iter().any(of_keys);
        let fits = |it: &&OptionValue| !(is_plain && of_keys(it) || has_keys && insecure(it));
        let missing = |entry: &&OptionValue| self.get(entry.option.name).is_none();
        let missing = defaults.0.iter().filter(fits).filter(missing);
        let missing: Vec<OptionValue> = missing.cloned().collect();
        self.0.extend(missing);
        self
    }

    /// What these say of the process, over `defaults`.
    ///
    /// # Errors
    /// A value that is not accepted.
    pub(super) fn process(&self, defaults: Process) -> Result<Process, ConfigError> {
        let mut builder = TunnelBuilder { process: defaults, ..TunnelBuilder::default() };
        for entry in self.0.iter().filter(|entry| entry.option.scope == Scope::Process) {
            entry.set(&mut builder)?;
        }
        let Process { http, metrics, expose, .. } = builder.process;
        for (name, addr) in [("http", http), ("metrics", metrics)] {
            if addr.is_some_and(|addr| !expose && !addr.ip().is_loopback()) {
                let why = "others may reach that, and it asks for no password: `expose` says that they may";
                let entry = self.get(name).or_else(|| self.get("expose"));
                return Err(entry.map_or_else(
                    || ConfigError::new(Location::CommandLine, name, Problem::Missing),
                    |entry| entry.invalid(why),
                ));
            }
        }
        Ok(builder.process)
    }

    /// What these say of the streams of a measurement, and of its server; `place` is blamed for
    /// defaults that do not fit.
    ///
    /// # Errors
    /// A value that is not accepted, or no keys.
    pub(super) fn streams(
        &self,
        place: &Location,
        keyring: &Keyring,
    ) -> Result<(KcpConfig, Option<HostPort>), ConfigError> {
        let mut builder = self.read(place)?;
        self.find_keys(&mut builder, Side::Client, place, keyring)?;
        Ok((builder.kcp, builder.server))
    }

    /// Reads the keys, and the server that an invitation names where nothing else does.
    fn find_keys(
        &self,
        builder: &mut TunnelBuilder,
        side: Side,
        place: &Location,
        keyring: &Keyring,
    ) -> Result<(), ConfigError> {
        let resolved = resolve(&builder.keys, side, keyring);
        let resolved = resolved.map_err(|fault: KeyFault| as_error(self, fault, side, place))?;
        builder.kcp.secure = resolved.secure;
        builder.keys.insecure = resolved.insecure;
        builder.server = builder.server.take().or(resolved.server);
        builder.kcp.check().map_err(|error| self.locate(error, builder, place))
    }

    fn read(&self, place: &Location) -> Result<TunnelBuilder, ConfigError> {
        let mut builder = TunnelBuilder::default();
        // What others build on comes first, in whatever order they were given.
        for first in ["role", "profile", "protocol", "mtu", "bandwidth", "rtt"] {
            if let Some(entry) = self.get(first) {
                entry.set(&mut builder)?;
            }
        }
        if let (Some(entry), None) = (self.get("rtt"), builder.bandwidth) {
            return Err(entry.invalid("means nothing without bandwidth"));
        }
        builder.size();
        let others = |entry: &&OptionValue| {
            !matches!(entry.option.name, "profile" | "protocol" | "bandwidth" | "rtt")
        };
        for entry in self.0.iter().filter(others) {
            entry.set(&mut builder)?;
        }
        builder.kcp.check().map_err(|error| self.locate(error, &builder, place))?;
        Ok(builder)
    }

    /// A tunnel of these options; `place` is blamed for what is missing.
    ///
    /// # Errors
    /// A value that is not accepted, or a missing one.
    pub(super) fn settings(
        &self,
        name: &str,
        place: &Location,
        keyring: &Keyring,
    ) -> Result<Settings, ConfigError> {
        let mut builder = self.read(place)?;
        let missing = |key| ConfigError::new(place.clone(), key, Problem::Missing);
        let side = builder.side.ok_or_else(|| missing("role"))?;
        if let Some(entry) = self.0.iter().find(|entry| !entry.option.scope.includes(side)) {
            return Err(entry.invalid(format!("a {side} has no {}", entry.option.name)));
        }
        #[cfg(feature = "kcptun")]
        let kcptun = kcptun::settings(self, &mut builder, place, keyring)?;
        #[cfg(not(feature = "kcptun"))]
        let kcptun = None::<()>;
        if kcptun.is_none() {
            self.find_keys(&mut builder, side, place, keyring)?;
        }
        let max = builder.connections(side);
        let udp = builder.udp(side);
        if udp.is_some() && builder.kcp.engine != EngineKind::Ring {
            let given = self.get("udp").or_else(|| self.get("udp_target"));
            let wrong = given.map(|entry| entry.invalid("needs engine = ring"));
            return Err(wrong.unwrap_or_else(|| missing("udp")));
        }
        let lifetime = (udp.is_some() && !builder.udp_reliable).then_some(builder.udp_lifetime);
        let datagrams = builder.kcp.datagrams.take();
        builder.kcp.datagrams = datagrams.map(|of| of.with_lifetime(lifetime));
        let role = match side {
            Side::Client => {
                Role::Client { server: builder.server.ok_or_else(|| missing("server"))? }
            }
            Side::Server => Role::Server { target: builder.target },
        };
        // Somebody is to be served: connections, datagrams or both.
        let (key, other, is_given) = match &role {
            Role::Client { .. } => ("listen", "udp", builder.listen.is_some()),
            Role::Server { target } => ("target", "udp_target", target.is_some()),
        };
        if !is_given && udp.is_none() {
            return Err(match kcptun {
                Some(_) => missing(key), // which carries no datagrams
                None => ConfigError::new(place.clone(), key, Problem::MissingBoth(other)),
            });
        }
        if side == Side::Server && builder.listen.is_none() {
            return Err(missing("listen"));
        }
        if max > builder.kcp.max_sessions {
            let accepted = format!("at most max_sessions = {}", builder.kcp.max_sessions);
            let error = self.get("max_connections").map(|entry| entry.refused(accepted));
            return Err(error.unwrap_or_else(|| missing("max_connections")));
        }
        Ok(Settings {
            name: name.to_string(),
            role,
            listen: builder.listen,
            kcp: streams_of(builder.kcp, side),
            keys: builder.keys,
            max_connections: max,
            target_timeout: builder.target_timeout,
            udp,
            perf: builder.perf,
            stats_interval: builder.stats_interval,
            #[cfg(feature = "kcptun")]
            kcptun,
        })
    }

    /// Finds the option behind a field that was refused.
    fn locate(&self, error: KcpError, builder: &TunnelBuilder, place: &Location) -> ConfigError {
        let KcpError::Config { field, value, accepted } = error else {
            return ConfigError::new(place.clone(), "", Problem::Other(error.to_string()));
        };
        let option = OPTIONS.iter().find(|option| option.field == field);
        // A range in the units of the table, with the number behind what it names.
        let accepted = match option.filter(|_| accepted.contains(" to ")) {
            Some(option) => match option.accepted.strip_prefix("mtu to") {
                Some(rest) => format!("{} (mtu) to{rest}", builder.kcp.mtu),
                None => option.accepted.into(),
            },
            None => accepted,
        };
        match option.and_then(|option| self.get(option.name)) {
            Some(entry) => entry.refused(accepted),
            None => {
                let value = option.and_then(|option| (option.get)(builder)).unwrap_or(value);
                let name = option.map_or(field, |option| option.name);
                ConfigError::new(place.clone(), name, Problem::Refused { value, accepted })
            }
        }
    }
}

/// Every option of a tunnel with its effective value.
pub(super) fn effective(settings: &Settings) -> impl Iterator<Item = (&'static str, String)> {
    let builder = TunnelBuilder::of(settings);
    effective_options(&builder).filter_map(move |option| {
        builder.side.filter(|&side| option.scope.includes(side))?;
        Some((option.name, (option.get)(&builder)?))
    })
}

/// The options that mean something to a tunnel.
fn effective_options(builder: &TunnelBuilder) -> impl Iterator<Item = &'static Opt> {
    #[cfg(feature = "kcptun")]
    let kcptun = if builder.is_kcptun { KCPTUN_OPTIONS } else { &[] };
    #[cfg(not(feature = "kcptun"))]
    let (kcptun, _) = (KCPTUN_OPTIONS, builder);
    OPTIONS.iter().chain(kcptun)
}

/// Every option of the process with its effective value.
pub(super) fn effective_process(process: &Process) -> Vec<(&'static str, String)> {
    let builder = TunnelBuilder { process: process.clone(), ..TunnelBuilder::default() };
    let of_process = OPTIONS.iter().filter(|option| option.scope == Scope::Process);
    of_process.filter_map(|option| Some((option.name, (option.get)(&builder)?))).collect()
}

/// What an option is when nobody says anything, at that side if one is named; `None`: it has no default,
/// or the side has no such option.
pub(super) fn default_of(option: &Opt, side: Option<Side>) -> Option<String> {
    let is_foreign = |side| option.scope != Scope::Process && !option.scope.includes(side);
    match option.name {
        _ if side.is_some_and(is_foreign) => None,
        "profile" => Some(Machine::here().profile().0.into()),
        #[cfg(feature = "kcptun")]
        "protocol" => Some("smol-kcp".into()),
        _ => (option.get)(&TunnelBuilder { side, ..TunnelBuilder::default() }),
    }
}
