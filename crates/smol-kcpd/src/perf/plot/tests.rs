//! Pictures, by their text.

use std::time::Duration;

use super::*;
use smol_kcp::Phase;

/// A sender of 10 Mbit/s, of which a tenth gets lost, with a queue of 20 ms at 50 ms.
fn samples() -> Vec<Progress> {
    let sample = |n: u64| {
        let mut stats = StreamStats::default();
        stats.srtt = Duration::from_millis(70);
        (stats.path.acked_bytes, stats.path.lost_bytes) = (n * 90_000, n * 10_000);
        (stats.path.phase, stats.path.bandwidth) = (Some(Phase::Cruise), 1_250_000);
        (stats.path.min_rtt_ms, stats.path.queue_ms, stats.path.loss_ppm) = (50, 20, 80_000);
        let elapsed = Duration::from_millis(n * 100);
        Progress { elapsed, bytes: n * 125_000, sender: Some(stats) }
    };
    (1..=100).map(sample).collect()
}

#[test]
fn an_upload_has_rates_round_trips_and_losses_and_a_download_what_arrived() {
    let arrived = samples().into_iter().map(|one| Progress { sender: None, ..one }).collect();
    let runs = [(Direction::Upload, samples()), (Direction::Download, arrived)];
    let svg = plot("a <b> & c", &runs);
    assert!(
        svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>\n")
    );
    assert!(svg.contains("<title>a &lt;b> &amp; c</title>"), "{svg}");
    assert!(svg.contains("@media (prefers-color-scheme:dark)"));
    for name in [
        "upload: rate, Mbit/s",
        "upload: round trip, ms",
        "upload: loss, %",
        "download: rate, Mbit/s",
        "delivered",
        "the path carries",
        "pace",
        "smoothed",
        "shortest",
        "queue",
        "lost",
        "lost without congestion",
        "0 s",
    ] {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}: {svg}");
    }
    assert_eq!(svg.matches("<polyline").count(), 3 + 3 + 2 + 1);
    // 10 of 10 Mbit/s, from the first half second on; the pace is not known.
    let top = HEAD + 24;
    let first = format!("points=\"{},{top} ", LEFT + (RIGHT - LEFT) * 600 / 10_000);
    assert_eq!(svg.matches(&first).count(), 1, "{svg}");
    assert!(svg.contains("<polyline class=\"c\" points=\"\"/>"), "{svg}");
    // 10 % of 10 % at most, in every half second.
    let lost = format!(" {RIGHT},{}\"", top + 2 * STEP);
    assert!(svg.contains(&lost), "{lost} {svg}");
    // 20 ms of 80 ms at most.
    let queue = format!(",{} ", top + STEP + HEIGHT - HEIGHT * 20 / 80);
    assert!(svg.contains(&queue), "{queue} {svg}");
}

#[test]
fn a_rate_far_above_what_arrives_does_not_flatten_the_rest() {
    let mut samples = samples();
    samples.iter_mut().for_each(|one| {
        if let Some(stats) = &mut one.sender {
            stats.path.pace = 1 << 40;
        }
    });
    let svg = plot("loopback", &[(Direction::Upload, samples)]);
    assert!(svg.contains(">upload: rate, Mbit/s</text>") && svg.contains(">30</text>"), "{svg}");
}

#[test]
fn what_was_never_measured_has_axes_all_the_same() {
    let svg = plot("nothing", &[(Direction::Upload, Vec::new())]);
    assert!(svg.contains(">upload: rate, kbit/s</text>") && svg.contains(">1</text>"), "{svg}");
    assert_eq!(plot("nothing", &[]).matches("<polyline").count(), 0);
}

#[test]
fn axes_end_at_round_figures() {
    for (most, axis) in [(0, (1, 1)), (5, (1, 5)), (6, (2, 6)), (70, (20, 80)), (101, (50, 150))] {
        assert_eq!(ticks(most), axis, "{most}");
    }
    assert_eq!(ticks(11_000_000), (5_000_000, 15_000_000));
    assert!(ticks(u64::MAX).1 >= u64::MAX / 10);
    assert_eq!((short(2_500_000, 1_000_000), short(0, 1000)), ("2.5".into(), "0".into()));
}
