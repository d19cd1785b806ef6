//! kcptun's words: what is read, what it becomes, and what is said of mistakes.

use std::ffi::OsString;

use proptest::prelude::*;

use super::super::{Command, ConfigError};
use super::*;
use crate::{KcptunKey, Role, Settings};
use smol_kcp::kcp_go::Cipher;
use smol_kcp::{KcpNoDelayConfig, Rate};

fn run(program: &str, line: &str) -> Result<Command, ConfigError> {
    let words = line.split(' ').filter(|word| !word.is_empty()).map(OsString::from);
    Command::parse_as(Some(program.into()), words)
}

/// What a client of kcptun's is here.
fn client(line: &str) -> Settings {
    settings(run("/usr/bin/kcptun-client", &format!("-r host.example:29900 {line}")).expect(line))
}

fn server(line: &str) -> Settings {
    settings(run("server_linux_mipsle", line).expect(line))
}

fn settings(command: Command) -> Settings {
    let Command::Kcptun { mut configuration, .. } = command else { panic!("{command:?}") };
    configuration.tunnels.pop().unwrap()
}

fn mistake(program: &str, line: &str) -> String {
    run(program, line).expect_err(line).to_string()
}

#[test]
fn whoever_says_nothing_gets_what_kcptun_has() {
    let (client, server) = (client(""), server(""));
    let of = |settings: &Settings| settings.kcptun.clone().unwrap();
    assert_eq!(
        (
            &*client.listen.as_ref().unwrap().to_string(),
            &*server.listen.as_ref().unwrap().to_string()
        ),
        ("[::]:12948", "[::]:29900")
    );
    assert!(
        matches!(&client.role, Role::Client { server } if server.to_string() == "host.example:29900")
    );
    assert!(
        matches!(&server.role, Role::Server { target: Some(target) } if target.to_string() == "127.0.0.1:12948")
    );
    for settings in [&client, &server] {
        let (kcp, kcptun) = (&settings.kcp, of(settings));
        assert_eq!((kcp.mtu, kcp.nodelay, kcp.dscp), (1350, KcpNoDelayConfig::fast(), None));
        assert_eq!((kcp.send_buffer, kcp.recv_buffer), (Some(4 << 20), Some(4 << 20)));
        assert_eq!((kcptun.crypt, kcptun.fec.to_string()), (Cipher::Aes, "10+3".into()));
        assert!(kcptun.compression && kcptun.key.is_known_to_all());
        assert_eq!((kcptun.smux_version, kcptun.frame_size), (2, 8192));
        assert_eq!((kcptun.smux_buffer, kcptun.stream_buffer), (4 << 20, 2 << 20));
        assert_eq!(kcp.rate, Rate::Auto);
    }
    // What nobody limits may grow.
    assert_eq!((client.kcp.wnd_size, client.kcp.max_wnd_size.0), ((128, 512), 65_535));
    assert_eq!(server.kcp.wnd_size, (1024, 1024));
    assert_eq!((of(&client).sessions, of(&client).auto_expire), (1, None));
    assert_eq!(of(&client).scavenge_ttl.as_secs(), 600);
}

