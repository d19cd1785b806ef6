//! The init script's options: those of smol-kcpd's table, with their types.

use std::collections::BTreeSet;

use smol_kcpd::{Opt, Scope, ALIASES, OPTIONS};

use super::init::{Router, CLIENT, SERVER};

/// A value for each option, so that a new one cannot be forgotten here.
fn example(option: &str) -> &'static str {
    match option {
        "role" | "listen" | "server" | "target" => "of the section",
        "profile" => "low_memory",
        "rate" => "polite",
        "bandwidth" => "50mbit",
        "rtt" => "120ms",
        "mtu" => "1400",
        "nodelay" | "nc" => "yes",
        "flush_write" | "perf" => "off",
        "interval" => "20",
        "resend" => "2",
        "send_window" | "receive_window" => "256",
        "max_send_window" | "max_receive_window" => "4096",
        "engine" => "ring",
        "session_expire" => "5m",
        "keep_alive" => "none",
        "connect_timeout" | "linger" | "target_timeout" => "7s",
        "stall_timeout" => "1m",
        "min_rto" => "50ms",
        "stats_interval" => "1h",
        "max_retransmits" => "30",
        "send_budget" | "recv_budget" => "512k",
        "socket_send_buffer" | "socket_recv_buffer" => "1m",
        "max_sessions"
        | "max_sessions_per_prefix"
        | "max_unconfirmed"
        | "backlog"
        | "max_connections" => "64",
        "dscp" => "46",
        "log_level" => "warn",
        "memory_budget" => "8m",
        "user" => "nobody",
        other => panic!("an example of {other} is missing"),
    }
}

#[test]
fn every_option_of_smol_kcpd_goes_through_uci() {
    let Some(router) = Router::new("options") else { return };
    // They size what these say, which the client has.
    let sizing = ["bandwidth", "rtt"];
    let sized = ["send_window", "receive_window", "send_budget", "recv_budget"];
    let (mut server, mut client) = (SERVER.to_string(), CLIENT.to_string());
    for option in OPTIONS {
        let line = format!("\toption {} '{}'\n", option.name, example(option.name));
        if ["role", "listen", "server", "target"].contains(&option.name) {
            continue;
        }
        if !sized.contains(&option.name) {
            server += &line;
        }
        if option.scope != Scope::Server && !sizing.contains(&option.name) {
            client += &line;
        }
    }
    let asked = router.start(&format!("{server}{client}"));
    assert_eq!(asked.logged(), [""; 0]);
    assert_eq!(asked.instances(), ["home", "away"]);
    let keys = |file: String| {
        let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_string());
        file.lines().filter_map(key).collect::<BTreeSet<_>>()
    };
    let written: BTreeSet<String> = &keys(router.file("home")) | &keys(router.file("away"));
    let known: BTreeSet<String> = OPTIONS.iter().map(|option| option.name.to_string()).collect();
    assert_eq!(written, known);
    assert!(router.file("away").contains("\nnodelay = 1\n"));
    assert!(router.file("away").contains("\nsend_budget = 512k\n"));
}

#[test]
fn the_types_of_the_script_are_those_of_the_table() {
    let Some(router) = Router::new("types") else { return };
    let asked = router.start("");
    let described = asked.calls("uci_load_validate");
    let [described] = described[..] else { panic!("one description for rpcd: {}", asked.0) };
    let own = ["enabled:bool:0", "interface:uciname", "jail:bool:0"];
    let said: BTreeSet<&str> =
        described.split('|').skip(4).filter(|specification| !own.contains(specification)).collect();
    let typed = |name: &str, option: &Opt| format!("{name}:{}", option.uci_type());
    let names = OPTIONS.iter().map(|option| typed(option.name, option));
    let old_names = ALIASES.iter().map(|(old, name)| typed(old, Opt::find(name).unwrap()));
    let wanted: Vec<String> = names.chain(old_names).collect();
    assert_eq!(said, wanted.iter().map(String::as_str).collect());
    assert!(described.starts_with("smol-kcp|tunnel|||"), "{described}");
}
