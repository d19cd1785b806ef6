//! `smol-kcpd options`: the whole table, with the defaults that `check` prints.

use smol_kcpd::{Configuration, Group, Opt, Scope, ALIASES, KCPTUN_OPTIONS, OPTIONS};

use crate::built::program;
use crate::json::Json;
use crate::{keys, public_key};

const CLIENT: &str =
    "[a]\nrole = client\nlisten = 127.0.0.1:2222\nserver = router.example:29900\ninsecure = true\n";
const SERVER: &str =
    "[a]\nrole = server\nlisten = [::]:29900\ntarget = 127.0.0.1:22\ninsecure = true\n";

/// What must be given.
const GIVEN: [&str; 3] = ["listen", "server", "target"];

fn printed(args: &[&str]) -> String {
    let output = program().args(args).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `check` prints of a file: every option with its effective value.
fn effective(file: &str) -> Vec<(String, String)> {
    let printed = Configuration::parse("a.conf", file).unwrap().to_string();
    let pair = |line: &str| line.split_once(" = ").map(|(a, b)| (a.to_string(), b.to_string()));
    printed.lines().filter_map(pair).collect()
}

#[test]
fn the_json_has_every_option_with_the_defaults_that_check_prints() {
    let text = printed(&["options", "--json"]);
    let json = Json::parse(&text).get("options").clone();
    let names: Vec<&str> = json.list().iter().filter_map(|one| one.get("name").text()).collect();
    let all = OPTIONS.iter().chain(KCPTUN_OPTIONS);
    assert_eq!(names, all.map(|option| option.name).collect::<Vec<_>>());
    for (side, file) in [("client", CLIENT), ("server", SERVER)] {
        let effective = effective(file);
        let mut told = 0;
        for (one, option) in json.list().iter().zip(OPTIONS) {
            let has = option.scope == Scope::Process || option.scope.names().contains(&side);
            let is = effective.iter().find(|(name, _)| name == option.name);
            let default = one.get(side).text();
            match option.name {
                "profile" => assert!(default.is_some()),
                name if GIVEN.contains(&name) => assert_eq!(default, None),
                // The files above say that it is wanted; nobody has it so who says nothing.
                "insecure" => assert_eq!(default, Some("false")),
                name if has => assert_eq!(default, is.map(|(_, value)| value.as_str()), "{name}"),
                name => assert_eq!((is, one.get(side)), (None, &Json::Null), "{name}"),
            }
            told += usize::from(is.is_some());
        }
        assert_eq!(told, effective.len(), "{side}: something is printed that is no option");
    }
}

#[test]
fn a_line_of_the_json_says_all_that_the_table_does() {
    let text = printed(&["options", "--json"]);
    let line = "{\"name\":\"stats_interval\",\"aliases\":[],\"set_by\":[\"client\",\"server\"],\
                \"group\":\"times\",\"unit\":\"TIME\",\"uci\":\"string\",\
                \"accepted\":\"1s to 24d, or none\",\"help\":\"how often statistics are logged\",\
                \"client\":\"none\",\"server\":\"none\",\"needs\":null,\"choices\":[],\"min\":1000,\"max\":2073600000,\
                \"none\":true,\"switch\":false,\"list\":false,\"by_machine\":false}";
    assert!(text.lines().any(|said| said.trim_end_matches(',') == line), "{text}");

    let json = Json::parse(&text);
    assert_eq!(json.get("version"), &Json::Number(1));
    assert_eq!(json.get("smol_kcpd").text(), Some(env!("CARGO_PKG_VERSION")));
    let json = json.get("options");
    let of = |name: &str, key: &str| {
        let mut all = json.list().iter();
        all.find(|one| one.get("name").text() == Some(name)).unwrap().get(key).clone()
    };
    let words = |words: &[&str]| Json::List(words.iter().map(|&w| Json::Text(w.into())).collect());
    assert_eq!(of("send_budget", "min"), Json::Text("mtu".into()));
    assert_eq!(of("send_budget", "max"), Json::Number(256 << 20));
    assert_eq!((of("mtu", "min"), of("mtu", "max")), (Json::Number(50), Json::Number(65_507)));
    assert_eq!((of("role", "min"), of("nc", "max")), (Json::Null, Json::Null));
    assert_eq!(of("role", "choices"), words(&["client", "server"]));
    assert_eq!(of("log_level", "choices"), words(&["error", "warn", "info", "debug", "trace"]));
    // What takes a figure or a path beside its words is no choice, and neither is yes or no.
    for name in ["rate", "control", "engine", "dscp", "mtu", "nodelay", "listen"] {
        assert_eq!(of(name, "choices"), words(&[]), "{name}");
    }
    assert_eq!(
        (of("nc", "switch"), of("nc", "uci")),
        (Json::Bool(true), Json::Text("bool".into()))
    );
    assert_eq!(of("mtu", "set_by"), words(&["client", "server", "perf"]));
    assert_eq!(of("perf", "set_by"), words(&["server"]));
    assert_eq!(of("user", "set_by"), words(&["process"]));
    assert_eq!((of("allow", "list"), of("mtu", "list")), (Json::Bool(true), Json::Bool(false)));
    assert_eq!(of("memory_budget", "by_machine"), Json::Bool(true));
    for (alias, name) in ALIASES {
        assert!(of(name, "aliases").list().contains(&Json::Text(alias.to_string())), "{alias}");
    }
}

#[test]
fn an_option_is_refused_without_the_one_that_it_needs() {
    let key = public_key();
    let keys = keys().display();
    let value = |option: &Json| match option.get("name").text().unwrap() {
        "rtt" => "100ms".to_string(),
        "allow" => format!("a={key}"),
        "client_target" => "a=[::1]:1".into(),
        "server_key" => key.clone(),
        "kcptun_key_file" | "psk_file" => format!("{keys}/both.key"),
        "crypt" => "aes".into(),
        "fec" => "10+3".into(),
        "ports" => "29900-29901".into(),
        name => {
            match (option.get("switch"), option.get("client").text(), option.get("server").text()) {
                (Json::Bool(true), ..) => "yes".into(),
                (_, Some(default), _) | (_, None, Some(default)) => default.into(),
                _ => panic!("a value of {name} is missing"),
            }
        }
    };
    let json = Json::parse(&printed(&["options", "--json"]));
    let (mut refused, mut sides) = (0, 0);
    for option in json.get("options").list() {
        let Some(needed) = option.get("needs").text() else { continue };
        let name = option.get("name").text().unwrap();
        let of_side = |(side, _): &(&str, &str)| {
            option.get("set_by").list().contains(&Json::Text(side.to_string()))
        };
        for (side, file) in
            [("client", CLIENT), ("server", SERVER)].iter().filter(|pair| of_side(pair))
        {
            // Only what it is about is in the way: not that these files want no keys.
            let file = match option.get("group").text() {
                Some("keys") if needed == "allow" => {
                    file.replace("insecure = true", &format!("secret_file = {keys}/me.key"))
                }
                Some("keys") => file.replace("insecure = true\n", ""),
                _ => file.to_string(),
            };
            let read =
                Configuration::parse("a.conf", &format!("{file}{name} = {}\n", value(option)));
            let error = read.expect_err(&format!("{side}: {name} without {needed}"));
            let needed = needed.split('=').next().unwrap();
            assert!(error.to_string().contains(needed), "{side}: {name}: {error}");
            sides += 1;
        }
        refused += 1;
    }
    assert!(refused >= 5 && sides > refused, "{refused} options");
}

#[test]
fn who_may_set_an_option_is_who_can() {
    let (keys, key) = (keys().display(), public_key());
    let of_key = |name: &str, side: &str| {
        let own = format!("secret_file = {keys}/me.key");
        match name {
            "allow" => format!("a={key}\n{own}"),
            "client_target" => format!("a=[::1]:1\nallow = a={key}\n{own}"),
            "server_key" => format!("{key}\n{own}"),
            "secret_file" if side == "client" => format!("{keys}/me.key\nserver_key = {key}"),
            "secret_file" => format!("{keys}/me.key"),
            "psk_file" if side == "client" => format!("{keys}/both.key\nserver_key = {key}\n{own}"),
            "psk_file" => format!("{keys}/both.key\n{own}"),
            "shared_secret_file" => format!("{keys}/both.key"),
            "invite_file" => format!("{keys}/invitation"),
            _ => "yes".into(),
        }
    };
    let value = |option: &Opt, side: &str| match (option.name, option.range(), option.unit) {
        _ if option.group == Group::Keys => of_key(option.name, side),
        ("keep_alive" | "min_rto", ..) => "100ms".to_string(),
        ("role", ..) => unreachable!(),
        ("rtt", ..) => "100ms\nbandwidth = 1mbit".into(),
        ("rate" | "bandwidth", ..) => "1mbit".into(),
        ("engine", ..) => "ring".into(),
        ("profile", ..) => "lan".into(),
        ("log_level", ..) => "warn".into(),
        ("user", ..) => "nobody".into(),
        ("control", ..) => "off".into(),
        ("http" | "metrics", ..) => "none".into(),
        (_, Some((_, max)), _) => max.to_string(),
        (_, _, "BOOL") => "no".into(),
        (_, _, unit) => match unit.ends_with(":PORT") {
            true => "127.0.0.1:1".into(),
            false => panic!("a value of {} is missing", option.name),
        },
    };
    // An invitation has no place in a file that others may read.
    let in_files = OPTIONS.iter().filter(|option| !["role", "invite"].contains(&option.name));
    for option in in_files {
        for (side, file) in [("client", CLIENT), ("server", SERVER)] {
            let line = format!("{} = {}\n", option.name, value(option, side));
            let is_key = option.group == Group::Keys;
            let is_other = |line: &&str| !line.starts_with(&format!("{} ", option.name));
            let is_leave = |line: &&str| is_key && line.starts_with("insecure");
            let without = file.lines().filter(|line| is_other(line) && !is_leave(line));
            let room =
                if option.name == "max_connections" { "max_sessions = 1048576\n" } else { "" };
            let file: String = without.map(|line| format!("{line}\n")).collect();
            let read = |text: &str| Configuration::parse("a.conf", text).map_err(|e| e.to_string());
            let said = match option.scope {
                Scope::Process => read(&format!("{line}{file}")).map(drop),
                _ => read(&format!("{file}{room}{line}")).map(drop),
            };
            let may = option.scope == Scope::Process || option.scope.names().contains(&side);
            match said {
                Ok(()) => assert!(may, "{side}: {line}"),
                Err(error) => {
                    assert!(!may, "{side}: {line}{error}");
                    let why = format!("a {side} has no {}", option.name);
                    assert!(error.ends_with(&why), "{error}");
                }
            }
        }
    }
}

#[test]
fn the_columns_name_every_option() {
    let text = printed(&["options"]);
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let known: Vec<&str> = OPTIONS.iter().chain(KCPTUN_OPTIONS).map(|option| option.name).collect();
    assert_eq!(names, [&["option"][..], &known].concat());
}
