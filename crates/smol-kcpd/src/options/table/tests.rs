//! The table holds together, and finds what was meant.

use super::*;

const BOOLS: &str = "true or false, yes or no, on or off, 1 or 0";

#[test]
fn names_are_unique_and_every_option_says_what_it_is() {
    for (at, option) in OPTIONS.iter().enumerate() {
        assert!(OPTIONS[at + 1..].iter().all(|other| other.name != option.name));
        assert!(!option.help.is_empty() && !option.accepted.is_empty(), "{}", option.name);
        assert_eq!(option.is_switch(), option.accepted == BOOLS, "{}", option.name);
    }
}

#[test]
fn the_nearest_name_is_suggested_where_one_is_near() {
    assert_eq!(Opt::nearest("sendwindow"), Some("send_window"));
    assert_eq!(Opt::nearest("keepalive"), Some("keep_alive"));
    assert_eq!(Opt::nearest("mut"), Some("mtu"));
    assert_eq!(Opt::nearest("serv"), Some("server"), "not perf");
    assert_eq!(Opt::nearest("keep"), Some("keep_alive"));
    assert_eq!(Opt::nearest("colour_of_the_case"), None);
}
