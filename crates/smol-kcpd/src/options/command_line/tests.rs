//! Command lines, as users write them.

use std::ffi::OsString;

use smol_kcp::KcpConfig;

use super::super::tests::{parse, CLIENT};
use super::super::*;

fn command(line: &str) -> Result<Command, ConfigError> {
    Command::parse(line.split_whitespace().map(OsString::from))
}

#[test]
fn a_command_line_says_the_same_as_a_file() {
    let line = "client --listen 127.0.0.1:2222 --server=router.example:29900 --send-window 256 \
                --flush-write=off --log-level warn --keep-alive none --insecure";
    let Ok(Command::Run { configuration, file: None }) = command(line) else { panic!() };
    let text = CLIENT.replace("ssh", "tunnel");
    let text = format!(
        "log_level = warn\n{text}send_window = 256\nflush_write = off\nkeep_alive = none\n"
    );
    assert_eq!(configuration, parse(&text));
}

#[test]
fn a_switch_needs_no_value() {
    let perf = |rest: &str| {
        let line = format!("server --listen [::]:1 --target a:1 --insecure {rest}");
        let Ok(Command::Run { configuration, .. }) = command(&line) else { panic!("{line}") };
        configuration.tunnels[0].perf
    };
    assert!(!perf("") && perf("--perf") && perf("--perf yes") && perf("--perf --nc off"));
    assert!(!perf("--perf=no") && !perf("--perf 0"));
}

#[cfg(not(feature = "kcptun"))]
const COMMANDS: &str =
    "client, server, keygen, pubkey, invite, check, ping, perf, options, status, reload, stop, log-level, help, or --config FILE";
#[cfg(feature = "kcptun")]
const COMMANDS: &str =
    "client, server, keygen, pubkey, invite, check, ping, perf, options, status, \
     reload, stop, log-level, \
                        kcptun-client, kcptun-server, import, help, or --config FILE";

#[test]
fn a_mistake_on_the_command_line_is_named_in_its_spelling() {
    let client = "client --listen 127.0.0.1:1 --server a:1 --insecure";
    for (line, message) in [
        ("client --listen 127.0.0.1:1 --insecure".to_string(), "--server is missing"),
        ("client --server a:1 --insecure".into(), "--listen or --udp is missing"),
        ("server --listen 127.0.0.1:1 --insecure".into(), "--target or --udp-target is missing"),
        (format!("{client} --mtu 20"), "--mtu 20: must be 50 to 65507"),
        (
            format!("{client} --sendwindow 20"),
            "unknown option --sendwindow: is --send-window meant?",
        ),
        (format!("{client} --mtu 99 --mtu 99"), "--mtu is given twice"),
        (format!("{client} extra"), "unexpected argument \"extra\""),
        (format!("{client} --mtu"), "missing argument for option '--mtu'"),
        (String::new(), &format!("a command is missing: {COMMANDS}")),
        ("--mtu 99".into(), "a command is missing before the options: client or server"),
        ("serve".into(), "unknown command serve: is server meant?"),
        ("tunnel".into(), &format!("unknown command tunnel: must be {COMMANDS}")),
        (format!("{client} --keep-alive 25"), "--keep-alive 25: a unit is missing: 25s or 25ms"),
        (
            format!("{client} --keep-alive 200s"),
            "--keep-alive 200s: must be less than --session-expire 180s",
        ),
        (
            format!("{client} --max-connections 5000"),
            "--max-connections 5000: must be at most --max-sessions 4096",
        ),
        (
            "client --listen 127.0.0.1 --server a:1".into(),
            "--listen 127.0.0.1: a port is missing: 127.0.0.1:29900",
        ),
        ("client --listen 127.0.0.1:1 --server a".into(), "--server a: a port is missing: a:29900"),
        ("client --serv a:1".into(), "unknown option --serv: is --server meant?"),
        ("check".into(), "check needs a file"),
        (
            format!("{client} --config /x"),
            "a client or server of the command line has no --config file",
        ),
    ] {
        assert_eq!(command(&line).expect_err(&line).to_string(), message, "{line}");
    }
}

#[test]
fn help_names_every_option_and_the_version_is_a_command() {
    let text = help();
    for option in OPTIONS.iter().filter(|option| option.name != "role") {
        assert!(text.contains(&format!("--{} ", option.name.replace('_', "-"))), "{}", option.name);
    }
    let low = KcpConfig::low_memory().max_sessions;
    let limit = format!("  low_memory{:19}{:>3}; {low}\n", "", low.min(512));
    assert!(text.contains(&limit) && text.matches("; 4096\n").count() >= 5, "{text}");
    assert_eq!(command("--help"), Ok(Command::Help));
    assert_eq!(command("client -h"), Ok(Command::Help));
    assert_eq!(command("help"), Ok(Command::Help));
    assert_eq!(command("help ping"), Ok(Command::Help));
    assert_eq!(command("--version"), Ok(Command::Version));
}

#[test]
fn the_table_is_a_command() {
    assert_eq!(command("options"), Ok(Command::Options { json: false }));
    assert_eq!(command("options --json"), Ok(Command::Options { json: true }));
    assert_eq!(command("options --help"), Ok(Command::Help));
    let said = |line| command(line).expect_err(line).to_string();
    assert_eq!(said("options mtu"), "unexpected argument \"mtu\"");
    assert_eq!(said("option"), "unknown command option: is options meant?");
    assert_eq!(said("--mtu 1200 options"), "options come behind options");
}
