//! The settings of a tunnel that speaks as kcptun does, from our options.

use super::super::builder::TunnelBuilder;
use super::super::error::{ConfigError, Location, Problem};
use super::super::table::{Group, KCPTUN_OPTIONS};
use super::{OptionValue, OptionValues};
use crate::ends::Side;
use crate::keys::Keyring;
use crate::{KcptunKey, KcptunSettings};

/// Where the key may be instead of a file.
const VARIABLE: &str = "KCPTUN_KEY";

/// Ports of a server: each has a socket and memory of its own.
const PORTS_OF_SERVER: usize = 256;

/// What kcp-go reads at most.
const MTU_MAX: usize = 1500;

/// The least that KCP needs of a datagram.
const MTU_MIN: usize = 50;

/// Returns what such a tunnel has beside its streams, with its key; `None`: it is one of ours. Sizes what the streams may hold
/// by their windows.
///
/// # Errors
/// What is not accepted, or missing.
pub(super) fn settings(
    values: &OptionValues,
    builder: &mut TunnelBuilder,
    place: &Location,
    keyring: &Keyring,
) -> Result<Option<KcptunSettings>, ConfigError> {
    if !builder.is_kcptun {
        let mut theirs = KCPTUN_OPTIONS.iter().filter(|option| option.name != "protocol");
        return match theirs.find_map(|option| values.get(option.name)) {
            Some(entry) => Err(entry.invalid("means something with protocol = kcptun only")),
            None => Ok(None),
        };
    }
    if let Some(entry) = values.0.iter().find(|entry| is_foreign(entry)) {
        return Err(entry.invalid("not with protocol = kcptun, whose peers know nothing of it"));
    }
    let kcptun = &builder.kcptun;
    if kcptun.stream_buffer > kcptun.smux_buffer {
        let accepted = format!("at most smux_buffer = {}", kcptun.smux_buffer);
        return Err(blame(values, "stream_buffer", kcptun.stream_buffer, accepted, place));
    }
    let overhead = kcptun.crypt.overhead() + if kcptun.fec.ratio().is_off() { 0 } else { 8 };
    let least = MTU_MIN + overhead;
    if !(least..=MTU_MAX).contains(&builder.kcp.mtu) {
        let accepted = format!("{least} to {MTU_MAX} with protocol = kcptun");
        return Err(blame(values, "mtu", builder.kcp.mtu, accepted, place));
    }
    let is_server = builder.side == Some(Side::Server);
    if let Some(ports) = kcptun.ports.filter(|ports| is_server && ports.count() > PORTS_OF_SERVER) {
        let accepted = format!("at most {PORTS_OF_SERVER} ports at a server");
        return Err(blame(values, "ports", ports, accepted, place));
    }
    size(values, builder);
    let mut kcptun = builder.kcptun.clone();
    kcptun.key = key(values, builder, place, keyring)?;
    Ok(Some(kcptun))
}

/// Belongs to the ways of our own kind.
fn is_foreign(entry: &OptionValue) -> bool {
    let of_keys = entry.option.group == Group::Keys && entry.option.name != "insecure";
    let measures =
        entry.option.name == "perf" && !matches!(&entry.value[..], "false" | "no" | "off" | "0");
    of_keys || measures || matches!(entry.option.name, "udp" | "udp_target")
}

/// A window that is given is a limit, as in kcptun; what is not given may grow. What a stream holds is a window at least.
fn size(values: &OptionValues, builder: &mut TunnelBuilder) {
    let kcp = &mut builder.kcp;
    let given = |name| values.get(name).is_some();
    if given("send_window") && !given("max_send_window") {
        kcp.max_wnd_size.0 = kcp.wnd_size.0;
    }
    if given("receive_window") && !given("max_receive_window") {
        kcp.max_wnd_size.1 = kcp.wnd_size.1;
    }
    let window = |segments: u16| (usize::from(segments) * kcp.mtu).min(256 << 20);
    let (send, recv) = (window(kcp.wnd_size.0), window(kcp.wnd_size.1));
    if !given("send_budget") {
        kcp.send_budget = kcp.send_budget.max(send);
    }
    if !given("recv_budget") {
        kcp.recv_budget = kcp.recv_budget.max(recv);
    }
}

fn key(
    values: &OptionValues,
    builder: &TunnelBuilder,
    place: &Location,
    keyring: &Keyring,
) -> Result<KcptunKey, ConfigError> {
    if !builder.kcptun.crypt.needs_key() {
        return Ok(KcptunKey::default());
    }
    if let Some(key) = &keyring.kcptun_key {
        return Ok(key.clone());
    }
    if let Some(entry) = values.get("kcptun_key_file") {
        let text = keyring.read(&entry.value).map_err(|why| entry.invalid(why))?;
        let line = text.lines().next().unwrap_or_default();
        return match line.is_empty() {
            true => Err(entry.invalid("holds no key: must have it on its first line")),
            false => Ok(KcptunKey::new(line)),
        };
    }
    match (keyring.environment)(VARIABLE).filter(|key| !key.is_empty()) {
        Some(key) => Ok(KcptunKey::new(key.as_str())),
        None => {
            let text = format!(
                "no key: `kcptun_key_file` names the file with the key of both sides, or {VARIABLE} in the \
                 environment is it"
            );
            Err(ConfigError::other(place.clone(), text))
        }
    }
}

/// Blames the value that was given, or the default.
fn blame(
    values: &OptionValues,
    name: &'static str,
    value: impl ToString,
    accepted: String,
    place: &Location,
) -> ConfigError {
    match values.get(name) {
        Some(entry) => entry.refused(accepted),
        None => {
            let problem = Problem::Refused { value: value.to_string(), accepted };
            ConfigError::new(place.clone(), name, problem)
        }
    }
}
