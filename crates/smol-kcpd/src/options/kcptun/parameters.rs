//! kcptun's parameters: what they are called, and the values that somebody has given.

use super::super::error::{ConfigError, Location, Problem};
use super::super::table::nearest;
use crate::ends::Side;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Switch,
}

/// What becomes of a parameter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has a meaning.
    Kept,
    /// It means nothing here, and nothing is lost by that.
    Ignored,
    /// What it asks for cannot be had, for this reason.
    Refused(&'static str),
}

#[derive(Debug)]
pub(super) struct Parameter {
    /// As in the JSON file, and the flag.
    pub name: &'static str,
    /// Other spellings of the flag.
    pub flags: &'static [&'static str],
    pub kind: Kind,
    /// `None`: both have it.
    pub side: Option<Side>,
    pub fate: Fate,
    pub help: &'static str,
}

const NO_TCP: &str =
    "it makes up TCP packets by raw sockets and iptables, as root: UDP is what there is here";
const NO_QPP: &str = "it is not authenticated and protects nothing that a cipher does not";

macro_rules! parameters {
    ($($name:literal $flags:tt $kind:ident $side:expr, $fate:expr, $help:literal;)*) => {
        /// Every parameter of kcptun's last release with code (2026-01), which older ones have a part of.
        pub(super) static PARAMETERS: &[Parameter] = &[$(Parameter {
            name: $name,
            flags: &$flags,
            kind: Kind::$kind,
            side: $side,
            fate: $fate,
            help: $help,
        }),*];
    };
}

use self::Fate::{Ignored, Kept, Refused};

parameters! {
    "localaddr" ["l"] Text Some(Side::Client), Kept, "where it listens for TCP [:12948]";
    "remoteaddr" ["r"] Text Some(Side::Client), Kept, "the server, host:port or host:min-max [vps:29900]";
    "listen" ["l"] Text Some(Side::Server), Kept, "where it listens for UDP, addr:port or addr:min-max [:29900]";
    "target" ["t"] Text Some(Side::Server), Kept, "where TCP connections go [127.0.0.1:12948]";
    "key" [] Text None, Kept, "the key of both sides, or KCPTUN_KEY in the environment [it's a secrect]";
    "crypt" [] Text None, Kept, "the cipher of both sides [aes]";
    "mode" [] Text None, Kept, "normal, fast, fast2, fast3 or manual [fast]";
    "conn" [] Number Some(Side::Client), Kept, "UDP sessions, 1 to 64 [1]";
    "autoexpire" [] Number Some(Side::Client), Kept, "seconds after which a session gets no more connections; 0: never [0]";
    "scavengettl" [] Number Some(Side::Client), Kept, "seconds that connections of such a session may go on [600]";
    "mtu" [] Number None, Kept, "bytes of the largest datagram [1350]";
    "ratelimit" [] Number None, Kept, "bytes per second that this side sends; 0: what the path carries [0]";
    "sndwnd" [] Number None, Kept, "segments in flight [client 128, server 1024]";
    "rcvwnd" [] Number None, Kept, "segments that the peer may have in flight [client 512, server 1024]";
    "datashard" ["ds"] Number None, Kept, "datagrams of data in a group with parity; 0: no parity [10]";
    "parityshard" ["ps"] Number None, Kept, "datagrams of parity in a group; 0: none [3]";
    "dscp" [] Number None, Kept, "code point of datagrams, 0 to 63 [0]";
    "nocomp" [] Switch None, Kept, "no compression, on both sides";
    "nodelay" [] Number None, Kept, "mode manual: timeouts grow by half [0]";
    "interval" [] Number None, Kept, "mode manual: milliseconds, 10 to 5000 [50]";
    "resend" [] Number None, Kept, "mode manual: later acknowledgements that make a segment lost [0]";
    "nc" [] Number None, Kept, "mode manual: 1: no congestion window of KCP [0]";
    "sockbuf" [] Number None, Kept, "bytes of the socket's buffers [4194304]";
    "smuxver" [] Number None, Kept, "version of smux on both sides, 1 or 2 [2; kcptun before 2025-11-21: 1]";
    "smuxbuf" [] Number None, Kept, "bytes that a session holds for all readers [4194304]";
    "framesize" [] Number None, Kept, "payload of a frame [8192]";
    "streambuf" [] Number None, Kept, "bytes that a stream of version 2 holds for its reader [2097152]";
    "keepalive" [] Number None, Kept, "seconds between signs of life, 1 to 30 [10]";
    "closewait" [] Number None, Kept, "seconds that a connection may be silent of which one direction has ended; 0: 30 [0]";
    "acknodelay" [] Switch None, Ignored, "";
    "quiet" [] Switch None, Ignored, "";
    "log" [] Text None, Ignored, "";
    "snmplog" [] Text None, Ignored, "";
    "snmpperiod" [] Number None, Ignored, "";
    "pprof" [] Switch None, Ignored, "";
    "tcp" [] Switch None, Refused(NO_TCP), "";
    "qpp" ["QPP"] Switch None, Refused(NO_QPP), "";
    "qpp-count" ["QPPCount", "qppcount"] Number None, Ignored, "";
}

