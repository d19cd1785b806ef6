//! What the engine costs, beside the `kcp` crate and `ikcp.c`. `cargo bench --bench engine`
//!
//! The bench is a package of its own, `benches/engine/`, so that ordinary builds and tests compile
//! neither criterion and its two dozen crates nor the doors it needs into this one. Here it is
//! built, with the release profile that every user has, and run.

use std::path::Path;
use std::process::{exit, Command};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs benches too, without this word.
    if !args.iter().any(|arg| arg == "--bench") {
        return;
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/engine/Cargo.toml");
    let status = Command::new(env!("CARGO"))
        .args(["run", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args(args.iter().filter(|arg| *arg != "--bench"))
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine"))
        .status()
        .expect("cargo runs");
    exit(status.code().unwrap_or(1));
}
