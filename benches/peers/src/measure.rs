//! The scenarios: who takes part, with which arguments, and what is made of what the sides print.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::{Figures, Side};
use crate::relay::{Line, Relay};

/// Who is measured, in the order of the table. The second is the first with all connections of a
/// client over one socket, the third the first with all that travels encrypted. The last three are floors: bare datagrams on tokio and on smol, and the
/// kernel's TCP.
pub const PEERS: [&str; 10] = [
    "smol-kcp",
    "smol-kcp/1",
    "smol-kcp/secure",
    "tokio_kcp",
    "kcp-io",
    "kcp-tokio",
    "kcp-rs",
    "UDP",
    "UDP/smol",
    "TCP",
];

/// The line of the lossy scenarios: milliseconds each way.
const DELAY: Duration = Duration::from_millis(20);

/// A scenario, by its name in the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Bulk { buffers: Option<usize> },
    Ping { cores: usize },
    Many,
    Idle,
    Loss { percent: u32, buffers: Option<usize> },
    PingLoss { percent: u32 },
    Size,
}

pub const SCENARIOS: [(&str, Scenario); 13] = [
    ("bulk", Scenario::Bulk { buffers: None }),
    ("bulk-4m", Scenario::Bulk { buffers: Some(4 << 20) }),
    ("ping-1", Scenario::Ping { cores: 1 }),
    ("ping-2", Scenario::Ping { cores: 2 }),
    ("many", Scenario::Many),
    ("idle", Scenario::Idle),
    ("loss-5", Scenario::Loss { percent: 5, buffers: None }),
    ("loss-5-4m", Scenario::Loss { percent: 5, buffers: Some(4 << 20) }),
    ("loss-10", Scenario::Loss { percent: 10, buffers: None }),
    ("loss-10-4m", Scenario::Loss { percent: 10, buffers: Some(4 << 20) }),
    ("ping-loss-5", Scenario::PingLoss { percent: 5 }),
    ("ping-loss-10", Scenario::PingLoss { percent: 10 }),
    ("size", Scenario::Size),
];

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub quick: bool,
}

impl Scenario {
    pub fn includes(self, peer: &str) -> bool {
        match self {
            Scenario::Bulk { .. } | Scenario::Ping { .. } => peer != "smol-kcp/1",
            Scenario::Many | Scenario::Idle => !matches!(peer, "UDP" | "UDP/smol" | "TCP"),
            _ => !matches!(peer, "smol-kcp/1" | "smol-kcp/secure" | "UDP" | "UDP/smol" | "TCP"),
        }
    }

    /// Runs; the median of so many is taken.
    pub fn runs(self, effort: Effort) -> usize {
        match self {
            _ if effort.quick => 1,
            Scenario::Idle | Scenario::Size => 1,
            Scenario::Many | Scenario::Loss { .. } | Scenario::PingLoss { .. } => 3,
            _ => 5,
        }
    }