#[test]
fn flags_are_read_as_go_reads_them() {
    let all = client(
        "-l 127.0.0.1:7000 --key=hush -crypt salsa20 --mode fast3 -conn 4 -autoexpire=60 --scavengettl 5 \
         -mtu 1400 --sndwnd 200 -rcvwnd 300 --ds 20 -ps=10 --dscp 46 -nocomp --sockbuf 100000 -smuxver 1 \
         --smuxbuf 1048576 -framesize 4096 -keepalive 7 --closewait 3 -ratelimit 125000 -quiet",
    );
    let (kcp, kcptun) = (all.kcp, all.kcptun.unwrap());
    assert_eq!(all.listen.as_ref().unwrap().to_string(), "127.0.0.1:7000");
    assert_eq!((kcptun.key, kcptun.crypt), (KcptunKey::new("hush"), Cipher::Salsa20));
    assert_eq!((kcp.nodelay, kcp.mtu), (KcpNoDelayConfig::fastest(), 1400));
    assert_eq!((kcptun.sessions, kcptun.scavenge_ttl.as_secs()), (4, 5));
    assert_eq!(kcptun.auto_expire.unwrap().as_secs(), 60);
    // What is limited stays so.
    assert_eq!((kcp.wnd_size, kcp.max_wnd_size), ((200, 300), (200, 300)));
    assert_eq!((kcptun.fec.to_string(), kcp.dscp), ("20+10".into(), Some(46)));
    assert!(!kcptun.compression);
    assert_eq!((kcp.send_buffer, kcptun.smux_version), (Some(100_000), 1));
    assert_eq!((kcptun.smux_buffer, kcptun.stream_buffer), (1 << 20, 1 << 20), "as far as it fits");
    assert_eq!((kcptun.frame_size, kcptun.close_wait.as_secs()), (4096, 3));
    assert_eq!((kcp.keep_alive.unwrap().as_secs(), kcp.rate), (7, Rate::Fixed(1_000_000)));
    assert!(client("-nocomp=false").kcptun.unwrap().compression);
    assert!(client("-ds 0").kcptun.unwrap().fec.ratio().is_off());
    assert!(client("--parityshard 0").kcptun.unwrap().fec.ratio().is_off());
    assert_eq!(client("-mtu 1200 -mtu 1300").kcp.mtu, 1300, "the last one counts");
    let manual = client("-mode manual -nodelay 1 -interval 15 -resend 3 -nc 1").kcp.nodelay;
    let knobs = KcpNoDelayConfig { nodelay: true, interval: 15, resend: 3, nc: true };
    assert_eq!(manual, knobs);
    assert_eq!(client("-nodelay 1").kcp.nodelay, KcpNoDelayConfig::fast(), "not in mode manual");
}

#[test]
fn the_modes_are_those_of_kcptun() {
    for (mode, nodelay, interval) in
        [("normal", false, 40), ("fast", false, 30), ("fast2", true, 20), ("fast3", true, 10)]
    {
        let knobs = KcpNoDelayConfig { nodelay, interval, resend: 2, nc: true };
        assert_eq!(client(&format!("--mode {mode}")).kcp.nodelay, knobs, "{mode}");
    }
    let manual = KcpNoDelayConfig { nodelay: false, interval: 50, resend: 0, nc: false };
    assert_eq!(client("--mode manual").kcp.nodelay, manual);
}

#[test]
fn addresses_are_written_as_in_go() {
    let ports =
        |settings: &Settings| settings.kcptun.clone().unwrap().ports.map(|it| it.to_string());
    let ranged =
        settings(run("client_linux_amd64", "-r [2001:db8::1]:3000-3009 -l localhost:1").unwrap());
    assert!(
        matches!(&ranged.role, Role::Client { server } if server.to_string() == "[2001:db8::1]:3000")
    );
    assert_eq!(
        (ports(&ranged), ranged.listen.as_ref().unwrap().to_string()),
        (Some("3000-3009".into()), "127.0.0.1:1".into())
    );
    let ranged = server("-l :3000-3009 -t :80");
    assert_eq!(
        (ports(&ranged), ranged.listen.as_ref().unwrap().to_string()),
        (Some("3000-3009".into()), "[::]:3000".into())
    );
    assert!(
        matches!(&ranged.role, Role::Server { target: Some(target) } if target.to_string() == "127.0.0.1:80")
    );
}

