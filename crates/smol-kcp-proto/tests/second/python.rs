//! Running the second implementation.

use std::path::Path;
use std::process::Command;

use super::FOLDER;

/// Finds a Python that has the package `cryptography`: the system's may where another one comes first.
pub fn python() -> Option<&'static str> {
    let has_it = |python: &&str| {
        let output = Command::new(python).args(["-c", "import cryptography"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_it);
    if found.is_none() {
        assert!(std::env::var_os("SMOL_KCP_CI").is_none(), "no python3 with cryptography");
        eprintln!("SKIPPED: no python3 with the package cryptography");
    }
    found
}

/// Runs a program of this folder, which must succeed, and returns what it prints.
pub fn run(python: &str, program: &str, args: &[&str]) -> String {
    let folder = Path::new(FOLDER);
    // -B: nothing is written beside the sources.
    let output = Command::new(python).arg("-B").arg(folder.join(program)).args(args).output();
    let output = output.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
