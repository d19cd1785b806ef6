//! The table of all options: what they are called, what they mean, how they are read and printed.
//!
//! Command line, file and UCI differ in spelling only (`--send-window`, `send_window = `,
//! `option send_window`); names, units and checks are these.

use std::net::SocketAddr;

use super::builder::TunnelBuilder;
use super::values::*;
use crate::ends::Side;
use crate::Control;
use smol_kcp::secure::Invitation;
use smol_kcp::EngineKind;

/// Where the help lists an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What a tunnel connects.
    Tunnel,
    /// Who may do so.
    Keys,
    /// How KCP works.
    Kcp,
    /// What only tunnels have that speak as kcptun does.
    Kcptun,
    /// How long things may take.
    Times,
    /// How much may be held.
    Limits,
    /// What belongs to the process and not to a tunnel.
    Process,
}

impl Group {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Group::Tunnel => "tunnel",
            Group::Keys => "keys",
            Group::Kcp => "kcp",
            Group::Kcptun => "kcptun",
            Group::Times => "times",
            Group::Limits => "limits",
            Group::Process => "process",
        }
    }
}

/// Who may set an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Either end of a tunnel, and a measurement: it is about streams.
    Stream,
    /// Either end of a tunnel.
    Tunnel,
    /// The client of a tunnel.
    Client,
    /// The client of a tunnel, and a measurement: it is about the server.
    Caller,
    /// The server of a tunnel.
    Server,
    /// The process, before its tunnels.
    Process,
}

impl Scope {
    /// Returns the names of those who may set it.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Scope::Stream => &["client", "server", "perf"],
            Scope::Tunnel => &["client", "server"],
            Scope::Client => &["client"],
            Scope::Caller => &["client", "perf"],
            Scope::Server => &["server"],
            Scope::Process => &["process"],
        }
    }

    /// Returns whether that end of a tunnel has it.
    pub(super) fn includes(self, side: Side) -> bool {
        match self {
            Scope::Stream | Scope::Tunnel => true,
            Scope::Client | Scope::Caller => side == Side::Client,
            Scope::Server => side == Side::Server,
            Scope::Process => false,
        }
    }
}

/// Names that options had, with those that they have.
pub static ALIASES: &[(&str, &str)] = &[("dead_link", "stall_timeout")];

/// One option.
#[derive(Debug)]
pub struct Opt {
    /// As in a file and in UCI; the command line has hyphens for the underscores.
    pub name: &'static str,
    /// Where it belongs.
    pub group: Group,
    /// Who may set it.
    pub scope: Scope,
    /// What stands for its value in the help.
    pub unit: &'static str,
    /// What is accepted, in words.
    pub accepted: &'static str,
    /// What it does, on one line.
    pub help: &'static str,
    /// The field of [`KcpConfig`](smol_kcp::KcpConfig) whose check speaks for it.
    pub(super) field: &'static str,
    /// Reads a value; `None`: it is not one.
    pub(super) set: fn(&mut TunnelBuilder, &str) -> Option<()>,
    /// Prints the effective value; `None`: it has none of its own.
    pub(super) get: fn(&TunnelBuilder) -> Option<String>,
}

impl Opt {
    /// Is it on or off, so that the command line needs no value?
    pub(super) fn is_switch(&self) -> bool {
        self.unit == "BOOL"
    }

    /// May it be given several times, and have several values each time?
    pub fn is_list(&self) -> bool {
        self.unit.starts_with("NAME=")
    }

    /// Returns the least and the greatest value, where it is a range; the least may be another option's.
    pub fn range(&self) -> Option<(&'static str, &'static str)> {
        let mut words = self.accepted.split(' ');
        let (min, to, max) = (words.next()?, words.next()?, words.next()?);
        (to == "to").then(|| (min, max.trim_end_matches([',', ';'])))
    }

    /// Returns whether it may be `none`.
    pub fn has_none(&self) -> bool {
        self.accepted.ends_with("or none")
    }