#[test]
fn a_mistake_is_named_with_what_is_accepted() {
    let ciphers = "null, none, xor, aes, ";
    for (line, said) in [
        ("--mtu 20", "--mtu 20: must be 50 to 1500"),
        ("--mtu 60", "--mtu 60: must be 78 to 1500 with --protocol kcptun"),
        ("--conn 0", "--conn 0: must be 1 to 64"),
        ("--conn x", "--conn x: must be 1 to 64"),
        ("--mode turbo", "--mode turbo: must be normal, fast, fast2, fast3 or manual"),
        ("--keepalive 31", "--keepalive 31: must be 1 to 30"),
        ("--smuxver 3", "--smuxver 3: must be 1 to 2"),
        ("--smuxbuf 65536 --streambuf 65537", "--streambuf 65537: must be at most smuxbuf, 65536"),
        ("--ds 200 --ps 100", "--datashard 200: 200 + 100: must be at most 256 together"),
        ("--nocomp=maybe", "--nocomp maybe: must be true or false"),
        ("--mut 1350", "unknown option --mut: is --mtu meant?"),
        ("--listen :1", "unknown option --listen"),
        ("--mtu", "--mtu needs a value"),
        ("hello", "unexpected argument \"hello\""),
        (
            "-l here",
            "--localaddr here: must be an address and a port, such as :12948 or 127.0.0.1:12948",
        ),
        ("-l :1-2", "--localaddr :1-2: must be an address"),
        (
            "-r 2001:db8::1:29900",
            "--remoteaddr 2001:db8::1:29900: must be a name or address and a port",
        ),
        ("-c /no/such/file", "/no/such/file: cannot be read"),
        ("--tcp", "--tcp true: it makes up TCP packets by raw sockets and iptables, as root"),
        ("--QPP", "--qpp true: it is not authenticated"),
    ] {
        let error = mistake("kcptun-client", &format!("-r a:1 {line}"));
        assert!(error.starts_with(said), "{line}: {error}");
    }
    let error = mistake("kcptun-client", "--crypt aes-256");
    assert!(error.starts_with(&format!("--crypt aes-256: must be {ciphers}")), "{error}");
    assert!(error.ends_with("kcptun takes aes for what it does not know"), "{error}");
    let error = mistake("kcptun-server", "-t /run/socket");
    assert!(error.contains("sockets in files are not reached"), "{error}");
    // Switches that say no ask for nothing.
    client("--tcp=false --qpp=0");
}

#[test]
fn a_key_is_in_no_message() {
    for line in ["--key hush --mtu 1", "--key hush --key-file x"] {
        assert!(!mistake("kcptun-client", line).contains("hush"));
    }
}

