//! The init script and what people, or worse, write into /etc/config/smol-kcp.

use super::init::{Router, CLIENT, SERVER};

/// A server with one more line, beside a client that is well.
fn beside(line: &str) -> String {
    format!("{SERVER}\t{line}\n{CLIENT}")
}

#[test]
fn a_bad_section_is_named_and_left_out_while_the_others_start() {
    let Some(router) = Router::new("bad") else { return };
    for (line, said) in [
        ("option nodelay 'perhaps'", "home: nodelay = 'perhaps' is not of the type bool"),
        ("option mtu 'big'", "home: mtu = 'big' is not of the type uinteger"),
        ("option mtu '-1'", "home: mtu = '-1' is not of the type uinteger"),
        ("option mtu '10'", "mtu = 10: must be 50"),
        ("option linger '7 s'", "home: linger = '7 s' has characters that no value has"),
        ("option linger '7x'", "linger = 7x: must be 0s to 24d"),
        ("option profile 'van'", "profile = van: must be default, lan, wan"),
        ("option role 'both'", "role = both: must be client or server"),
        ("option user 'nobdy'", "home: user = 'nobdy' is not a user of this system"),
        ("option send_windw '9'", "unknown option send_windw: is send_window meant?"),
        ("list send_windw '9'", "unknown option send_windw: is send_window meant?"),
        ("option server 'a:1'", "server"),
        ("option interface 'br-lan'", "interface = 'br-lan' is not of the type uciname"),
        ("option enabled 'ja'", "home: enabled = 'ja' is not of the type bool"),
        ("list listen '[::]:1'", "home: listen = "),
    ] {
        let asked = router.start(&beside(line));
        assert_eq!(asked.instances(), ["away"], "{line}: {}", asked.0);
        assert_eq!(router.files(), ["away.conf"], "{line}");
        let logged = asked.logged();
        assert!(logged[0].contains(said) && logged[0].starts_with("home:"), "{line}: {logged:?}");
        assert_eq!(logged[1..], ["home: not started"], "{line}");
    }
}

#[test]
fn every_mistake_that_uci_sees_is_named_at_once() {
    let Some(router) = Router::new("several") else { return };
    let asked = router.start(&beside("option mtu 'big'\n\toption nc '2'\n\toption rtt '1 s'"));
    assert_eq!(
        asked.logged(),
        [
            "home: rtt = '1 s' has characters that no value has",
            "home: mtu = 'big' is not of the type uinteger",
            "home: nc = '2' is not of the type bool",
            "home: not started",
        ]
    );
}

#[test]
fn what_is_missing_is_named() {
    let Some(router) = Router::new("missing") else { return };
    for (without, said) in [
        ("\toption role 'server'\n", "role is missing"),
        ("\toption listen '[::]:29900'\n", "listen is missing"),
        ("\toption target '127.0.0.1:22'\n", "target or udp_target is missing"),
    ] {
        let asked = router.start(&SERVER.replace(without, ""));
        assert!(asked.instances().is_empty());
        let logged = asked.logged();
        assert!(logged[0].contains(said), "{logged:?}");
    }
}

#[test]
fn a_value_cannot_become_another_option() {
    let Some(router) = Router::new("injection") else { return };
    let trap = router.path("sprung");
    let trap = trap.display();
    for value in [
        "127.0.0.1:22\nperf = 1".to_string(),
        "127.0.0.1:22\n[evil]\nrole = server".to_string(),
        "127.0.0.1:22\r".to_string(),
        "127.0.0.1:22 # not a comment".to_string(),
        "127.0.0.1:22\"".to_string(),
        "127.0.0.1:22'\\''; touch".to_string(),
        format!("$(touch {trap})"),
        format!("`touch {trap}`"),
        format!("1; touch {trap}"),
        format!("a:1' ; touch {trap} ; echo '"),
        "a=b".to_string(),
        "\u{1b}[31m".to_string(),
        "größe:22".to_string(),
    ] {
        let quoted = value.replace('\'', "'\\''");
        for option in ["target", "user", "linger", "log_level", "interface"] {
            let others = if option == "target" {
                SERVER.replace("127.0.0.1:22", &quoted)
            } else {
                format!("{SERVER}\toption {option} '{quoted}'\n")
            };
            let asked = router.start(&others);
            assert!(asked.instances().is_empty(), "{option} {value:?}: {}", asked.0);
            assert!(router.files().is_empty(), "{option} {value:?}");
            let logged = asked.logged();
            assert!(logged[0].starts_with(&format!("home: {option} = '")), "{value:?}: {logged:?}");
            assert!(asked.0.bytes().all(|b| b == b'\n' || (32..127).contains(&b)), "{logged:?}");
        }
    }
    for (option, value) in [("mtu", "1400\nperf = 1"), ("perf", "1\nmtu = 9"), ("mtu", "$(id)")] {
        let asked = router.start(&beside(&format!("option {option} '{value}'")));
        assert_eq!(asked.instances(), ["away"], "{option} {value:?}");
    }
    assert!(!router.path("sprung").exists(), "nothing of it is run");
}

#[test]
fn sections_that_are_no_tunnels_are_named() {
    let Some(router) = Router::new("sections") else { return };
    let asked = router.start(&format!("config tunel 'office'\n\toption enabled '1'\n{SERVER}"));
    assert_eq!(asked.instances(), ["home"]);
    let said = "section 'office' is of the type 'tunel', which is not known; tunnel is";
    assert_eq!(asked.logged(), [said]);
}

#[test]
fn two_tunnels_may_differ_in_one_word() {
    let Some(router) = Router::new("alike") else { return };
    let other = SERVER.replace("'home'", "'home_2'").replace("29900", "29901");
    let asked = router.start(&format!("{SERVER}\toption user 'nobody'\n{other}"));
    assert_eq!(asked.instances(), ["home", "home_2"]);
    assert!(router.file("home").contains("user = nobody"), "options stay in their section");
    assert!(router.file("home_2").contains("user = smol-kcp"));
}
