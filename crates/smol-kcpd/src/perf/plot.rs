//! `smol-kcpd perf --plot`: a measurement over time, as an SVG. Whole numbers only, as in the table.

use std::fmt::Write;

use smol_kcp::StreamStats;

use super::{rate, Direction, Progress};
use crate::figures::{decimal, lost, path_rate, queue};

/// Pixels: the picture, and the part of it in which a panel draws.
const WIDTH: u64 = 760;
const LEFT: u64 = 64;
const RIGHT: u64 = 740;
const HEIGHT: u64 = 130;

/// From one panel to the next: heading, plot, axis.
const STEP: u64 = 200;
const HEAD: u64 = 40;

/// Samples over which a rate or a share is taken: half a second.
const SPAN: usize = 5;

/// Light or dark as the reader's screen is; lines differ by more than their colour. Without CSS variables,
/// which only browsers know.
const STYLE: &str = "text{font:12px sans-serif;fill:#24292f}.r{text-anchor:end}.m{text-anchor:middle}\
.h{font-weight:bold}.back{fill:#fff}path{stroke:#d0d7de;fill:none}polyline,line{fill:none;stroke-width:1.6}\
.a{stroke:#0550ae}.b{stroke:#bc4c00;stroke-dasharray:6 3}.c{stroke:#1a7f37;stroke-dasharray:2 3}\
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.back{fill:#0d1117}path{stroke:#30363d}\
.a{stroke:#79c0ff}.b{stroke:#ffa657}.c{stroke:#7ee787}}";
const CLASSES: [&str; 3] = ["a", "b", "c"];

/// A line: its name, and milliseconds with values.
type Series = (&'static str, Vec<(u64, u64)>);

/// A row of the picture.
struct Panel {
    name: String,
    /// Each with its name: the first that is not more than the highest value is that of the axis.
    units: &'static [(u64, &'static str)],
    series: Vec<Series>,
}

const RATES: &[(u64, &str)] =
    &[(1_000_000_000, "Gbit/s"), (1_000_000, "Mbit/s"), (1_000, "kbit/s")];
const TIMES: &[(u64, &str)] = &[(1_000, "s"), (1, "ms")];
const SHARES: &[(u64, &str)] = &[(10_000, "%")];

