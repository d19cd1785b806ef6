//! The built program.

use std::process::Command;

/// Returns the command that runs it: in an emulator where the tests themselves run in one, which cross/test.sh
/// names.
pub fn program() -> Command {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_smol-kcpd");
    match std::env::var_os("SMOL_KCP_RUNNER") {
        Some(runner) => {
            let mut command = Command::new(runner);
            command.arg(PROGRAM);
            command
        }
        None => Command::new(PROGRAM),
    }
}
