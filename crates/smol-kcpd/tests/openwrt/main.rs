//! The OpenWrt package: its init script under busybox, its Makefile under make, its .ipk and .apk byte by byte.
//!
//! `rc.common` and `sdk/` stand in for what OpenWrt brings.

#![cfg(target_os = "linux")]

mod apk;
#[path = "../built/mod.rs"]
mod built;
mod init;
mod init_commands;
mod init_mistakes;
mod init_options;
mod init_secrets;
mod ipk;
mod luci;
mod makefile;
mod shell;
#[path = "../../../../tests/common/tools.rs"]
mod tools;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use self::tools::is_installed;

/// A path in the source tree.
fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// An empty folder of one test's own.
fn folder(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openwrt").join(test);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", path.display()),
        _ => fs::create_dir_all(&path).expect("a folder"),
    }
    path
}

/// What a command that must succeed prints.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", errors(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// What a command says on stderr.
fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
