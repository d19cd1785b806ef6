//! Configurations, as users write them.

use std::ffi::OsString;
use std::time::Duration;

use super::*;
use crate::{Configuration, Role, Settings};
use smol_kcp::{KcpConfig, Rate};

pub(super) const CLIENT: &str =
    "[ssh]\nrole = client\nlisten = 127.0.0.1:2222\nserver = router.example:29900\ninsecure = yes\n";

pub(super) fn parse(text: &str) -> Configuration {
    Configuration::parse("a.conf", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn settings(text: &str) -> Settings {
    parse(text).tunnels.remove(0)
}

fn refusal(text: &str) -> String {
    Configuration::parse("a.conf", text).expect_err(text).to_string()
}

#[test]
fn three_lines_are_a_tunnel_with_the_profile_wan() {
    let ssh = settings(CLIENT);
    assert_eq!((ssh.name.as_str(), ssh.listen.as_ref().unwrap().port()), ("ssh", 2222));
    assert!(matches!(&ssh.role, Role::Client { server } if server.host() == "router.example"));
    let datagrams = Some(crate::UdpSettings::conversations(None));
    assert_eq!(ssh.kcp, KcpConfig { stream: true, datagrams, ..KcpConfig::wan() });
    assert_eq!(ssh.max_connections, 512);
}

#[test]
fn a_tunnel_may_carry_datagrams_alone_and_its_udp_port_may_be_one_of_tcp() {
    let all = parse(&format!(
        "{CLIENT}[dns]\nrole = client\nudp = 127.0.0.1:2222\nserver = a:1\ninsecure = yes\n\
         [far]\nrole = server\nlisten = [::]:29900\nudp_target = a:53\ninsecure = yes\n"
    ));
    let [_, dns, far] = &all.tunnels[..] else { panic!("{all}") };
    assert_eq!((&dns.listen, dns.udp.as_ref().map(|udp| udp.at.port())), (&None, Some(2222)));
    assert_eq!(far.role, Role::Server { target: None });
    assert_eq!(parse(&all.to_string()), all, "as it is printed");
}

#[test]
fn what_stands_before_the_sections_is_for_the_process_and_for_all_of_them() {
    let text = format!(
        "# the process\nlog_level = debug\nuser = nobody\nmtu = 1200 # all\nprofile = lan\n\n\
         {CLIENT}\n[web]\nrole = server\nlisten = [::]:29900\ntarget = 127.0.0.1:80\nmtu = 1300\ninsecure = on\n"
    );
    let all = parse(&text);
    assert_eq!(all.process.log_level, log::LevelFilter::Debug);
    assert_eq!(all.process.user.as_deref(), Some("nobody"));
    let figures: Vec<_> = all
        .tunnels
        .iter()
        .map(|tunnel| (tunnel.kcp.mtu, tunnel.kcp.stall_timeout.as_secs()))
        .collect();
    assert_eq!(figures, [(1200, 20), (1300, 20)]);
}

#[test]
fn the_old_name_of_an_option_means_the_new_one() {
    for &(old, new) in ALIASES {
        assert!(OPTIONS.iter().all(|option| option.name != old), "{old}");
        let named = |name: &str| parse(&format!("{CLIENT}{name} = 45s\n"));
        assert_eq!(named(old), named(new), "{old}");
        assert_ne!(named(old), parse(CLIENT), "{old}");
    }
}

#[test]
fn a_mark_of_the_encoding_and_other_line_ends_change_nothing() {
    let whole = format!("# mine\nmtu = 1200\n{CLIENT}");
    for text in [&whole, CLIENT, &whole[whole.find("mtu").unwrap()..]] {
        assert_eq!(parse(&format!("\u{feff}{text}")), parse(text));
        assert_eq!(parse(&text.replace('\n', "\r\n")), parse(text));
        let other = text.replace("ssh", "web").replace("2222", "80").replace("mtu = 1200", "");
        parse(&format!("\u{feff}{text}\u{feff}{other}"));
    }
}

#[test]
fn the_order_of_options_does_not_matter() {
    let one = format!("{CLIENT}send_window = 99\nbandwidth = 1gbit\nmtu = 1200\nprofile = lan\n");
    let other = format!("{CLIENT}profile = lan\nmtu = 1200\nbandwidth = 1gbit\nsend_window = 99\n");
    assert_eq!(settings(&one), settings(&other));
    assert_eq!(settings(&one).kcp.wnd_size.0, 99);
}

#[test]
fn bandwidth_and_round_trip_time_size_windows_and_budgets_with_a_quarter_more() {
    // 50 Mbit/s × 120 ms = 750,000 bytes; 937,500 with a quarter more, in segments of 1326.
    let kcp = settings(&format!("{CLIENT}bandwidth = 50mbit\nrtt = 120ms\n")).kcp;
    assert_eq!(kcp.wnd_size, (708, 708));
    assert_eq!((kcp.send_budget, kcp.recv_budget), (708 * 1350 * 2, 708 * 1350));
    // 100 ms where nothing is said; never less than 16 segments, nor more than there may be.
    assert_eq!(settings(&format!("{CLIENT}bandwidth = 50mbit\n")).kcp.wnd_size.0, 590);
    assert_eq!(settings(&format!("{CLIENT}bandwidth = 8kbit\n")).kcp.wnd_size.0, 16);
    let huge = settings(&format!("{CLIENT}bandwidth = 100gbit\nrtt = 1m\n")).kcp;
    assert_eq!((huge.wnd_size.0, huge.check().is_ok()), (32_767, true));
}

#[test]
fn the_rate_is_found_out_unless_somebody_says_it_and_a_bandwidth_says_it_too() {
    let kcp = |lines: &str| settings(&format!("{CLIENT}{lines}")).kcp;
    assert_eq!(kcp("").rate, Rate::Auto);
    for (text, rate) in [
        ("auto", Rate::Auto),
        ("polite", Rate::Polite),
        ("off", Rate::Off),
        ("50mbit", Rate::Fixed(50_000_000)),
    ] {
        let said = kcp(&format!("rate = {text}\nprofile = lan\n"));
        assert_eq!((said.rate, said.wnd_size), (rate, KcpConfig::lan().wnd_size), "{text}");
        let printed = parse(&format!("{CLIENT}rate = {text}\n")).to_string();
        assert!(printed.contains(&format!("\nrate = {text}\n")), "{printed}");
    }
    let sized = kcp("bandwidth = 50mbit\nrtt = 120ms\n");
    assert_eq!((sized.rate, sized.wnd_size.0), (Rate::Fixed(50_000_000), 708));
    for order in ["rate = off\nbandwidth = 50mbit\n", "bandwidth = 50mbit\nrate = off\n"] {
        let both = kcp(order);
        assert_eq!((both.rate, both.wnd_size.0), (Rate::Off, 590), "{order}");
    }
}

#[test]
fn what_is_printed_is_read_as_the_same_for_every_profile() {
    let profiles = Opt::find("profile").unwrap().accepted.replace(" or ", ", ");
    let profiles: Vec<&str> = profiles.split(", ").collect();
    assert_eq!(profiles.len(), 9);
    for profile in profiles {
        let text = format!(
            "log_level = warn\nuser = nobody\nprofile = {profile}\n{CLIENT}\
             stats_interval = 90s\ndscp = 46\nkeep_alive = none\nsession_expire = none\n\
             [s]\nrole = server\nlisten = [::]:29900\ntarget = [::1]:22\nperf = yes\ninsecure = 1\n"
        );
        let first = parse(&text);
        let printed = first.to_string();
        let limits =
            format!("connections at once, {} streams\n", first.tunnels[0].kcp.max_sessions);
        assert!(printed.contains(&limits), "{printed}");
        assert_eq!(parse(&printed), first, "{printed}");
        assert_eq!(parse(&printed).to_string(), printed);
    }
}

#[test]
fn every_option_of_a_tunnel_is_printed_except_those_that_stand_for_others() {
    let server = "[s]\nrole = server\nlisten = [::]:29900\ntarget = [::1]:22\ninsecure = true\n";
    let printed = parse(&format!("user = u\n{CLIENT}{server}")).to_string();
    let stands =
        |o: &&Opt| !matches!(o.name, "profile" | "bandwidth" | "rtt" | "udp" | "udp_target");
    for option in OPTIONS.iter().filter(stands) {
        if option.group == Group::Keys && option.name != "insecure" {
            continue; // only where they are given
        }
        assert!(printed.contains(&format!("{} = ", option.name)), "{}", option.name);
    }
}

#[test]
fn datagrams_are_given_up_only_where_they_are_carried_and_somebody_says_so() {
    let lifetime = |lines: &str| {
        let datagrams = settings(&format!("{CLIENT}{lines}")).kcp.datagrams;
        datagrams.expect("it has conversations for them").lifetime
    };
    let millis = |millis| Some(std::time::Duration::from_millis(millis));
    assert_eq!(lifetime("udp_reliable = no\n"), None, "there are none");
    assert_eq!(lifetime("udp = 127.0.0.1:53\n"), None);
    assert_eq!(lifetime("udp_reliable = no\nudp = [::1]:53\n"), millis(100));
    assert_eq!(lifetime("udp_lifetime = 1s\nudp_reliable = no\nudp = [::1]:53\n"), millis(1000));
    let text =
        format!("{CLIENT}udp = [::1]:53\nudp_reliable = no\nudp_sources = 9\nudp_timeout = 1h\n");
    let udp = settings(&text).udp.expect("it was given");
    assert_eq!(
        (udp.sources, udp.timeout.as_secs(), udp.at.to_string()),
        (9, 3600, "[::1]:53".into())
    );
    assert_eq!(parse(&parse(&text).to_string()), parse(&text));
    assert_eq!(
        refusal(&format!("{CLIENT}udp_target = [::1]:53\n")),
        "a.conf:6: udp_target = [::1]:53: a client has no udp_target"
    );
}

#[test]
fn a_mistake_is_named_with_file_line_key_value_and_what_is_accepted() {
    let with = |line: &str| refusal(&format!("{CLIENT}{line}\n"));
    for (line, message) in [
        ("mtu = 20", "a.conf:6: mtu = 20: must be 50 to 65507"),
        ("mtu = big", "a.conf:6: mtu = big: must be 50 to 65507"),
        ("send_window = 40000", "a.conf:6: send_window = 40000: must be 1 to 32767, in segments"),
        ("interval = 5", "a.conf:6: interval = 5: must be 10 to 5000, in milliseconds"),
        ("linger = 5", "a.conf:6: linger = 5: a unit is missing: 5s or 5ms"),
        ("keep_alive = 200s", "a.conf:6: keep_alive = 200s: must be less than session_expire = 180s"),
        ("dscp = 64", "a.conf:6: dscp = 64: must be 0 to 63, or none"),
        ("nc = maybe", "a.conf:6: nc = maybe: must be true or false, yes or no, on or off, 1 or 0"),
        ("engine = turbo", "a.conf:6: engine = turbo: must be ring, or kcp where it is compiled in"),
        ("sendwindow = 5", "a.conf:6: unknown option sendwindow: is send_window meant?"),
        ("colour_of_the_case = red", "a.conf:6: unknown option colour_of_the_case"),
        ("listen = 127.0.0.1:1", "a.conf:6: listen is given twice"),
        ("target = 127.0.0.1:1", "a.conf:6: target = 127.0.0.1:1: a client has no target"),
        ("backlog = 9", "a.conf:6: backlog = 9: a client has no backlog"),
        ("max_unconfirmed = 9", "a.conf:6: max_unconfirmed = 9: a client has no max_unconfirmed"),
        ("max_sessions_per_prefix = none",
            "a.conf:6: max_sessions_per_prefix = none: a client has no max_sessions_per_prefix"),
        ("rtt = 100ms", "a.conf:6: rtt = 100ms: means nothing without bandwidth"),
        ("bandwidth = 50", "a.conf:6: bandwidth = 50: a unit is missing: 50mbit or 50kbit"),
        ("rate = 50", "a.conf:6: rate = 50: a unit is missing: 50mbit or 50kbit"),
        ("rate = fast", "a.conf:6: rate = fast: must be auto, polite, off, or a rate of 8kbit to 100gbit such as 50mbit"),
        ("bandwidth = auto", "a.conf:6: bandwidth = auto: must be a rate of 8kbit to 100gbit such as 50mbit"),
        ("max_connections = 5000", "a.conf:6: max_connections = 5000: must be at most max_sessions = 4096"),
        ("log_level = info", "a.conf:6: log_level belongs to the process: before the first section"),
        ("send_window 5", "a.conf:6: send_window 5: neither key = value nor [section]"),
        ("[a b]", "a.conf:6: [a b]: a section is [name], of letters, digits, - and _"),
        ("[ssh]", "a.conf:6: [ssh] is there twice"),
        ("[web]\nrole = client\nlisten = 127.0.0.1:2222\nserver = a:1\ninsecure = yes",
            "a.conf:6: [web] listens at 127.0.0.1:2222, as [ssh]"),
        ("[web]\nlisten = 127.0.0.1:1\nserver = a:1", "a.conf:6: role is missing"),
        ("[web]\nrole = server\ninsecure = yes\nlisten = 127.0.0.1:1", "a.conf:6: target or udp_target is missing"),
        ("[web]\nrole = client\ninsecure = yes\nserver = a:1", "a.conf:6: listen or udp is missing"),
        ("[web]\nrole = server\ninsecure = yes\nudp_target = a:1", "a.conf:6: listen is missing"),
        ("[web]\nrole = client\nudp = 127.0.0.1:2222\nserver = a:1\ninsecure = yes\n[dns]\nrole = client\nudp = 127.0.0.1:2222\nserver = a:1\ninsecure = yes",
            "a.conf:11: [dns] listens at 127.0.0.1:2222, as [web]"),
        ("[web]\nrole = server\nlisten = [::]:53\nudp_target = a:1\ninsecure = yes\n[dns]\nrole = client\nudp = [::]:53\nserver = a:1\ninsecure = yes",
            "a.conf:11: [dns] listens at [::]:53, as [web]"),
        ("[web]\nrole = both", "a.conf:7: role = both: must be client or server"),
        ("[web]\nlisten = 1234",
            "a.conf:7: listen = 1234: must be an address and a port, such as 127.0.0.1:2222, [::]:29900 or [fe80::1%br-lan]:29900"),
    ] {
        assert_eq!(with(line), message);
    }
    assert_eq!(refusal("# nothing\n"), "a.conf: no tunnel: a section [name] is needed");
    assert_eq!(
        refusal("log_level = loud\n"),
        "a.conf:1: log_level = loud: must be error, warn, info, debug or trace"
    );
    assert_eq!(refusal("user = a b\n"), "a.conf:1: user = a b: must be the name of a user");
}

#[test]
fn a_default_that_does_not_fit_a_given_value_is_named_too() {
    assert_eq!(
        refusal(&format!("{CLIENT}session_expire = 20s\n")),
        "a.conf:1: keep_alive = 25s: must be less than session_expire = 20s"
    );
    assert_eq!(
        refusal(&format!("{CLIENT}mtu = 5000\nsend_budget = 1k\n")),
        "a.conf:7: send_budget = 1k: must be 5000 (mtu) to 256m"
    );
}

#[test]
fn the_bounds_that_the_table_tells_are_those_that_are_checked() {
    let mut checked = 0;
    for option in OPTIONS.iter().filter(|option| option.scope != Scope::Process) {
        let Some((low, high)) = option.range() else { continue };
        let side = if option.scope == Scope::Server {
            "[s]\nrole = server\nlisten = [::]:1\ntarget = [::1]:22\ninsecure = true\n"
        } else {
            CLIENT
        };
        // Room for the bounds of the others.
        let others: String = [
            ("session_expire", "none"),
            ("keep_alive", "none"),
            ("stall_timeout", "24d"),
            ("min_rto", "none"),
            ("mtu", "50"),
            ("bandwidth", "1mbit"),
            ("max_sessions", "1048576"),
            ("send_budget", "256m"),
            ("recv_budget", "256m"),
            ("socket_recv_buffer", "256m"),
        ]
        .iter()
        .filter(|(name, _)| *name != option.name)
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect();
        let low = if low == "mtu" { "50" } else { low };
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let moved = |text: &str, by: i64| {
            let (number, unit) = text.split_at(digits(text));
            let number = number.parse::<i64>().unwrap() + by;
            (number >= 0).then(|| format!("{number}{unit}"))
        };
        let attempt = |value: &str| {
            let text = format!("{side}{others}{} = {value}\n", option.name);
            Configuration::parse("a.conf", &text).map_err(|error| error.to_string())
        };
        for good in [low, high] {
            attempt(good).unwrap_or_else(|error| panic!("{} = {good}: {error}", option.name));
        }
        let beyond = [moved(low, -1), moved(high, 1)];
        for bad in beyond.into_iter().flatten() {
            assert!(attempt(&bad).is_err(), "{} = {bad}", option.name);
        }
        checked += 1;
    }
    assert!(checked >= 20, "{checked} options with bounds");
}

#[test]
fn times_are_those_that_were_written() {
    let kcp = settings(&format!("{CLIENT}linger = 2m\nconnect_timeout = none\n")).kcp;
    assert_eq!((kcp.linger, kcp.connect_timeout), (Duration::from_secs(120), None));
}

mod of_any_text {
    use proptest::prelude::*;
    use smol_kcp::secure::{PublicKey, SharedSecret};

    use super::*;

    proptest! {
        #[test]
        fn clients_are_printed_as_they_are_read(
            clients in prop::collection::btree_map("[A-Za-z0-9._-]{1,64}", any::<[u8; 32]>(), 1..5),
        ) {
            let written: Vec<String> = clients
                .iter()
                .map(|(name, key)| format!("{name}={}", PublicKey::from_bytes(*key)))
                .collect();
            let mut builder = super::super::builder::TunnelBuilder::default();
            let option = Opt::find("allow").unwrap();
            // As in a file on a line each, from UCI with blanks between them, and on the command line.
            for text in [written.join(" "), written.join(", "), written.join("\t ,")] {
                builder.keys.allow.clear();
                prop_assert_eq!((option.set)(&mut builder, &text), Some(()));
                prop_assert_eq!((option.get)(&builder), Some(written.join(", ")));
            }
        }

        #[test]
        fn whatever_is_said_of_keys_is_read_or_refused(
            name in prop::sample::select(vec![
                "secret-file", "server-key", "psk-file", "shared-secret-file", "invite", "invite-file",
                "allow", "client-target", "secret", "insecure",
            ]),
            role in prop::sample::select(vec!["client", "server", "perf", "keygen", "pubkey", "invite"]),
            text in ".{0,80}",
        ) {
            let words = [role, &format!("--{name}"), &text].map(OsString::from);
            let _ = Command::parse(words);
        }

        #[test]
        fn a_secret_where_none_belongs_is_in_no_message(secret in any::<[u8; 32]>()) {
            let secret = SharedSecret::from_bytes(secret).to_text();
            for name in ["secret", "shared-secret", "psk", "secret-file", "shared-secret-file", "invite", "invite-file"] {
                for role in ["client", "server", "perf", "keygen", "pubkey"] {
                    let words = [role, &format!("--{name}"), &secret].map(OsString::from);
                    let said = Command::parse(words).unwrap_err().to_string();
                    prop_assert!(!said.contains(&**secret), "{}", said);
                }
            }
        }
    }
}