    /// Returns the words of which it is one, where nothing else will do.
    pub fn choices(&self) -> Vec<&'static str> {
        let words = || self.accepted.split(", ").flat_map(|part| part.split(" or "));
        match self.is_switch() || words().any(|word| word.contains(' ')) {
            true => Vec::new(),
            false => words().collect(),
        }
    }

    /// Returns the type that UCI's validation has for it.
    pub fn uci_type(&self) -> &'static str {
        match (self.unit, self.has_none()) {
            _ if self.is_list() => "list(string)",
            ("BOOL", _) => "bool",
            ("N" | "BYTES" | "MS", false) => "uinteger",
            _ => "string",
        }
    }

    /// The option of that name, or that had it.
    pub fn find(name: &str) -> Option<&'static Opt> {
        let renamed = ALIASES.iter().find(|(alias, _)| *alias == name);
        let name = renamed.map_or(name, |(_, name)| name);
        Opt::all().find(|option| option.name == name)
    }

    /// Returns every option: those of all tunnels, then those of kcptun's.
    pub(super) fn all() -> impl Iterator<Item = &'static Opt> + Clone {
        OPTIONS.iter().chain(KCPTUN_OPTIONS)
    }

    /// The name most like `wrong`, if one is like it at all.
    pub(super) fn nearest(wrong: &str) -> Option<&'static str> {
        nearest(wrong, Opt::all().map(|option| option.name))
    }
}

/// The one of `names` most like `wrong`, if one is like it at all: one that begins so comes first.
pub(super) fn nearest<'a>(
    wrong: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let begins = |name: &&str| wrong.len() >= 2 && name.starts_with(wrong);
    let far = (wrong.len() / 3).max(2) + 1; // two letters changed places
    names.clone().find(begins).or_else(|| {
        let by_distance = names.map(|name| (distance(wrong, name), name));
        by_distance.min().filter(|&(distance, _)| distance < far).map(|(_, name)| name)
    })
}

/// Letters to insert, remove or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

