//! This crate beside its peers, which are a package of their own so that nothing else compiles them:
//! `cargo bench --bench peers` runs `benches/peers/` with little of everything, and writes nothing;
//! arguments behind `--` go to it instead (`-- --help`).

use std::process::{exit, Command};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs benches too, without this word.
    if !args.iter().any(|arg| arg == "--bench") {
        return;
    }
    let mut args: Vec<String> = args.into_iter().filter(|arg| arg != "--bench").collect();
    if args.is_empty() {
        args.push("--quick".to_owned());
    }
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--release", "--manifest-path", manifest, "--"])
        .args(args)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => exit(status.code().unwrap_or(1)),
        Err(error) => {
            eprintln!("cargo: {error}");
            exit(1);
        }
    }
}
