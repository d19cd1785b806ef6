//! The documentation of the profiles, held to what they are.

use std::fmt::Write;
use std::time::Duration;

use super::*;

const SOURCE: &str = include_str!("../profiles.rs");

/// A profile with the path its documentation says it is made for: bits per second, milliseconds.
struct Case {
    name: &'static str,
    config: KcpConfig,
    path: (u64, u64),
}

fn cases() -> Vec<Case> {
    const MBIT: u64 = 1_000_000;
    let case = |name, config, path| Case { name, config, path };
    vec![
        case("lan", KcpConfig::lan(), (1000 * MBIT, 4)),
        case("wan", KcpConfig::wan(), (50 * MBIT, 100)),
        case("high_latency", KcpConfig::high_latency(), (30 * MBIT, 600)),
        case("low_bandwidth", KcpConfig::low_bandwidth(), (MBIT, 300)),
        case("low_memory", KcpConfig::low_memory(), (20 * MBIT, 50)),
        case("gaming", KcpConfig::gaming(), (MBIT, 100)),
        case("realtime", KcpConfig::realtime(), (8 * MBIT, 150)),
        case("file_transfer", KcpConfig::file_transfer(), (100 * MBIT, 200)),
    ]
}

/// The documentation comment right above `pub fn name`.
fn documentation(name: &str) -> String {
    let end = SOURCE.find(&format!("pub fn {name}(")).expect("the profile is in this file");
    let mut lines: Vec<&str> = SOURCE[..end]
        .lines()
        .rev()
        .map(str::trim)
        .skip_while(|line| line.is_empty())
        .map_while(|line| line.strip_prefix("///"))
        .map(str::trim)
        .collect();
    lines.reverse();
    lines.join("\n")
}

fn with_commas(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap()).collect();
    groups.join(",")
}

/// The table as it has to be. Rows that only some profiles have appear where they differ from the
/// default.
fn table(config: &KcpConfig) -> String {
    let usual = KcpConfig::default();
    let knobs = config.nodelay;
    let mode = match knobs {
        k if k == KcpNoDelayConfig::fastest() => " ([`fastest`](KcpNoDelayConfig::fastest))",
        k if k == KcpNoDelayConfig::fast2() => " ([`fast2`](KcpNoDelayConfig::fast2))",
        _ => "",
    };
    let shown = |time: Duration| match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    };
    let mut rows = format!("| | |\n|---|---|\n| `mtu` | {} |\n", config.mtu);
    let mut row = |name: &str, value: String| writeln!(rows, "| {name} | {value} |").unwrap();
    row(
        "`nodelay`",
        format!("{}, {}, {}, {}{mode}", knobs.nodelay, knobs.interval, knobs.resend, knobs.nc),
    );
    row("`wnd_size`", format!("{}, {}", config.wnd_size.0, config.wnd_size.1));
    if config.flush_write != usual.flush_write {
        row("`flush_write`", config.flush_write.to_string());
    }
    if config.stream != usual.stream {
        row("`stream`", config.stream.to_string());
    }
    row(
        "`keep_alive`, `session_expire`",
        format!("{}, {}", shown(config.keep_alive.unwrap()), shown(config.session_expire.unwrap())),
    );
    row(
        "`connect_timeout`, `stall_timeout`, `linger`",
        format!(
            "{}, {}, {}",
            shown(config.connect_timeout.unwrap()),
            shown(config.stall_timeout),
            shown(config.linger)
        ),
    );
    if let Some(min_rto) = config.min_rto {
        row("`min_rto`", shown(min_rto));
    }
    row(
        "`send_budget`, `recv_budget`",
        format!("{} KiB, {} KiB", config.send_budget / KIB, config.recv_budget / KIB),
    );
    if let Some(max_message) = config.max_message {
        row("`max_message`", format!("{} KiB", max_message / KIB));
    }
    if config.memory_budget != usual.memory_budget {
        let bytes = config.memory_budget.unwrap_or_default();
        row("`memory_budget`", format!("{} KiB", bytes / KIB));
    }
    let sessions = (config.max_sessions, config.max_unconfirmed, config.backlog);
    if sessions != (usual.max_sessions, usual.max_unconfirmed, usual.backlog) {
        let (most, unconfirmed, backlog) = sessions;
        row(
            "`max_sessions`, `max_unconfirmed`, `backlog`",
            format!("{most}, {unconfirmed}, {backlog}"),
        );
    }
    let memory = config.max_session_memory() as u64;
    row("memory per session", format!("{} bytes", with_commas(memory)));
    rows.trim_end().to_string()
}

#[test]
fn every_profile_and_the_default_pass_the_check() {
    KcpConfig::default().check().unwrap();
    for Case { name, config, .. } in cases() {
        config.check().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_profile_is_among_the_cases() {
    let names: Vec<&str> = SOURCE
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub fn ")?.split('(').next())
        .collect();
    assert_eq!(names, cases().iter().map(|case| case.name).collect::<Vec<_>>());
}

#[test]
fn tables_say_what_the_code_does() {
    for Case { name, config, .. } in cases() {
        let said = documentation(name);
        let said = said.split_once("| | |").map(|(_, rows)| format!("| | |{rows}"));
        assert_eq!(said.as_deref(), Some(&*table(&config)), "table of {name}");
    }
}

#[test]
fn windows_and_budgets_fill_the_path_a_profile_is_made_for() {
    for Case { name, config, path: (bits, millis) } in cases() {
        let bytes = bits * millis / 8_000;
        let segments = bytes.div_ceil(config.mss() as u64);
        let said = documentation(name).replace('\n', " ");
        for figure in [with_commas(bytes), segments.to_string()] {
            assert!(said.contains(&figure), "{name} does not mention {figure}");
        }
        let send_window = config.wnd_size.0;
        assert!(segments <= send_window.into(), "{name}: window of {send_window}");
        let window_bytes = usize::from(send_window) * config.mss();
        assert!(window_bytes <= config.send_budget, "{name}: send budget");
    }
}

#[test]
fn messages_fit_the_send_budget() {
    for Case { name, config, .. } in cases() {
        assert!(config.max_message_len() <= config.send_budget, "{name}");
    }
}

#[test]
fn keepalives_hold_nat_mappings_and_come_thrice_before_expiry() {
    for Case { name, config, .. } in cases() {
        let keep_alive = config.keep_alive.unwrap();
        assert!(keep_alive < secs(30), "{name}");
        assert!(keep_alive * 3 < config.session_expire.unwrap(), "{name}");
    }
}

#[test]
fn a_router_of_64_mb_survives_all_of_its_sessions() {
    let config = KcpConfig::low_memory();
    let floors = config.max_sessions * 2 * 2 * config.mtu;
    let worst = config.memory_budget.unwrap() + floors;
    assert_eq!(worst, 11_153_408);
    assert!(documentation("low_memory").contains(&with_commas(worst as u64)));
}