fn notes(command: Result<Command, ConfigError>) -> Vec<String> {
    match command {
        Ok(Command::Kcptun { notes, .. }) => notes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_means_nothing_is_said_once() {
    let said =
        notes(run("kcptun-server", "--pprof --snmplog /tmp/x --log /tmp/y --acknodelay=false"));
    assert_eq!(said, ["means nothing here, and is ignored: pprof, snmplog, log"]);
    assert!(notes(run("kcptun-server", "")).is_empty());
    let said = notes(run("kcptun-client", "--rcvwnd 65535"));
    assert_eq!(said, ["rcvwnd 65535 is 32767 here, the most that a window begins with"]);
}

#[test]
fn who_is_called_so_is_kcptun_and_who_says_so_too() {
    assert!(called_as("kcptun-client.exe".as_ref()).is_some());
    for other in ["smol-kcpd", "client", "kcptun", "client_darwin_arm64", ""] {
        assert_eq!(called_as(other.as_ref()), None, "{other}");
    }
    let words = ["kcptun-server", "-t", "a:1"].map(OsString::from);
    assert!(matches!(Command::parse_as(None, words), Ok(Command::Kcptun { .. })));
    let Ok(Command::Text(help)) = run("kcptun-client", "-h") else { panic!() };
    for flag in ["--remoteaddr, -r", "--datashard, --ds", "-c FILE", "Refused: tcp, qpp"] {
        assert!(help.contains(flag), "{flag}");
    }
    assert_eq!(run("kcptun-server", "--version"), Ok(Command::Version));
}

#[test]
fn json_is_read_with_the_line_of_a_mistake() {
    let read = |text: &str| json::members(text);
    let members = read("\u{feff}{\"a\": \"x\\u00e9\\ud83d\\ude00\\n\", \"b\":-12,\n \"c\" : true, \"d\": [1, {\"e\": []}], \"f\": null}\n").unwrap();
    let found: Vec<_> = members.iter().map(|it| (&*it.key, it.value.clone(), it.line)).collect();
    use super::parameters::Kind;
    let value = |kind, text: &str| Some((kind, text.to_string()));
    assert_eq!(
        found,
        [
            ("a", value(Kind::Text, "xé😀\n"), 1),
            ("b", value(Kind::Number, "-12"), 1),
            ("c", value(Kind::Switch, "true"), 2),
            ("d", None, 2),
            ("f", None, 2),
        ]
    );
    assert_eq!(read("{}"), Ok(vec![]));
    let deep = format!("{{\"a\":{}", "[".repeat(5000));
    for (text, line, what) in [
        ("", 1, "the end of the file: must be '{'"),
        ("[]", 1, "'[': must be '{'"),
        ("{\n\"a\" 1}", 2, "'1': must be ':'"),
        ("{\"a\":1\n\"b\":2}", 2, "'\"': must be '}'"),
        ("{\"a\":1,}", 1, "'}': must be '\"'"),
        ("{\"a\":yes}", 1, "yes: must be a text in quotation marks, a number, true or false"),
        ("{\"a\":}", 1, "'}': must be a value"),
        ("{\"a\":\"x", 1, "a text without its second quotation mark"),
        ("{\"a\":\"x\n\"}", 1, "a text ends on the line on which it begins"),
        ("{\"a\":\"\\u12\"}", 1, "\\u12\"}: must have four digits of base 16"),
        ("{\"a\":\"\\ud800x\"}", 1, "'x': must be '\\\\'"),
        ("{} x", 1, "'x' behind the end of the object"),
        (&deep, 1, "lists too deep in lists"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!((error.line, &*error.what), (line, what), "{text}");
    }
}

#[test]
fn uci_is_read_with_the_line_of_a_mistake() {
    let text = "package kcptun\n\nconfig client 'home'  # ours\n\toption key 'it'\\''s \"so\"'\n\tlist x \"a \\\" b\"\nconfig server\n";
    let read = uci::sections(text).unwrap();
    assert_eq!(
        (&*read[0].kind, read[0].name.as_deref(), read[0].line),
        ("client", Some("home"), 3)
    );
    assert_eq!(
        read[0].options,
        [("key".into(), "it's \"so\"".into(), 4), ("x".into(), "a \" b".into(), 5)]
    );
    assert_eq!((&*read[1].kind, read[1].name.as_deref()), ("server", None));
    for (text, line, what) in [
        ("config a\noption b 'c\n", 2, "a quotation mark without its second"),
        ("option a b\n", 1, "option a belongs into a section: config TYPE"),
        ("config a\nhello\n", 2, "hello: must be config TYPE, option KEY VALUE or list KEY VALUE"),
        ("config a b c d\n", 1, "config: must be config TYPE"),
    ] {
        let (at, said) = uci::sections(text).unwrap_err();
        assert!(at == line && said.starts_with(what), "{text}: {at}: {said}");
    }
}

proptest! {
    #[test]
    fn whatever_a_file_holds_is_read_or_refused(text in "[\\[\\]{}\",:\\\\ue0-9tfn\\n a'#-]{0,60}") {
        let _ = json::members(&text);
        let _ = json::members(&format!("{{\"a\":{text}"));
        let _ = uci::sections(&text);
        let _ = uci::sections(&format!("config a\noption b {text}"));
    }

    #[test]
    fn whatever_is_said_is_read_or_refused(
        name in prop::sample::select(parameters::PARAMETERS.iter().map(|it| it.name).collect::<Vec<_>>()),
        value in ".{0,20}", program in prop::sample::select(vec!["kcptun-client", "kcptun-server"]),
    ) {
        let words = [format!("--{name}={value}")].map(OsString::from);
        let _ = Command::parse_as(Some(program.into()), words);
    }

    #[test]
    fn every_text_of_json_is_what_was_written(key in ".{0,20}", value in ".{0,40}") {
        let quoted = |text: &str| {
            let mut quoted = String::new();
            for unit in text.encode_utf16() {
                quoted.push_str(&format!("\\u{unit:04x}"));
            }
            quoted
        };
        let read = json::members(&format!("{{\"{}\": \"{}\"}}", quoted(&key), quoted(&value))).unwrap();
        prop_assert_eq!(&read[0].key, &key);
        prop_assert_eq!(read[0].value.clone().unwrap().1, value);
    }
}
