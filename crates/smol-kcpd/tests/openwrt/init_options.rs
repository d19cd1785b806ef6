//! The init script's options: those of smol-kcpd's table, with their types.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use smol_kcpd::{Opt, Scope, ALIASES, KCPTUN_OPTIONS, OPTIONS};

use super::init::{Router, CLIENT, SERVER};
use super::printed;

/// Those that are about keys: they cannot all be there at once.
const KEYS: [&str; 9] = [
    "secret_file",
    "server_key",
    "allow",
    "client_target",
    "psk_file",
    "shared_secret_file",
    "invite",
    "invite_file",
    "insecure",
];

/// What sections have that speak as kcptun does.
const KCPTUN: [&str; 14] = [
    "protocol:string",
    "kcptun_key_file:string",
    "crypt:string",
    "fec:string",
    "compression:bool",
    "smux_version:uinteger",
    "smux_buffer:string",
    "stream_buffer:string",
    "frame_size:uinteger",
    "sessions:uinteger",
    "auto_expire:string",
    "scavenge_ttl:string",
    "close_wait:string",
    "ports:string",
];

/// A value for each option, so that a new one cannot be forgotten here.
fn example(option: &str) -> &'static str {
    match option {
        "role" | "listen" | "server" | "target" => "of the section",
        "udp" => "127.0.0.1:53",
        "udp_target" => "127.0.0.1:5353",
        "udp_reliable" => "off",
        "udp_lifetime" => "100ms",
        "udp_timeout" => "2m",
        "udp_sources" => "64",
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
        "control" | "expose" => "off",
        "http" | "metrics" => "none",
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
        let of_section = ["role", "listen", "server", "target"].contains(&option.name);
        if of_section || KEYS.contains(&option.name) {
            continue;
        }
        let line = format!("\toption {} '{}'\n", option.name, example(option.name));
        if option.scope != Scope::Client && !sized.contains(&option.name) {
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
    let others = OPTIONS.iter().filter(|it| !KEYS.contains(&it.name) || it.name == "insecure");
    let known: BTreeSet<String> = others.map(|option| option.name.to_string()).collect();
    assert_eq!(written, known);
    assert!(router.file("away").contains("\nnodelay = 1\n"));
    assert!(router.file("away").contains("\nsend_budget = 512k\n"));
}

#[test]
fn every_option_of_keys_goes_through_uci() {
    let Some(router) = Router::new("options-keys") else { return };
    let folder = router.path("keys");
    fs::create_dir_all(&folder).expect("a folder");
    let program = || Command::new(env!("CARGO_BIN_EXE_smol-kcpd"));
    let file = |name: &str| folder.join(name).display().to_string();
    let make = |kind: &str, name: &str| printed(program().args(["keygen", kind, &file(name)]));
    let (public, _) = (make("--secret-file", "server.key"), make("--secret-file", "me.key"));
    make("--shared-secret-file", "both.key");
    let invite = ["invite", "--server", "a:1", "--shared-secret-file", &file("both.key")];
    let invitation = printed(program().args(invite));
    fs::write(folder.join("invitation"), invitation).expect("a file");
    fs::set_permissions(folder.join("invitation"), PermissionsExt::from_mode(0o600)).expect("it");
    let alice = printed(program().args(["pubkey", "--secret-file", &file("me.key")]));

    let with = |section: &str, options: &[(&str, &str)]| {
        let lines = options.iter().map(|(name, value)| format!("\toption {name} '{value}'\n"));
        section.replace("\toption insecure '1'\n", &lines.collect::<String>())
    };
    let (server_key, allow) = (public.trim(), format!("alice={}", alice.trim()));
    let (secret, own, both) = (file("server.key"), file("me.key"), file("both.key"));
    let invitation = file("invitation");
    let mut seen = BTreeSet::from(["invite", "insecure"]);
    for (section, options) in [
        (
            SERVER,
            vec![
                ("secret_file", secret.as_str()),
                ("allow", &allow),
                ("client_target", "alice=a:22"),
                ("psk_file", &both),
            ],
        ),
        (SERVER, vec![("shared_secret_file", &both)]),
        (CLIENT, vec![("secret_file", &own), ("server_key", server_key)]),
        (CLIENT, vec![("invite_file", &invitation)]),
    ] {
        let asked = router.start(&with(section, &options));
        assert_eq!((asked.logged().len(), asked.instances().len()), (0, 1), "{}", asked.0);
        seen.extend(options.into_iter().map(|(name, _)| name));
    }
    assert_eq!(seen, BTreeSet::from(KEYS));
}

#[test]
fn the_types_of_the_script_are_those_of_the_table() {
    let Some(router) = Router::new("types") else { return };
    let asked = router.start("");
    let described = asked.calls("uci_load_validate");
    let [described] = described[..] else { panic!("one description for rpcd: {}", asked.0) };
    let own = ["enabled:bool:0", "interface:uciname", "jail:bool:0"];
    // Secrets, which it writes to files.
    let secrets = [
        "secret:string",
        "shared_secret:string",
        "psk:string",
        "invite:string",
        "kcptun_key:string",
    ];
    let own = [&own[..], &secrets, &KCPTUN].concat();
    let said: BTreeSet<&str> =
        described.split('|').skip(4).filter(|specification| !own.contains(specification)).collect();
    let typed = |name: &str, option: &Opt| format!("{name}:{}", option.uci_type());
    let names = OPTIONS.iter().filter(|option| option.name != "invite");
    let names = names.map(|option| typed(option.name, option));
    let old_names = ALIASES.iter().map(|(old, name)| typed(old, Opt::find(name).unwrap()));
    let wanted: Vec<String> = names.chain(old_names).collect();
    assert_eq!(said, wanted.iter().map(String::as_str).collect());
    // A build without kcptun has none of these.
    let theirs = KCPTUN_OPTIONS.iter().map(|option| typed(option.name, option));
    let theirs: Vec<String> = theirs.collect();
    assert!(theirs.is_empty() || theirs == KCPTUN, "{theirs:?}");
    assert!(KCPTUN.iter().all(|specification| described.contains(specification)), "{described}");
    assert!(described.starts_with("smol-kcp|tunnel|||"), "{described}");
}

#[cfg(feature = "kcptun")]
#[test]
fn every_option_in_kcptuns_place_goes_through_uci() {
    let Some(router) = Router::new("options-kcptun") else { return };
    let options = "\toption protocol 'kcptun'\n\toption kcptun_key 'it has a blank, \"quotes\" and #'\n\
                   \toption crypt 'salsa20'\n\toption fec '3+2'\n\toption compression '0'\n\
                   \toption smux_version '1'\n\toption smux_buffer '1m'\n\toption stream_buffer '256k'\n\
                   \toption frame_size '4096'\n\toption close_wait '5s'\n\toption ports '4000-4003'\n";
    let client = "\toption sessions '2'\n\toption auto_expire '5m'\n\toption scavenge_ttl '1m'\n";
    let of = |section: &str, options: &str| section.replace("\toption insecure '1'\n", options);
    let (server, client) = (of(SERVER, options), of(CLIENT, &format!("{options}{client}")));
    let asked = router.start(&format!("{server}{client}"));
    assert_eq!(asked.logged(), [""; 0]);
    assert_eq!(asked.instances(), ["home", "away"]);
    let files = [router.file("home"), router.file("away")];
    for option in KCPTUN_OPTIONS {
        let line = format!("\n{} = ", option.name);
        assert!(files.iter().any(|file| file.contains(&line)), "{}: {files:?}", option.name);
    }
    assert!(!files.concat().contains("blank"), "the key has a file of its own");
    let key =
        fs::read_to_string(router.kept().join("home.kcptun_key")).expect("a file with the key");
    assert_eq!(key, "it has a blank, \"quotes\" and #\n");
}
