//! Edges: each bound is accepted, one beyond is refused by the name of its field.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::KcpNoDelayConfig;

const MS: Duration = Duration::from_millis(1);
const NS: Duration = Duration::from_nanos(1);

/// A configuration with room on all sides, so that a case moves one field and no relation.
fn roomy() -> KcpConfig {
    KcpConfig {
        session_expire: None,
        keep_alive: None,
        stall_timeout: LONGEST,
        ..KcpConfig::default()
    }
}

/// Changes one field of a configuration to a value.
type Set<T> = fn(&mut KcpConfig, T);

/// Both ends pass, and what is one `step` beyond them does not, where there is such a value.
fn edges<T: Copy + Debug>(
    field: &'static str,
    set: Set<T>,
    accepted: [T; 2],
    refused: &[T],
    value_and_range: &[(&str, &str)],
) {
    for value in accepted {
        let mut config = roomy();
        set(&mut config, value);
        config.check().unwrap_or_else(|error| panic!("{field} = {value:?}: {error}"));
    }
    assert_eq!(refused.len(), value_and_range.len());
    for (&value, &(shown, range)) in refused.iter().zip(value_and_range) {
        let mut config = roomy();
        set(&mut config, value);
        assert_refused(&config, field, shown, range);
    }
}

#[track_caller]
fn assert_refused(config: &KcpConfig, name: &str, shown: &str, range: &str) {
    match config.check() {
        Err(KcpError::Config { field, value, accepted }) => {
            assert_eq!((field, &*value, &*accepted), (name, shown, range));
        }
        other => panic!("{name} = {shown}: {other:?}"),
    }
}

#[test]
fn sizes_have_edges() {
    let range = "50 to 65507";
    edges("mtu", |c, v| c.mtu = v, [50, 65_507], &[49, 65_508], &[("49", range), ("65508", range)]);
}

#[test]
fn knobs_have_edges() {
    let range = "10 to 5000";
    edges(
        "nodelay.interval",
        |c, v| c.nodelay.interval = v,
        [10, 5000],
        &[9, 5001],
        &[("9", range), ("5001", range)],
    );
    let set: Set<u32> = |c, v| c.nodelay.resend = v;
    edges("nodelay.resend", set, [0, 128], &[129], &[("129", "0 to 128")]);
}

#[test]
fn windows_have_edges() {
    let expected = [("0", "1 to 32767"), ("32768", "1 to 32767")];
    edges("wnd_size.0", |c, v| c.wnd_size.0 = v, [1, 32_767], &[0, 32_768], &expected);
    edges("wnd_size.1", |c, v| c.wnd_size.1 = v, [1, 32_767], &[0, 32_768], &expected);
    let expected = [("0", "1 to 65535")];
    edges("max_wnd_size.0", |c, v| c.max_wnd_size.0 = v, [1, u16::MAX], &[0], &expected);
    edges("max_wnd_size.1", |c, v| c.max_wnd_size.1 = v, [1, u16::MAX], &[0], &expected);
}

#[test]
fn times_have_edges() {
    let beyond = LONGEST + NS;
    let outside = [Some(SHORTEST - NS), Some(beyond)];
    let range = "10ms to 2073600s, or none";
    let expected = [("9.999999ms", range), ("2073600.000000001s", range)];
    let inside = [Some(SHORTEST), Some(LONGEST)];
    edges("session_expire", |c, v| c.session_expire = v, inside, &outside, &expected);
    edges("keep_alive", |c, v| c.keep_alive = v, inside, &outside, &expected);
    edges("connect_timeout", |c, v| c.connect_timeout = v, inside, &outside, &expected);
    edges(
        "linger",
        |c, v| c.linger = v,
        [Duration::ZERO, LONGEST],
        &[beyond],
        &[("2073600.000000001s", "0ns to 2073600s")],
    );
    edges(
        "stall_timeout",
        |c, v| c.stall_timeout = v,
        [200 * MS, LONGEST],
        &[200 * MS - NS, beyond],
        &[("199.999999ms", "200ms to 2073600s"), ("2073600.000000001s", "200ms to 2073600s")],
    );
    edges(
        "min_rto",
        |c, v| c.min_rto = v,
        [Some(10 * MS), Some(60_000 * MS)],
        &[Some(Duration::ZERO), Some(60_001 * MS)],
        &[("0ns", "10ms to 60s, or none"), ("60.001s", "10ms to 60s, or none")],
    );
    let range = "2 to 1000";
    edges(
        "dead_link",
        |c, v| c.dead_link = v,
        [2, 1000],
        &[1, 1001],
        &[("1", range), ("1001", range)],
    );
}

#[test]
fn budgets_have_edges() {
    let most = 268_435_456;
    let range = "1400 to 268435456";
    let expected = [("1399", range), ("268435457", range)];
    let outside = [1399, most + 1];
    edges("send_budget", |c, v| c.send_budget = v, [1400, most], &outside, &expected);
    edges("recv_budget", |c, v| c.recv_budget = v, [1400, most], &outside, &expected);

    let range = "1400 to 268435456, or none";
    let expected = [("1399", range), ("268435457", range)];
    let inside = [Some(1400), Some(most)];
    let outside = [Some(1399), Some(most + 1)];
    edges("send_buffer", |c, v| c.send_buffer = v, inside, &outside, &expected);
    edges("recv_buffer", |c, v| c.recv_buffer = v, inside, &outside, &expected);

    let (least, most) = (262_144, 2_146_435_072);
    let range = "262144 to 2146435072, or none";
    let expected = [("262143", range), ("2146435073", range)];
    let (inside, outside) = ([Some(least), Some(most)], [Some(least - 1), Some(most + 1)]);
    edges("memory_budget", |c, v| c.memory_budget = v, inside, &outside, &expected);

    let range = "1 to 174752, or none";
    edges(
        "max_message",
        |c, v| c.max_message = v,
        [Some(1), Some(174_752)],
        &[Some(0), Some(174_753)],
        &[("0", range), ("174753", range)],
    );
}

