//! From kcptun's parameters to our options.

use smol_kcp::kcp_go::{Cipher, FecConfig};

use super::super::error::ConfigError;
use super::parameters::{Fate, Parameters};
use crate::ends::Side;
use crate::{HostPort, KcptunKey, PortRange};

/// The most that our windows begin with.
const WINDOW_MAX: u64 = 32_767;

/// Buffers, in bytes: as our options have them.
const BUFFER_MIN: u64 = 64 << 10;
const BUFFER_MAX: u64 = 256 << 20;

/// What parameters are in our words.
#[derive(Debug)]
pub(super) struct Translation {
    /// Options with their values, in the order of our file. The key is not among them.
    pub values: Vec<(&'static str, String)>,
    /// `None`: the cipher needs none.
    pub key: Option<KcptunKey>,
    /// What is otherwise than the parameters say, a sentence each.
    pub notes: Vec<String>,
}

/// Translates the parameters of one client or server. Those that ask for what cannot be had are an error if it `refuses`
/// them, and else noted.
///
/// # Errors
/// A value that is not accepted, or is missing.
pub(super) fn translate(
    parameters: &Parameters,
    default_smux_version: u64,
    refuses: bool,
) -> Result<Translation, ConfigError> {
    let mut notes = Vec::new();
    look_at_fates(parameters, refuses, &mut notes)?;
    let mut values = vec![("role", parameters.side.to_string()), ("protocol", "kcptun".into())];
    addresses(parameters, &mut values)?;
    let cipher = cipher(parameters)?;
    values.push(("crypt", cipher.name().into()));
    values.push(("fec", fec(parameters)?.to_string()));
    values.push(("compression", (!parameters.is_on("nocomp")?).to_string()));
    values.push(("mtu", parameters.number("mtu", 1350, 50..=1500)?.to_string()));
    modes(parameters, &mut values)?;
    windows(parameters, &mut values, &mut notes)?;
    let rate = parameters.number("ratelimit", 0, 0..=12_500_000_000)?;
    if rate > 0 {
        values.push(("rate", format!("{}kbit", (rate * 8 / 1000).max(8))));
    }
    let dscp = parameters.number("dscp", 0, 0..=63)?;
    if dscp > 0 {
        values.push(("dscp", dscp.to_string()));
    }
    let buffer = parameters.number("sockbuf", 4 << 20, 1500..=BUFFER_MAX)?;
    if parameters.get("sockbuf").is_some() {
        values.push(("socket_send_buffer", buffer.to_string()));
        values.push(("socket_recv_buffer", buffer.to_string()));
    }
    smux(parameters, default_smux_version, &mut values)?;
    if parameters.side == Side::Client {
        values.push(("sessions", parameters.number("conn", 1, 1..=64)?.to_string()));
        let expire = parameters.number("autoexpire", 0, 0..=24 * 86_400)?;
        if expire > 0 {
            values.push(("auto_expire", format!("{expire}s")));
        }
        // luci-app-kcptun writes -1 for "never".
        let ttl = match parameters.text("scavengettl", "600") {
            "-1" => 24 * 86_400,
            _ => parameters.number("scavengettl", 600, 0..=24 * 86_400)?,
        };
        if ttl != 600 {
            values.push(("scavenge_ttl", format!("{ttl}s")));
        }
    }
    let wait = parameters.number("closewait", 0, 0..=24 * 86_400)?;
    if wait > 0 {
        values.push(("close_wait", format!("{wait}s")));
    }
    let key = cipher.needs_key().then(|| match parameters.get("key") {
        Some(given) => KcptunKey::new(given.value.clone()),
        None => KcptunKey::default(),
    });
    Ok(Translation { values, key, notes })
}

/// Refuses what cannot be had, and notes what means nothing.
fn look_at_fates(
    parameters: &Parameters,
    refuses: bool,
    notes: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let mut ignored: Vec<&str> = parameters.unknown.iter().map(String::as_str).collect();
    for given in parameters.iter() {
        // Files have every key, mostly to say no.
        let says_no =
            matches!(given.value.as_str(), "" | "0" | "f" | "F" | "false" | "FALSE" | "False");
        match given.parameter.fate {
            _ if says_no => {}
            Fate::Kept => {}
            Fate::Ignored => ignored.push(given.parameter.name),
            Fate::Refused(why) if refuses => return Err(given.invalid(why)),
            Fate::Refused(why) => {
                let name = given.parameter.name;
                notes.push(format!(
                    "{name} cannot be carried over ({why}): take it from the other side too"
                ));
            }
        }
    }
    if !ignored.is_empty() {
        notes.push(format!("means nothing here, and is ignored: {}", ignored.join(", ")));
    }
    Ok(())
}

fn addresses(
    parameters: &Parameters,
    values: &mut Vec<(&'static str, String)>,
) -> Result<(), ConfigError> {
    let (listen, default) = match parameters.side {
        Side::Client => ("localaddr", ":12948"),
        Side::Server => ("listen", ":29900"),
    };
    let text = parameters.text(listen, default);
    let must = "an address and a port, such as :12948 or 127.0.0.1:12948";
    let wrong = || refused(parameters, listen, text, must);
    let (host, port, ports) = split(text).ok_or_else(wrong)?;
    let host = match host {
        "" => "[::]", // all there is
        "localhost" => "127.0.0.1",
        host => host,
    };
    let address = HostPort::parse_listen(&format!("{host}:{port}")).ok_or_else(wrong)?;
    values.push(("listen", address.to_string()));
    let far = match parameters.side {
        Side::Client if ports.is_some() => return Err(wrong()),
        Side::Client => {
            let text = parameters.text("remoteaddr", "vps:29900");
            let must = "a name or address and a port or a range of ports, such as vps:29900, \
                        [2001:db8::1]:29900 or vps:29900-29910";
            let wrong = || refused(parameters, "remoteaddr", text, must);
            let (host, port, ports) = split(text).ok_or_else(wrong)?;
            let server = HostPort::parse(&format!("{host}:{port}")).ok_or_else(wrong)?;
            values.push(("server", server.to_string()));
            ports
        }
        Side::Server => {
            let text = parameters.text("target", "127.0.0.1:12948");
            let must = "a name or address and a port, such as 127.0.0.1:12948 (sockets in files are not reached)";
            let wrong = || refused(parameters, "target", text, must);
            let whole =
                if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.into() };
            let target = HostPort::parse(&whole).ok_or_else(wrong)?;
            values.push(("target", target.to_string()));
            ports
        }
    };
    if let Some(ports) = far {
        values.push(("ports", ports.to_string()));
    }
    Ok(())
}

/// Splits host, first port and range of ports, where there is one.
fn split(text: &str) -> Option<(&str, u16, Option<PortRange>)> {
    let (host, ports) = text.rsplit_once(':')?;
    let range = PortRange::parse(ports)?;
    Some((host, range.draw(0), (range.count() > 1).then_some(range)))
}

fn refused(parameters: &Parameters, name: &str, default: &str, must: &str) -> ConfigError {
    match parameters.get(name) {
        Some(given) => given.refused(must),
        None => super::super::command::usage_error(format!("--{name} {default}: must be {must}")),
    }
}

fn cipher(parameters: &Parameters) -> Result<Cipher, ConfigError> {
    let Some(given) = parameters.get("crypt") else { return Ok(Cipher::Aes) };
    Cipher::from_name(&given.value).map_err(|_| {
        given.refused(format!("{}; kcptun takes aes for what it does not know", ciphers()))
    })
}

fn fec(parameters: &Parameters) -> Result<FecConfig, ConfigError> {
    let data = parameters.number("datashard", 10, 0..=255)?;
    let parity = parameters.number("parityshard", 3, 0..=255)?;
    if data == 0 || parity == 0 {
        return Ok(FecConfig::OFF); // as kcptun has it
    }
    let fec = FecConfig {
        data: u8::try_from(data).unwrap_or(u8::MAX),
        parity: u8::try_from(parity).unwrap_or(u8::MAX),
    };
    let blamed = parameters.get("datashard").or(parameters.get("parityshard"));
    match (fec.check(), blamed) {
        (Err(_), Some(given)) => {
            Err(given.invalid(format!("{data} + {parity}: must be at most 256 together")))
        }
        _ => Ok(fec),
    }
}

/// The four knobs of KCP, by their usual names or one by one.
fn modes(
    parameters: &Parameters,
    values: &mut Vec<(&'static str, String)>,
) -> Result<(), ConfigError> {
    let (nodelay, interval, resend, nc) = match parameters.text("mode", "fast") {
        "normal" => (0, 40, 2, 1),
        "fast" => (0, 30, 2, 1),
        "fast2" => (1, 20, 2, 1),
        "fast3" => (1, 10, 2, 1),
        "manual" => (
            parameters.number("nodelay", 0, 0..=2)?,
            // kcp-go takes the nearest that it accepts.
            parameters.number("interval", 50, 0..=60_000)?.clamp(10, 5000),
            parameters.number("resend", 0, 0..=128)?,
            parameters.number("nc", 0, 0..=1)?,
        ),
        other => {
            return Err(refused(parameters, "mode", other, "normal, fast, fast2, fast3 or manual"));
        }
    };
    values.push(("nodelay", (nodelay > 0).to_string()));
    values.push(("interval", interval.to_string()));
    values.push(("resend", resend.to_string()));
    values.push(("nc", (nc > 0).to_string()));
    Ok(())
}

/// Windows that are not given are kcptun's, and may grow.
fn windows(
    parameters: &Parameters,
    values: &mut Vec<(&'static str, String)>,
    notes: &mut Vec<String>,
) -> Result<(), ConfigError> {
    for (name, ours) in [("sndwnd", "send_window"), ("rcvwnd", "receive_window")] {
        if parameters.get(name).is_none() {
            continue;
        }
        let given = parameters.number(name, 0, 1..=u64::from(u32::MAX))?;
        if given > WINDOW_MAX {
            notes.push(format!(
                "{name} {given} is {WINDOW_MAX} here, the most that a window begins with"
            ));
        }
        values.push((ours, given.min(WINDOW_MAX).to_string()));
    }
    Ok(())
}

fn smux(
    parameters: &Parameters,
    default_version: u64,
    values: &mut Vec<(&'static str, String)>,
) -> Result<(), ConfigError> {
    let version = parameters.number("smuxver", default_version, 1..=2)?;
    let session = parameters.number("smuxbuf", 4 << 20, BUFFER_MIN..=BUFFER_MAX)?;
    let default = (2u64 << 20).min(session);
    let stream = parameters.number("streambuf", default, 16 << 10..=BUFFER_MAX)?;
    if let Some(given) = parameters.get("streambuf").filter(|_| stream > session) {
        return Err(given.refused(format!("at most smuxbuf, {session}")));
    }
    values.push(("smux_version", version.to_string()));
    if parameters.get("smuxbuf").is_some() || parameters.get("streambuf").is_some() {
        values.push(("smux_buffer", session.to_string()));
        values.push(("stream_buffer", stream.to_string()));
    }
    let frame = parameters.number("framesize", 8192, 256..=65_535)?;
    if parameters.get("framesize").is_some() {
        values.push(("frame_size", frame.to_string()));
    }
    values.push(("keep_alive", format!("{}s", parameters.number("keepalive", 10, 1..=30)?)));
    Ok(())
}

/// Lists the ciphers of this build, for messages.
fn ciphers() -> String {
    let names: Vec<&str> = Cipher::ALL.iter().map(|cipher| cipher.name()).collect();
    names.join(", ")
}