    /// One run of one peer: its figures, or why there are none.
    pub fn run(
        self,
        peer: &str,
        run: usize,
        effort: Effort,
        bins: &Bins,
    ) -> Result<Figures, String> {
        let part = |full: usize, quick: usize| if effort.quick { quick } else { full };
        let seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(run as u64 + 1);
        let line = |percent: u32| Line { delay: DELAY, loss: f64::from(percent), seed };
        match self {
            Scenario::Bulk { buffers } => {
                let bytes = part(256 << 20, 64 << 20);
                let mut args = vec![format!("bytes={bytes}")];
                args.extend(buffers.map(|size| format!("buffers={size}")));
                let (client, server, _) = both(peer, "bulk", &args, [&[], &[]], None, 60, bins)?;
                let (bytes, seconds) = (bytes as f64, need(&client, "seconds")?);
                let mut figures = Figures::from([
                    ("MB/s".into(), bytes / 1e6 / seconds),
                    ("client s/GB".into(), need(&client, "cpu")? * 1e9 / bytes),
                    ("server s/GB".into(), need(&server, "cpu")? * 1e9 / bytes),
                ]);
                if let (Some(again), Some(sent)) = (client.get("again"), client.get("segments")) {
                    figures.insert("sent again %".into(), 100.0 * again / sent);
                }
                Ok(figures)
            }
            Scenario::Ping { cores } => {
                let args = [format!("rounds={}", part(20_000, 5_000)), "warm=1000".into()];
                let one = ["connections=1".to_owned()];
                let args = [&args[..], &one].concat();
                let (at, there) = (["core=0".to_owned()], [format!("core={}", cores - 1)]);
                let (client, _, _) = both(peer, "echo", &args, [&at, &there], None, 60, bins)?;
                take(&client, &[("p50", "p50 µs"), ("p99", "p99 µs")])
            }
            Scenario::Many => {
                let args =
                    ["connections=200".into(), "warm=3".into(), format!("seconds={}", part(2, 1))];
                let (client, server, _) = both(peer, "echo", &args, [&[], &[]], None, 60, bins)?;
                let rounds = need(&client, "rounds")?;
                let cpu = need(&client, "cpu")? + need(&server, "cpu")?;
                Ok(Figures::from([
                    ("messages/s".into(), rounds / need(&client, "seconds")?),
                    ("CPU µs/message".into(), cpu * 1e6 / rounds),
                ]))
            }
            Scenario::Idle => {
                let args = [
                    format!("connections={}", part(1000, 200)),
                    "settle=15".into(),
                    format!("seconds={}", part(10, 3)),
                ];
                let (client, server, _) = both(peer, "idle", &args, [&[], &[]], None, 90, bins)?;
                let mut figures = Figures::new();
                for (side, of) in [("server", &server), ("client", &client)] {
                    for (key, name, unit) in [
                        ("heap", "heap, KiB", 1024.0),
                        ("rss", "RSS, KiB", 1024.0),
                        ("cpu", "CPU %", 1.0),
                        ("wakeups", "wake-ups/s", 1.0),
                    ] {
                        figures.insert(format!("{side} {name}"), need(of, key)? / unit);
                    }
                }
                Ok(figures)
            }
            Scenario::Loss { percent, buffers } => {
                let bytes = part(32 << 20, 8 << 20);
                let mut args = vec![format!("bytes={bytes}")];
                args.extend(buffers.map(|size| format!("buffers={size}")));
                let line = Some(line(percent));
                let (client, server, wire) = both(peer, "bulk", &args, [&[], &[]], line, 60, bins)?;
                let bytes = bytes as f64;
                let cpu = need(&client, "cpu")? + need(&server, "cpu")?;
                Ok(Figures::from([
                    ("MB/s".into(), bytes / 1e6 / need(&client, "seconds")?),
                    ("wire/payload".into(), wire.0 as f64 / bytes),
                    ("answers/payload".into(), wire.1 as f64 / bytes),
                    ("CPU s/GB".into(), cpu * 1e9 / bytes),
                ]))
            }
            Scenario::PingLoss { percent } => {
                // 4,800 pings a run: 48 of them are behind the p99.
                let rounds = part(150, 40);
                let args = ["connections=32".into(), "warm=1".into(), format!("rounds={rounds}")];
                let line = Some(line(percent));
                let (client, _, _) = both(peer, "echo", &args, [&[], &[]], line, 90, bins)?;
                let figures = take(
                    &client,
                    &[("p50", "p50"), ("p99", "p99"), ("max", "max"), ("mean", "mean")],
                )?;
                Ok(figures.into_iter().map(|(k, v)| (format!("{k} ms"), v / 1000.0)).collect())
            }
            Scenario::Size => {
                let bytes = |name: &str| {
                    let path = bins.small.join(format!("echo_{}", name.replace('-', "_")));
                    let len = fs::metadata(&path).map(|file| file.len() as f64);
                    len.map_err(|error| format!("{}: {error}", path.display()))
                };
                let (all, nothing) = (bytes(peer)?, bytes("nothing")?);
                Ok(Figures::from([
                    ("kB".into(), all / 1000.0),
                    ("kB more than nothing".into(), (all - nothing) / 1000.0),
                ]))
            }
        }
    }
}

/// Where the binaries of the sides are.
pub struct Bins {
    pub fast: PathBuf,
    pub small: PathBuf,
}

/// Runs client and server; what both say, and what was on the line.
fn both(
    peer: &str,
    scenario: &str,
    args: &[String],
    [for_client, for_server]: [&[String]; 2],
    line: Option<Line>,
    limit: u64,
    bins: &Bins,
) -> Result<(Figures, Figures, (u64, u64)), String> {
    let secure = peer.strip_suffix("/secure");
    let (name, one_socket) = match peer.strip_suffix("/1") {
        Some(name) => (name, true),
        None => (secure.unwrap_or(peer), false),
    };
    let secure = format!("secure={}", secure.is_some());
    let program = bins.fast.join(format!("side_{}", name.to_lowercase().replace(['-', '/'], "_")));
    let given = |role: &str, more: &[String]| {
        [&[role.to_owned(), scenario.to_owned(), secure.clone()], args, more].concat()
    };
    let mut server = Side::start("server", &program, &given("server", for_server))?;
    let addr = server.first(Duration::from_secs(10))?;
    let relay = match line {
        Some(line) => {
            let server = addr.parse().map_err(|_| format!("an odd address: {addr}"))?;
            Some(Relay::start(server, line).map_err(|error| format!("relay: {error}"))?)
        }
        None => None,
    };
    let addr = relay.as_ref().map_or(addr, |relay| relay.addr.to_string());
    let more = [for_client, &[format!("addr={addr}"), format!("one_socket={one_socket}")]].concat();
    let client = Side::start("client", &program, &given("client", &more))?;
    let said = client.finish(Duration::from_secs(limit));
    let wire = relay.as_ref().map_or((0, 0), Relay::bytes);
    // The client's complaint may be about the server's end.
    let server = server.end(Duration::from_secs(20));
    match (said, server) {
        (Ok(client), Ok(server)) => Ok((client, server, wire)),
        (Err(client), Err(server)) => Err(format!("{client}; {server}")),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn need(figures: &Figures, key: &str) -> Result<f64, String> {
    figures.get(key).copied().ok_or_else(|| format!("it did not say its {key}"))
}

fn take(figures: &Figures, keys: &[(&str, &str)]) -> Result<Figures, String> {
    keys.iter().map(|(key, name)| Ok(((*name).to_owned(), need(figures, key)?))).collect()
}