macro_rules! options {
    ($(#[$about:meta])* $table:ident; $($group:ident $scope:ident $name:ident $unit:literal $field:literal $accepted:literal $help:literal
        set |$builder:ident, $text:ident| $set:expr, get |$from:ident| $get:expr;)*) => {
        $(#[$about])*
        pub static $table: &[Opt] = &[$(Opt {
            name: stringify!($name),
            group: Group::$group,
            scope: Scope::$scope,
            unit: $unit,
            accepted: $accepted,
            help: $help,
            field: $field,
            set: |$builder, $text| { $set; Some(()) },
            get: |$from| $get,
        }),*];
    };
}

#[cfg(feature = "kcptun")]
mod kcptun;
#[cfg(feature = "kcptun")]
pub use kcptun::KCPTUN_OPTIONS;

/// The options of tunnels that speak as kcptun does: none without the feature `kcptun`.
#[cfg(not(feature = "kcptun"))]
pub static KCPTUN_OPTIONS: &[Opt] = &[];

options! {
    /// Every option of a tunnel between two ends of ours, and of the process.
    OPTIONS;
    Tunnel Tunnel role "ROLE" "" "client or server" "which end of the tunnel this is (the command line says it by the command)"
        set |d, t| d.side = Some(match t { "client" => Side::Client, "server" => Side::Server, _ => return None }),
        get |d| d.side.map(|side| side.to_string());
    Tunnel Tunnel listen "ADDR:PORT" "" "an address and a port, such as 127.0.0.1:2222, [::]:29900 or [fe80::1%br-lan]:29900"
        "where it listens: a client for TCP (or it has udp), a server for UDP"
        set |d, t| d.listen = Some(crate::HostPort::parse_listen(t)?),
        get |d| d.listen.as_ref().map(|addr| addr.to_string());
    Tunnel Client server "HOST:PORT" "" "a name or address and a port, such as router.example:29900, [2001:db8::1]:29900 or [fe80::1%br-lan]:29900"
        "client: the server of the tunnel"
        set |d, t| d.server = Some(crate::HostPort::parse(t)?),
        get |d| d.server.as_ref().map(|host| host.to_string());
    Tunnel Server target "HOST:PORT" "" "a name or address and a port, such as 127.0.0.1:22"
        "server: where its TCP connections go (or it has udp_target)"
        set |d, t| d.target = Some(crate::HostPort::parse(t)?),
        get |d| d.target.as_ref().map(|host| host.to_string());
    Tunnel Client udp "ADDR:PORT" "" "an address and a port, such as 127.0.0.1:51820 or [::]:53"
        "client: where it takes datagrams (UDP), which go to the server's udp_target; beside listen or alone"
        set |d, t| d.udp = Some(crate::HostPort::parse_listen(t)?),
        get |d| d.udp.as_ref().map(|addr| addr.to_string());
    Tunnel Server udp_target "HOST:PORT" "" "a name or address and a port, such as 127.0.0.1:51820"
        "server: where the datagrams go that its clients take; beside target or alone"
        set |d, t| d.udp_target = Some(crate::HostPort::parse(t)?),
        get |d| d.udp_target.as_ref().map(|host| host.to_string());
    Tunnel Tunnel udp_reliable "BOOL" "" "true or false, yes or no, on or off, 1 or 0"
        "every datagram of this side arrives, however late; no: what is older than udp_lifetime is given up"
        set |d, t| d.udp_reliable = boolean(t)?, get |d| Some(d.udp_reliable.to_string());

    Keys Stream secret_file "FILE" "" "the name of a file that only its owner may read, with a key as `smol-kcpd keygen` makes it"
        "the secret key of this side"
        set |d, t| d.keys.secret_file = Some(secret_file(t)?), get |d| d.keys.secret_file.clone();
    Keys Caller server_key "KEY" "" "a public key: 44 characters of base64, as `smol-kcpd keygen` and `pubkey` print it"
        "client: the public key of the server"
        set |d, t| d.keys.server_key = Some(t.parse().ok()?), get |d| d.keys.server_key.map(|key| key.to_string());
    Keys Server allow "NAME=KEY" "" "a name (letters, digits, -, _ and .), = and a public key: 44 characters of base64, as `smol-kcpd keygen` prints it"
        "server: a client, its name for the log and its public key; as many as there are"
        set |d, t| for item in items(t) { d.keys.allow.push(client(item)?) },
        get |d| print_items(d.keys.allow.iter().map(|client| format!("{}={}", client.name, client.key)));
    Keys Server client_target "NAME=HOST:PORT" "" "a name that allow has, = and a name or address and a port, such as alice=127.0.0.1:22"
        "server: the only place that this client gets to, instead of target"
        set |d, t| for item in items(t) { d.keys.client_targets.push(client_target(item)?) },
        get |d| print_items(d.keys.client_targets.iter().map(|(name, target)| format!("{name}={target}")));
    Keys Stream psk_file "FILE" "" "the name of a file that only its owner may read, with 32 random bytes in base64, as `smol-kcpd keygen --shared` makes them"
        "beside the keys: a secret of both sides, against whoever breaks X25519 one day"
        set |d, t| d.keys.psk_file = Some(secret_file(t)?), get |d| d.keys.psk_file.clone();
    Keys Stream shared_secret_file "FILE" "" "the name of a file that only its owner may read, with a secret as `smol-kcpd keygen --shared` makes it"
        "the simple way: one secret on both sides, instead of keys"
        set |d, t| d.keys.shared_secret_file = Some(secret_file(t)?), get |d| d.keys.shared_secret_file.clone();
    Keys Caller invite "INVITATION" "" "a whole line as `smol-kcpd invite` prints it, which begins with smol-kcp://"
        "client: server and keys as `smol-kcpd invite` prints them (in a file: invite_file)"
        set |d, t| d.keys.invite = Some(Invitation::parse(t).ok()?), get |_d| None;
    Keys Caller invite_file "FILE" "" "the name of a file that only its owner may read, with a line as `smol-kcpd invite` prints it"
        "client: the same from a file"
        set |d, t| d.keys.invite_file = Some(secret_file(t)?), get |d| d.keys.invite_file.clone();
    Keys Stream insecure "BOOL" "" "true or false, yes or no, on or off, 1 or 0" "no keys: who sees the packets can read and forge them"
        set |d, t| d.keys.insecure = boolean(t)?, get |d| Some(d.keys.insecure.to_string());

    Kcp Stream profile "NAME" "" "default, lan, wan, high_latency, low_bandwidth, low_memory, gaming, realtime or file_transfer"
        "the kind of path: values of all options below that are not given"
        set |d, t| d.profile(t)?, get |_d| None;
    Kcp Stream rate "RATE" "rate" "auto, polite, off, or a rate of 8kbit to 100gbit such as 50mbit"
        "how fast this side sends; the other has its own. auto: what the path carries; polite: yields to all; off: windows only"
        set |d, t| d.kcp.rate = t.parse().ok()?, get |d| Some(d.kcp.rate.to_string());
    Kcp Stream bandwidth "RATE" "" "a rate of 8kbit to 100gbit such as 50mbit"
        "what the line carries: is the rate where none is given, and with rtt sizes windows and budgets of a stream"
        set |d, t| d.bandwidth = Some(bandwidth(t)?), get |_d| None;
    Kcp Stream rtt "TIME" "" "1ms to 1m"
        "the round-trip time that bandwidth sizes windows for (100ms)"
        set |d, t| d.rtt = Some(duration(t).filter(|rtt| (1..=60_000).contains(&rtt.as_millis()))?), get |_d| None;
    Kcp Stream mtu "BYTES" "mtu" "50 to 65507" "bytes of the largest datagram, without UDP and IP headers"
        set |d, t| d.kcp.mtu = count(t)?, get |d| Some(d.kcp.mtu.to_string());
    Kcp Stream nodelay "BOOL" "" "true or false, yes or no, on or off, 1 or 0"
        "retransmission timeouts grow by half instead of doubling"
        set |d, t| d.kcp.nodelay.nodelay = boolean(t)?, get |d| Some(d.kcp.nodelay.nodelay.to_string());
    Kcp Stream interval "MS" "nodelay.interval" "10 to 5000, in milliseconds" "how long small writes may wait without flush_write"
        set |d, t| d.kcp.nodelay.interval = count(t)?, get |d| Some(d.kcp.nodelay.interval.to_string());
    Kcp Stream resend "N" "nodelay.resend" "0 to 128" "later acknowledgements that make a segment count as lost; 0: wait for the timeout"
        set |d, t| d.kcp.nodelay.resend = count(t)?, get |d| Some(d.kcp.nodelay.resend.to_string());
    Kcp Stream nc "BOOL" "" "true or false, yes or no, on or off, 1 or 0"
        "no congestion window of ikcp.c: rate, or send_window alone, bounds what is in flight"
        set |d, t| d.kcp.nodelay.nc = boolean(t)?, get |d| Some(d.kcp.nodelay.nc.to_string());
    Kcp Stream send_window "N" "wnd_size.0" "1 to 32767, in segments" "segments in flight at most, to begin with"
        set |d, t| d.kcp.wnd_size.0 = count(t)?, get |d| Some(d.kcp.wnd_size.0.to_string());
    Kcp Stream receive_window "N" "wnd_size.1" "1 to 32767, in segments; less than 128 counts as 128" "segments that the peer may have in flight, to begin with"
        set |d, t| d.kcp.wnd_size.1 = count(t)?, get |d| Some(d.kcp.wnd_size.1.to_string());
    Kcp Stream max_send_window "N" "max_wnd_size.0" "1 to 65535, in segments" "what send_window may grow to"
        set |d, t| d.kcp.max_wnd_size.0 = count(t)?, get |d| Some(d.kcp.max_wnd_size.0.to_string());
    Kcp Stream max_receive_window "N" "max_wnd_size.1" "1 to 65535, in segments" "what receive_window may grow to, within memory_budget"
        set |d, t| d.kcp.max_wnd_size.1 = count(t)?, get |d| Some(d.kcp.max_wnd_size.1.to_string());
    Kcp Stream flush_write "BOOL" "" "true or false, yes or no, on or off, 1 or 0" "small writes leave at once"
        set |d, t| d.kcp.flush_write = boolean(t)?, get |d| Some(d.kcp.flush_write.to_string());
    Kcp Stream engine "NAME" "" "ring, or kcp where it is compiled in" "the implementation of KCP"
        set |d, t| d.kcp.engine = engine(t)?, get |d| Some(d.kcp.engine.name().into());

    Times Stream session_expire "TIME" "session_expire" "10ms to 24d, or none" "silence after which a stream has ended"
        set |d, t| d.kcp.session_expire = or_none(t, duration)?, get |d| Some(print_or_none(d.kcp.session_expire, print_duration));
    Times Stream keep_alive "TIME" "keep_alive" "10ms to 24d and less than session_expire, or none" "silence after which the peer is asked for a sign of life"
        set |d, t| d.kcp.keep_alive = or_none(t, duration)?, get |d| Some(print_or_none(d.kcp.keep_alive, print_duration));
    Times Stream connect_timeout "TIME" "connect_timeout" "10ms to 24d, or none" "how long a connection waits for the server; none: not for its answer"
        set |d, t| d.kcp.connect_timeout = or_none(t, duration)?, get |d| Some(print_or_none(d.kcp.connect_timeout, print_duration));
    Times Stream linger "TIME" "linger" "0s to 24d" "how long what was sent before a close, or before the end of the daemon, may take to arrive"
        set |d, t| d.kcp.linger = duration(t)?, get |d| Some(print_duration(d.kcp.linger));
    Times Stream stall_timeout "TIME" "stall_timeout" "200ms to 24d" "time without progress after which a stream has failed"
        set |d, t| d.kcp.stall_timeout = duration(t)?, get |d| Some(print_duration(d.kcp.stall_timeout));
    Times Stream min_rto "TIME" "min_rto" "10ms to 60s and less than stall_timeout, or none" "smallest retransmission timeout"
        set |d, t| d.kcp.min_rto = or_none(t, duration)?, get |d| Some(print_or_none(d.kcp.min_rto, print_duration));
    Times Server target_timeout "TIME" "" "10ms to 10m" "server: the longest that opening a connection to the target may take"
        set |d, t| d.target_timeout = duration(t).filter(|time| (10..=600_000).contains(&time.as_millis()))?,
        get |d| Some(print_duration(d.target_timeout));
    Times Tunnel udp_lifetime "TIME" "datagrams.lifetime" "1ms to 24d" "how old a datagram may become with udp_reliable = no"
        set |d, t| d.udp_lifetime = duration(t).filter(|time| (1..=24 * 86_400_000).contains(&time.as_millis()))?,
        get |d| Some(print_duration(d.udp_lifetime));
    Times Tunnel udp_timeout "TIME" "" "1s to 24d" "silence after which the source of datagrams is forgotten"
        set |d, t| d.udp_timeout = duration(t).filter(|time| (1_000..=24 * 86_400_000).contains(&time.as_millis()))?,
        get |d| Some(print_duration(d.udp_timeout));
    Times Tunnel stats_interval "TIME" "" "1s to 24d, or none" "how often statistics are logged"
        set |d, t| d.stats_interval = or_none(t, |t| duration(t).filter(|time| (1_000..=24 * 86_400_000).contains(&time.as_millis())))?,
        get |d| Some(print_or_none(d.stats_interval, print_duration));

    Limits Stream max_retransmits "N" "dead_link" "2 to 1000" "transmissions of one segment that, with half of stall_timeout without progress, mean the peer is gone"
        set |d, t| d.kcp.dead_link = count(t)?, get |d| Some(d.kcp.dead_link.to_string());
    Limits Stream send_budget "SIZE" "send_budget" "mtu to 256m" "bytes that a stream holds until they are acknowledged"
        set |d, t| d.kcp.send_budget = size(t)?, get |d| Some(print_size(d.kcp.send_budget));
    Limits Stream recv_budget "SIZE" "recv_budget" "mtu to 256m" "bytes that a stream holds for a slow reader"
        set |d, t| d.kcp.recv_budget = size(t)?, get |d| Some(print_size(d.kcp.recv_budget));
    Limits Stream socket_send_buffer "SIZE" "send_buffer" "mtu to 256m, or none" "the system's buffer for sending; none: its default"
        set |d, t| d.kcp.send_buffer = or_none(t, size)?, get |d| Some(print_or_none(d.kcp.send_buffer, print_size));
    Limits Stream socket_recv_buffer "SIZE" "recv_buffer" "mtu to 256m, or none" "the system's buffer for receiving; none: its default"
        set |d, t| d.kcp.recv_buffer = or_none(t, size)?, get |d| Some(print_or_none(d.kcp.recv_buffer, print_size));
    Limits Stream max_sessions "N" "max_sessions" "1 to 1048576" "streams of all peers together"
        set |d, t| d.kcp.max_sessions = count(t)?, get |d| Some(d.kcp.max_sessions.to_string());
    Limits Server max_sessions_per_prefix "N" "max_sessions_per_prefix" "1 to 1048576, or none"
        "server: streams of one IPv4 address or IPv6 /64; none: a quarter of max_connections, at least 8"
        set |d, t| d.kcp.max_sessions_per_prefix = or_none(t, count)?,
        get |d| Some(print_or_none(d.kcp.max_sessions_per_prefix, |n| n.to_string()));
    Limits Server max_unconfirmed "N" "max_unconfirmed" "1 to 1048576" "server: streams whose peer has not yet proved its address"
        set |d, t| d.kcp.max_unconfirmed = count(t)?, get |d| Some(d.kcp.max_unconfirmed.to_string());
    Limits Server backlog "N" "backlog" "1 to 65535" "server: streams that wait to be accepted"
        set |d, t| d.kcp.backlog = count(t)?, get |d| Some(d.kcp.backlog.to_string());
    Limits Stream dscp "N" "dscp" "0 to 63, or none" "code point of the datagrams sent (RFC 2474)"
        set |d, t| d.kcp.dscp = or_none(t, count)?, get |d| Some(print_or_none(d.kcp.dscp, |n| n.to_string()));
    Limits Tunnel max_connections "N" "" "1 to 65535" "TCP connections carried at once (client 512, server 2048; not more than max_sessions)"
        set |d, t| d.max_connections = Some(count(t).filter(|n| (1..=65_535).contains(n))?),
        get |d| d.side.map(|side| d.connections(side).to_string());
    Limits Client udp_sources "N" "" "1 to 65535" "client: sources of datagrams at once; a new one takes the place of the one silent for longest"
        set |d, t| d.udp_sources = count(t).filter(|n| (1..=65_535).contains(n))?,
        get |d| Some(d.udp_sources.to_string());
    Limits Server perf "BOOL" "" "true or false, yes or no, on or off, 1 or 0" "server: answers `smol-kcpd perf`, which lets strangers use bandwidth"
        set |d, t| d.perf = boolean(t)?,
        get |d| Some(d.perf.to_string());

    Process Process log_level "LEVEL" "" "error, warn, info, debug or trace" "what is logged"
        set |d, t| d.process.log_level = crate::logging::level(t)?, get |d| Some(d.process.log_level.to_string().to_lowercase());
    Process Process control "PATH" "" "auto, off, or the path of a socket" "the socket for `smol-kcpd status`, for the owner only; auto: in /var/run or the user's own"
        set |d, t| d.process.control = control(t)?, get |d| Some(print_control(&d.process.control));
    Process Process http "ADDR:PORT" "" "an address and a port, such as 127.0.0.1:8080, where the build has the feature http, or none"
        "a page that shows what the tunnels do is there"
        set |d, t| d.process.http = web(t, cfg!(feature = "http"))?, get |d| Some(print_web(d.process.http));
    Process Process metrics "ADDR:PORT" "" "an address and a port, such as 127.0.0.1:9101, where the build has the feature metrics, or none"
        "metrics for Prometheus are there"
        set |d, t| d.process.metrics = web(t, cfg!(feature = "metrics"))?, get |d| Some(print_web(d.process.metrics));
    Process Process expose "BOOL" "" "true or false, yes or no, on or off, 1 or 0" "http and metrics may be where others reach them; they ask for no password"
        set |d, t| d.process.expose = boolean(t)?, get |d| Some(d.process.expose.to_string());
    Process Process memory_budget "SIZE" "memory_budget" "256k to 2047m"
        "bytes that the streams of all tunnels hold at most (an eighth of the memory, 4m to 1024m)"
        set |d, t| d.process.memory_budget = size(t).filter(|bytes| ((256 << 10)..=(2047 << 20)).contains(bytes))?,
        get |d| Some(print_size(d.process.memory_budget));
    Process Process user "NAME" "" "the name of a user" "whose rights the daemon takes on after binding"
        set |d, t| d.process.user = Some(user(t)?), get |d| d.process.user.clone();
}

fn engine(text: &str) -> Option<EngineKind> {
    EngineKind::ALL.iter().copied().find(|kind| kind.name() == text)
}

fn control(text: &str) -> Option<Control> {
    match text {
        "auto" => Some(Control::Auto),
        "off" => Some(Control::Off),
        // The name of a Unix socket has 107 bytes at most.
        _ => (text.contains('/') && text.len() < 108).then(|| Control::At(text.into())),
    }
}

fn web(text: &str, is_built: bool) -> Option<Option<SocketAddr>> {
    or_none(text, |text| text.parse().ok().filter(|_| is_built))
}

fn print_web(addr: Option<SocketAddr>) -> String {
    print_or_none(addr, |addr| addr.to_string())
}

fn print_control(control: &Control) -> String {
    match control {
        Control::Auto => "auto".into(),
        Control::Off => "off".into(),
        Control::At(path) => path.display().to_string(),
    }
}

/// What login names are made of (useradd's NAME_REGEX, loosely), so that nothing else gets to the
/// system's look-up.
fn user(text: &str) -> Option<String> {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!text.is_empty() && text.len() <= 32 && text.chars().all(ok)).then(|| text.to_string())
}

#[cfg(test)]
mod tests;