/// Draws measurements, from samples as [`measure`](super::measure) tells them: rates, round trips
/// and losses of what this side sends, and of what the other side sends what has arrived.
pub fn plot(title: &str, runs: &[(Direction, Vec<Progress>)]) -> String {
    let panels: Vec<Panel> = runs.iter().flat_map(|(of, samples)| panels(*of, samples)).collect();
    let height = HEAD + STEP * panels.len() as u64;
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\"><title>{title}</title>\
         <style>{STYLE}</style>\n<rect width=\"{WIDTH}\" height=\"{height}\" \
         class=\"back\"/>\n<text x=\"{LEFT}\" y=\"22\" class=\"h\">{title}</text>\n"
    );
    for (at, panel) in panels.iter().enumerate() {
        panel.draw(&mut svg, HEAD + STEP * at as u64 + 24);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panels(direction: Direction, samples: &[Progress]) -> Vec<Panel> {
    let panel =
        |what: &str, units, series| Panel { name: format!("{direction}: {what}"), units, series };
    let delivered: Vec<(u64, u64)> = spans(samples)
        .map(|(then, now)| {
            let bytes = now.bytes.saturating_sub(then.bytes);
            (millis(now), rate(bytes, now.elapsed.saturating_sub(then.elapsed)))
        })
        .collect();
    let most = delivered.iter().map(|&(_, rate)| rate).max().unwrap_or(0);
    let delivered = ("delivered", delivered);
    let Direction::Upload = direction else { return vec![panel("rate", RATES, vec![delivered])] };

    let line = |name, value: fn(&StreamStats) -> Option<u64>| -> Series {
        let points =
            samples.iter().filter_map(|one| Some((millis(one), value(one.sender.as_ref()?)?)));
        (name, points.collect())
    };
    let losses = spans(samples).filter_map(|(then, now)| {
        Some((millis(now), lost(then.sender.as_ref()?, now.sender.as_ref()?)?.into()))
    });
    let mut rates = vec![
        delivered,
        line("the path carries", |stats| known_bits(path_rate(stats))),
        line("pace", |stats| known_bits(stats.path.pace)),
    ];
    // Where nothing but a window is the limit they may be anything, beside which the rest is flat.
    let most = most.saturating_mul(3).max(1_000);
    rates.iter_mut().flat_map(|(_, points)| points).for_each(|(_, rate)| *rate = most.min(*rate));
    vec![
        panel("rate", RATES, rates),
        panel(
            "round trip",
            TIMES,
            vec![
                line("smoothed", |stats| u64::try_from(stats.srtt.as_millis()).ok()),
                line("shortest", |stats| Some(queue(stats).0.into())),
                line("queue", |stats| Some(queue(stats).1.into())),
            ],
        ),
        panel(
            "loss",
            SHARES,
            vec![
                ("lost", losses.collect()),
                line("lost without congestion", |stats| Some(stats.path.loss_ppm.into())),
            ],
        ),
    ]
}

fn millis(of: &Progress) -> u64 {
    u64::try_from(of.elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Bits of bytes; `None`: nothing is known of them.
fn known_bits(bytes: u64) -> Option<u64> {
    (bytes > 0).then(|| bytes.saturating_mul(8))
}

/// Each sample with the one some time before it.
fn spans(samples: &[Progress]) -> impl Iterator<Item = (&Progress, &Progress)> {
    samples.iter().zip(samples.iter().skip(SPAN))
}

impl Panel {
    fn draw(&self, svg: &mut String, top: u64) {
        let points = || self.series.iter().flat_map(|(_, points)| points);
        let (step, most) = ticks(points().map(|&(_, value)| value).max().unwrap_or(0));
        let end = points().map(|&(time, _)| time).max().unwrap_or(0).max(1000);
        let (every, _) = ticks(end);
        let unit = self.units.iter().find(|(unit, _)| *unit <= most).or(self.units.last());
        let &(unit, name) = unit.unwrap_or(&(1, ""));
        let x = |time: u64| LEFT + (RIGHT - LEFT) * time.min(end) / end;
        let y = |value: u64| {
            let up = u128::from(HEIGHT) * u128::from(value.min(most)) / u128::from(most);
            top + HEIGHT - up as u64
        };
        let bottom = top + HEIGHT;
        text(svg, "h", LEFT, top - 8, &format!("{}, {name}", self.name));
        for value in (0..).map(|n: u64| n * step).take_while(|&value| value <= most) {
            let _ = writeln!(svg, "<path d=\"M{LEFT} {0}H{RIGHT}\"/>", y(value));
            text(svg, "r", LEFT - 6, y(value) + 4, &short(value, unit));
        }
        for time in (0..).map(|n: u64| n * every).take_while(|&time| time <= end) {
            let _ = writeln!(svg, "<path d=\"M{0} {bottom}v4\"/>", x(time));
            let seconds = if time == 0 { "0 s".into() } else { short(time, 1000) };
            text(svg, "m", x(time), bottom + 16, &seconds);
        }
        // The legend ends where the plot does; 7 pixels are a letter, more or less.
        let mut at = RIGHT;
        for ((name, points), class) in self.series.iter().zip(CLASSES).rev() {
            at = at.saturating_sub(name.len() as u64 * 7);
            text(svg, "l", at, top - 8, name);
            let (from, to, level) = (at.saturating_sub(32), at.saturating_sub(6), top - 12);
            let _ = writeln!(
                svg,
                "<line class=\"{class}\" x1=\"{from}\" x2=\"{to}\" y1=\"{level}\" y2=\"{level}\"/>"
            );
            at = from.saturating_sub(12);
            let drawn: Vec<String> =
                points.iter().map(|&(time, value)| format!("{},{}", x(time), y(value))).collect();
            let _ = writeln!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", drawn.join(" "));
        }
    }
}

fn text(svg: &mut String, class: &str, x: u64, y: u64, text: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>");
}

/// Returns the steps of an axis, 1, 2 or 5 and zeros, and its end: four or five steps, some more than `most`.
fn ticks(most: u64) -> (u64, u64) {
    let most = most.clamp(1, u64::MAX / 10);
    let mut step = 1u64;
    for factor in [2, 5, 10].into_iter().cycle() {
        if most.div_ceil(step) <= 5 {
            break;
        }
        step = match factor {
            2 => step * 2,
            5 => step / 2 * 5,
            _ => step / 5 * 10,
        };
    }
    (step, most.div_ceil(step) * step)
}

/// A quotient without zeros at its end.
fn short(value: u64, unit: u64) -> String {
    let text = decimal(value.into(), unit.into(), 3);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests;
