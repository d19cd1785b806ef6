//! This crate beside its peers, in one run: `cargo run --release` here, with `--help` for the options.

mod chart;
mod measure;
mod process;
mod relay;
mod report;

use std::path::Path;
use std::process::{Command, ExitCode};

use measure::{Bins, Effort, PEERS, SCENARIOS};
use report::Results;

const HELP: &str = "\
Measures this crate beside its peers and writes results.tsv and results.md beside its
Cargo.toml, and docs/benchmarks.svg. Figures of scenarios and peers that are not measured again stay as they are.

  --only A,B    scenarios: bulk bulk-4m ping-1 ping-2 many idle loss-5 loss-5-4m loss-10
                loss-10-4m ping-loss-5 ping-loss-10 size
  --peers A,B   peers: smol-kcp smol-kcp/1 smol-kcp/secure tokio_kcp kcp-io kcp-tokio kcp-rs UDP UDP/smol TCP
                (smol-kcp/1: all connections of a client over one socket;
                smol-kcp/secure: all that travels encrypted)
  --quick       little of everything, once; nothing is written
  --runs N      instead of the usual number; the median is taken
  --report      measures nothing, writes results.md and the chart from results.tsv
";

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What is asked for.
struct Options {
    help: bool,
    only: Vec<&'static str>,
    peers: Vec<&'static str>,
    runs: Option<usize>,
    quick: bool,
    report: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
        let scenarios = SCENARIOS.map(|(name, _)| name);
        let mut options = Options {
            help: false,
            only: scenarios.to_vec(),
            peers: PEERS.to_vec(),
            runs: None,
            quick: false,
            report: false,
        };
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or(format!("{flag} needs a value"));
            match flag.as_str() {
                "--help" => options.help = true,
                "--only" => options.only = chosen(&value()?, &scenarios)?,
                "--peers" => options.peers = chosen(&value()?, &PEERS)?,
                "--runs" => {
                    options.runs = Some(value()?.parse().map_err(|_| "--runs needs a number")?);
                }
                "--quick" => options.quick = true,
                "--report" => options.report = true,
                _ => return Err(format!("unknown {flag}; see --help")),
            }
        }
        Ok(options)
    }
}

/// Of those that are known, the ones that `names` has, between commas.
fn chosen(names: &str, known: &[&'static str]) -> Result<Vec<&'static str>, String> {
    let one = |name| known.iter().copied().find(|known| *known == name);
    names.split(',').map(|name| one(name).ok_or(format!("unknown {name}; see --help"))).collect()
}

fn run(options: Options) -> Result<(), String> {
    if options.help {
        print!("{HELP}");
        return Ok(());
    }
    let Options { only, peers, runs, quick, report, .. } = options;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut results = Results::load(&here.join("results.tsv"));
    let write = |name: &str, text: String| {
        std::fs::write(here.join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    let effort = Effort { quick };
    if !report {
        let bins = build(here, only.contains(&"size"))?;
        results.measured_here();
        for (name, scenario) in SCENARIOS.iter().filter(|(name, _)| only.contains(name)) {
            let peers = || peers.iter().copied().filter(|peer| scenario.includes(peer));
            for peer in peers() {
                results.forget(name, peer);
            }
            // In turn, so that what else the machine does meets all of them.
            for run in 0..runs.unwrap_or(scenario.runs(effort)) {
                for peer in peers() {
                    let outcome = scenario.run(peer, run, effort, &bins);
                    println!("{name} {run} {peer}: {}", report::line(&outcome));
                    results.add(name, peer, outcome);
                }
            }
            if !effort.quick {
                write("results.tsv", results.save())?;
            }
        }
    }
    print!("{}", report::table(&results));
    if effort.quick {
        return Ok(());
    }
    write("results.md", report::page(&results, &here.join("notes.md"))?)?;
    write("../../docs/benchmarks.svg", chart::draw(&results))
}

/// Builds the binaries of the sides, and the smallest ones where they are wanted.
fn build(here: &Path, small: bool) -> Result<Bins, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = here.join("target");
    let sources = std::fs::read_dir(here.join("src/bin")).map_err(|error| error.to_string())?;
    let names: Vec<String> = sources
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    for (profile, prefix) in [("release", "side_"), ("size", "echo_")] {
        if profile == "size" && !small {
            continue;
        }
        let bins = names.iter().filter(|name| name.starts_with(prefix));
        let status = Command::new(&cargo)
            .args(["build", "--profile", profile, "--manifest-path"])
            .arg(here.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .args(bins.flat_map(|name| ["--bin", name.as_str()]))
            .status()
            .map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!("the peers do not build: {status}"));
        }
    }
    Ok(Bins { fast: target.join("release"), small: target.join("size") })
}
