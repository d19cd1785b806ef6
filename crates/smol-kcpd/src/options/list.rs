//! The table of options as others read it: programs as JSON, people in columns.

use super::entries::default_of;
use super::table::{Group, Opt, ALIASES};
use super::values::{count, duration, size};
use crate::ends::Side;
use crate::json::push_string;

/// Counts what changes the meaning of the JSON: members are added without it.
const VERSION: &str = "1";

/// Writes the table as JSON (RFC 8259), an object whose `options` have a line each.
///
/// Defaults are strings, as they would be written, of a tunnel that says nothing on this machine; `null` is
/// none. Bounds are numbers: of milliseconds for times, of bytes for sizes; a string is the option that is
/// the bound.
pub fn options_as_json() -> String {
    let mut text = String::new();
    let program = env!("CARGO_PKG_VERSION");
    push(&mut text, &["{\"version\":", VERSION, ",\"smol_kcpd\":\"", program, "\",\"options\":["]);
    for (at, option) in Opt::all().enumerate() {
        push(&mut text, &[if at == 0 { "\n{" } else { "},\n{" }]);
        push_option(&mut text, option);
    }
    push(&mut text, &["}\n]}\n"]);
    text
}

fn push_option(text: &mut String, option: &Opt) {
    let aliases = ALIASES.iter().find(|(_, name)| *name == option.name);
    let aliases = aliases.map_or("[]".into(), |(alias, _)| format!("[\"{alias}\"]"));
    let set_by = option.scope.names().join("\",\"");
    push(text, &["\"name\":\"", option.name, "\",\"aliases\":", &aliases]);
    push(text, &[",\"set_by\":[\"", &set_by, "\"]"]);
    for (key, value) in [
        ("group", Some(option.group.name())),
        ("unit", Some(option.unit)),
        ("uci", Some(option.uci_type())),
        ("accepted", Some(option.accepted)),
        ("help", Some(option.help)),
        ("client", default_of(option, Some(Side::Client)).as_deref()),
        ("server", default_of(option, Some(Side::Server)).as_deref()),
        ("needs", needs(option)),
    ] {
        push(text, &[",\"", key, "\":"]);
        push_string(text, value);
    }
    let choices: Vec<String> = option.choices().iter().map(|word| format!("\"{word}\"")).collect();
    push(text, &[",\"choices\":[", &choices.join(","), "]"]);
    let (min, max) = option.range().unzip();
    for (key, bound) in [("min", min), ("max", max)] {
        push(text, &[",\"", key, "\":"]);
        match bound.and_then(|bound| number(option, bound)) {
            Some(number) => push(text, &[&number.to_string()]),
            None => push_string(text, bound),
        }
    }
    for (key, is) in [
        ("none", option.has_none()),
        ("switch", option.is_switch()),
        ("list", option.is_list()),
        ("by_machine", matches!(option.name, "profile" | "memory_budget")),
    ] {
        push(text, &[",\"", key, if is { "\":true" } else { "\":false" }]);
    }
}

/// The option without which this one is refused, with the value that it must have unless any will do.
fn needs(option: &Opt) -> Option<&'static str> {
    match option.name {
        "protocol" => None,
        _ if option.group == Group::Kcptun => Some("protocol=kcptun"),
        "rtt" => Some("bandwidth"),
        "allow" | "server_key" | "psk_file" => Some("secret_file"),
        "client_target" => Some("allow"),
        _ => None,
    }
}

fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}

/// Reads a bound; `None` if that is another option.
fn number(option: &Opt, text: &str) -> Option<usize> {
    match option.unit {
        "TIME" => duration(text).and_then(|time| usize::try_from(time.as_millis()).ok()),
        "SIZE" => size(text),
        _ => count(text),
    }
}

/// Writes the table in columns.
pub fn options_as_text() -> String {
    let mut text = row("option", "set by", ["client", "server"].map(String::from), "accepted");
    for option in Opt::all() {
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
