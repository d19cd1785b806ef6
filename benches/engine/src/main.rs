//! What the engine costs, beside the `kcp` crate and `ikcp.c`: `cargo bench --bench engine` in the
//! root of the project. Prints Markdown. `cargo bench --bench engine -- ns` has the nanoseconds
//! only, `-- segments` the instructions and allocations.

mod arq;
mod heap;
mod instructions;
mod nanoseconds;
mod routed;
mod transfer;

use arq::{Kind, MSS};
use transfer::Case;

/// Delivered segments that are counted of a case with this window, after a quarter as many and six
/// windows. Under loss they come in lumps of up to a window.
fn segments_of(window: u16) -> usize {
    (10 * usize::from(window)).max(20_000)
}

fn main() {
    heap::count_c();
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(case) = Case::from_args(&args) {
        println!("{}", transfer::run(case).segments);
        return;
    }
    let wanted =
        |part: &str| !["ns", "segments"].iter().any(|o| args.iter().any(|a| a == o && o != &part));
    if wanted("segments") {
        segments();
    }
    if wanted("ns") {
        nanoseconds::print();
    }
}

/// Instructions and allocations of every case.
fn segments() {
    let valgrind = instructions::available();
    if !valgrind {
        println!("valgrind is not here: instructions are not counted.\n");
    }
    for (payload, what) in [(MSS, "full segments of a stream"), (64, "messages of 64 B")] {
        println!("Instructions · heap allocations per delivered segment, both ends, {what}:\n");
        table(&Kind::ENGINES, &[128, 1024, 4096], &[0, 5, 20], payload, valgrind);
    }
    // Without a line to fill the windows would grow under `auto`, and what is under way at the end was sent
    // and not delivered.
    println!("The same of full segments over a line that carries a window in a round trip, with the router");
    println!("and its path around our engine:\n");
    table(&Kind::ROUTED, &[128, 1024], &[0], MSS, valgrind);
}

fn table(kinds: &[Kind], windows: &[u16], losses: &[u32], payload: usize, valgrind: bool) {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    println!("| window / loss | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for &window in windows {
        for &loss in losses {
            let cells = kinds.iter().map(|&kind| {
                let case = Case { kind, window, loss, payload, segments: segments_of(window) };
                cell(case, valgrind)
            });
            println!("| {window} / {loss} % | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
    }
    println!();
}

fn cell(case: Case, valgrind: bool) -> String {
    let counted = transfer::run(case);
    let instructions = match instructions::per_segment(case) {
        _ if !valgrind => "–".into(),
        Ok(instructions) => grouped(instructions),
        Err(error) => panic!("{error}"),
    };
    let allocations = counted.allocations as f64 / counted.segments as f64;
    match counted.allocations {
        0 => format!("{instructions} · 0"),
        // Blocks and lists for a fuller moment than any before.
        few if allocations < 0.005 => format!("{instructions} · {few} in all"),
        _ => format!("{instructions} · {allocations:.2}"),
    }
}

/// 12345.6 as 12,346.
fn grouped(number: f64) -> String {
    let number = number.round() as u64;
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{thousands},{:03}", number % 1000),
    }
}