/// A value that somebody has given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub parameter: &'static Parameter,
    pub value: String,
    pub place: Location,
}

impl Given {
    pub(super) fn refused(&self, accepted: impl Into<String>) -> ConfigError {
        self.problem(Problem::Refused { value: self.shown(), accepted: accepted.into() })
    }

    pub(super) fn invalid(&self, why: impl Into<String>) -> ConfigError {
        self.problem(Problem::Invalid { value: self.shown(), why: why.into() })
    }

    fn problem(&self, problem: Problem) -> ConfigError {
        ConfigError::new(self.place.clone(), self.parameter.name, problem)
    }

    fn shown(&self) -> String {
        match self.parameter.name {
            "key" => "\u{2026}".into(),
            _ => self.value.clone(),
        }
    }
}

/// The values of one client or server: of several for one parameter, the last.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub side: Side,
    given: Vec<Given>,
    /// Keys of a file that nobody knows, which kcptun ignores too.
    pub unknown: Vec<String>,
}

impl Parameters {
    pub(super) fn new(side: Side) -> Parameters {
        Parameters { side, given: Vec::new(), unknown: Vec::new() }
    }

    /// Finds the parameter of a flag.
    pub(super) fn flag(&self, name: &str) -> Result<&'static Parameter, ConfigError> {
        let own = PARAMETERS.iter().filter(|it| it.side.is_none_or(|side| side == self.side));
        let found = own.clone().find(|it| it.name == name || it.flags.contains(&name));
        found.ok_or_else(|| {
            let nearest = nearest(name, own.map(|it| it.name));
            let nearest = PARAMETERS.iter().map(|it| it.name).find(|name| Some(*name) == nearest);
            ConfigError::new(Location::CommandLine, name, Problem::Unknown { nearest })
        })
    }

    /// Adds a value of a file. What the other side has, or nobody, is ignored.
    ///
    /// # Errors
    /// It is not written as such a value is.
    pub(super) fn add_key(
        &mut self,
        key: &str,
        value: String,
        kind: Kind,
        place: Location,
    ) -> Result<(), ConfigError> {
        let Some(parameter) = PARAMETERS.iter().find(|it| it.name == key) else {
            self.unknown.push(key.into());
            return Ok(());
        };
        if parameter.side.is_some_and(|side| side != self.side) {
            return Ok(());
        }
        let given = Given { parameter, value, place };
        if kind != parameter.kind {
            return Err(given.refused(match parameter.kind {
                Kind::Text => "a text, in quotation marks",
                Kind::Number => "a whole number, without quotation marks",
                Kind::Switch => "true or false, without quotation marks",
            }));
        }
        self.add(given);
        Ok(())
    }

    pub(super) fn add(&mut self, given: Given) {
        self.given.retain(|other| other.parameter.name != given.parameter.name);
        self.given.push(given);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Given> {
        self.given.iter()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.parameter.name == name)
    }

    /// Returns a number, or the default.
    ///
    /// # Errors
    /// It is none, or out of range.
    pub(super) fn number(
        &self,
        name: &str,
        default: u64,
        accepted: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let Some(given) = self.get(name) else { return Ok(default) };
        let number = given.value.parse().ok().filter(|number| accepted.contains(number));
        number.ok_or_else(|| given.refused(format!("{} to {}", accepted.start(), accepted.end())))
    }

    pub(super) fn is_on(&self, name: &str) -> Result<bool, ConfigError> {
        let Some(given) = self.get(name) else { return Ok(false) };
        // As Go reads them.
        match given.value.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(given.refused("true or false")),
        }
    }

    pub(super) fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.get(name).map_or(default, |given| given.value.as_str())
    }
}