#[test]
fn counts_have_edges() {
    let most = 1_048_576;
    let expected = [("0", "1 to 1048576"), ("1048577", "1 to 1048576")];
    let outside = [0, most + 1];
    edges("max_sessions", |c, v| c.max_sessions = v, [1, most], &outside, &expected);
    edges("max_unconfirmed", |c, v| c.max_unconfirmed = v, [1, most], &outside, &expected);
    let expected = [("0", "1 to 65535"), ("65536", "1 to 65535")];
    edges("backlog", |c, v| c.backlog = v, [1, 65_535], &[0, 65_536], &expected);
    let set: Set<Option<u8>> = |c, v| c.dscp = v;
    edges("dscp", set, [Some(0), Some(63)], &[Some(64)], &[("64", "0 to 63, or none")]);
}

#[test]
fn what_is_optional_may_be_absent() {
    let bare = KcpConfig {
        session_expire: None,
        keep_alive: None,
        connect_timeout: None,
        min_rto: None,
        max_message: None,
        send_buffer: None,
        recv_buffer: None,
        dscp: None,
        ..KcpConfig::default()
    };
    bare.check().unwrap();
}

#[test]
fn a_keepalive_comes_before_the_session_expires() {
    let config = KcpConfig { session_expire: Some(90_000 * MS), ..roomy() };
    config.clone().with_keep_alive(Some(89_999 * MS)).check().unwrap();
    let late = config.with_keep_alive(Some(90_000 * MS));
    assert_refused(&late, "keep_alive", "90s", "less than session_expire = 90s");
    late.with_session_expire(None).check().unwrap();
}

#[test]
fn a_retransmission_comes_before_the_link_counts_as_dead() {
    let config = KcpConfig { stall_timeout: 500 * MS, ..roomy() };
    config.clone().with_min_rto(Some(499 * MS)).check().unwrap();
    let late = config.with_min_rto(Some(500 * MS));
    assert_refused(&late, "min_rto", "500ms", "less than stall_timeout = 500ms");
}

#[test]
fn a_budget_holds_a_datagram_whatever_its_size() {
    let config = KcpConfig { mtu: 9000, recv_budget: 8999, ..roomy() };
    assert_refused(&config, "recv_budget", "8999", "9000 to 268435456");
    config.with_recv_budget(9000).check().unwrap();
}

#[cfg(feature = "pcap")]
#[test]
fn a_capture_needs_the_name_of_a_file() {
    let config = roomy().with_pcap(Some("".into()));
    assert_refused(&config, "pcap", "an empty path", "the path of a file, or none");
    config.with_pcap(Some("a.pcap".into())).check().unwrap();
}

/// Mostly values near some bound, sometimes any.
fn number() -> impl Strategy<Value = usize> {
    prop_oneof![0..200_usize, 1_000..100_000_usize, any::<usize>()]
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..100_000_u64).prop_map(Duration::from_millis),
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n)),
    ]
}

fn maybe<T: Debug + Clone>(some: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(some)
}

prop_compose! {
    fn configurations()(
        sizes in (number(), number(), number(), maybe(number())),
        counts in (number(), number(), number(), any::<u32>()),
        knobs in (any::<bool>(), 0..6_000_u32, 0..300_u32, any::<bool>()),
        wnd_size in any::<(u16, u16)>(),
        flags in any::<(bool, bool)>(),
        times in (maybe(time()), maybe(time()), maybe(time()), maybe(time())),
        ends in (time(), time()),
        socket in ((maybe(number()), maybe(number())), maybe(any::<u8>())),
    ) -> KcpConfig {
        KcpConfig {
            mtu: sizes.0,
            nodelay: KcpNoDelayConfig {
                nodelay: knobs.0,
                interval: knobs.1,
                resend: knobs.2,
                nc: knobs.3,
            },
            wnd_size,
            stream: flags.0,
            flush_write: flags.1,
            session_expire: times.0,
            keep_alive: times.1,
            connect_timeout: times.2,
            linger: ends.0,
            dead_link: counts.3,
            stall_timeout: ends.1,
            min_rto: times.3,
            send_budget: sizes.1,
            recv_budget: sizes.2,
            max_message: sizes.3,
            max_sessions: counts.0,
            max_unconfirmed: counts.1,
            backlog: counts.2,
            send_buffer: socket.0 .0,
            recv_buffer: socket.0 .1,
            dscp: socket.1,
            ..KcpConfig::default()
        }
    }
}

proptest! {
    #[test]
    fn no_value_makes_the_check_panic(config in configurations()) {
        if let Err(error) = config.check() {
            prop_assert!(matches!(error, KcpError::Config { .. }), "{}", error);
        }
        let _ = config.max_session_memory();
        prop_assert!(config.max_message_len() <= FRAGMENTS_MAX.saturating_mul(config.mss()));
    }

    #[test]
    fn what_passes_has_a_finite_size_even_with_32_bits(
        mtu in MTU,
        window in WINDOW,
        send_budget in 0..=MAX_BUDGET,
        recv_budget in 0..=MAX_BUDGET,
        stream in any::<bool>(),
    ) {
        let config = KcpConfig {
            mtu,
            wnd_size: (1, window),
            send_budget: send_budget.max(mtu),
            recv_budget: recv_budget.max(mtu),
            stream,
            send_buffer: None,
            recv_buffer: None,
            ..KcpConfig::default()
        };
        prop_assert!(config.check().is_ok());
        prop_assert!(config.max_session_memory() < u32::MAX as usize);
    }
}
