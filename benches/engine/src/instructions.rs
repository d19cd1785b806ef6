//! Instructions, counted by valgrind's callgrind. The harnesses that are kept well (gungraun,
//! formerly iai-callgrind) need a runner that cargo installs apart from the project, so this program
//! runs itself under valgrind, one case at a time.

use std::process::{Command, Stdio};

use crate::transfer::Case;

/// Is there a valgrind to run?
pub fn available() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Instructions per delivered segment, both ends together, copies included.
pub fn per_segment(case: Case) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args([
            "--collect-atstart=no",
            "--toggle-collect=*counted_turn*",
            "--toggle-collect=*emit_uncounted*",
        ])
        .arg(program)
        .args(case.to_args())
        .output()
        .map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&output.stderr);
    // ==1234== Collected : 12345678
    let collected = told.lines().find_map(|line| line.split("Collected :").nth(1));
    let collected = collected.and_then(|number| number.trim().parse::<f64>().ok());
    let segments = String::from_utf8_lossy(&output.stdout).trim().parse::<f64>();
    match (collected, segments) {
        (Some(collected), Ok(segments)) if collected > 0.0 => Ok(collected / segments),
        _ => Err(format!("callgrind did not count {case:?}:\n{told}")),
    }
}
