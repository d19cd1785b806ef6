//! The table of options as others read it: programs as JSON, people in columns.

use super::builder::Side;
use super::entries::default_of;
use super::table::{Group, Opt, ALIASES, OPTIONS};
use super::values::{count, duration, size};

/// Writes the table as JSON (RFC 8259), an array with one line for each option.
///
/// Defaults are strings, as they would be written, of a tunnel that says nothing on this machine; `null` is
/// none. Bounds are numbers: of milliseconds for times, of bytes for sizes; a string is the option that is
/// the bound.
pub fn options_as_json() -> String {
    let mut text = String::new();
    for option in OPTIONS {
        text.push_str(if text.is_empty() { "[\n" } else { ",\n" });
        text.push('{');
        for (at, (key, value)) in members(option).into_iter().enumerate() {
            text.push_str(if at == 0 { "\"" } else { ",\"" });
            text.push_str(key);
            text.push_str("\":");
            text.push_str(&value);
        }
        text.push('}');
    }
    text.push_str("\n]\n");
    text
}

fn members(option: &Opt) -> [(&'static str, String); 14] {
    let (min, max) = option.range().unzip();
    let bound = |bound: Option<&str>| bound.map_or_else(null, |text| number(option, text));
    let default = |side| default_of(option, Some(side)).map_or_else(null, |text| quoted(&text));
    let aliases = ALIASES.iter().filter(|(_, name)| *name == option.name).map(|(alias, _)| *alias);
    [
        ("name", quoted(option.name)),
        ("aliases", list(aliases)),
        ("group", quoted(group(option.group))),
        ("set_by", list(option.scope.names().iter().copied())),
        ("unit", quoted(option.unit)),
        ("uci", quoted(option.uci_type())),
        ("switch", option.is_switch().to_string()),
        ("accepted", quoted(option.accepted)),
        ("min", bound(min)),
        ("max", bound(max)),
        ("none", option.has_none().to_string()),
        ("client", default(Side::Client)),
        ("server", default(Side::Server)),
        ("help", quoted(option.help)),
    ]
}

/// Writes the table in columns.
pub fn options_as_text() -> String {
    let mut text = row("option", "set by", ["client", "server"].map(String::from), "accepted");
    for option in OPTIONS {
        let default = |side| default_of(option, Some(side)).unwrap_or_else(|| "-".into());
        let defaults = [Side::Client, Side::Server].map(default);
        text.push_str(&row(
            option.name,
            &option.scope.names().join(" "),
            defaults,
            option.accepted,
        ));
    }
    text
}

fn row(name: &str, scope: &str, [client, server]: [String; 2], accepted: &str) -> String {
    format!("{name:<24}{scope:<20}{client:<12}{server:<12}{accepted}\n")
}

fn group(group: Group) -> &'static str {
    match group {
        Group::Tunnel => "tunnel",
        Group::Kcp => "kcp",
        Group::Times => "times",
        Group::Limits => "limits",
        Group::Process => "process",
    }
}

fn null() -> String {
    "null".into()
}

/// A bound of a range.
fn number(option: &Opt, text: &str) -> String {
    let number = match option.unit {
        "TIME" => duration(text).map(|time| time.as_millis().to_string()),
        "SIZE" => size(text).map(|bytes| bytes.to_string()),
        _ => count::<u64>(text).map(|n| n.to_string()),
    };
    number.unwrap_or_else(|| quoted(text))
}

fn list(texts: impl Iterator<Item = &'static str>) -> String {
    format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(","))
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\0'..='\x1f' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
