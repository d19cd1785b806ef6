//! Programs of others that tests need.

use std::process::Command;

/// Returns whether that program can be run. A test that needs it skips where it is not installed, and says
/// so; where everything must be tested, which .ci/run says by `SMOL_KCP_CI`, it fails.
pub fn is_installed(program: &str) -> bool {
    let Err(error) = Command::new(program).arg("--help").output() else { return true };
    assert!(std::env::var_os("SMOL_KCP_CI").is_none(), "{program}: {error}");
    eprintln!("skipped: {program}: {error}");
    false
}
