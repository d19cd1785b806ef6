//! The package's Makefile, which OpenWrt's build system reads, with stand-ins of its includes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::ipk::{made, unpack};
use super::{folder, is_installed, printed, tree};

fn make(work: &Path, arch: &str, goal: &str) -> String {
    make_of("smol-kcp", "smol-kcp", work, arch, goal)
}

/// Makes a goal of one of the packages in a folder.
pub fn make_of(folder: &str, package: &str, work: &Path, arch: &str, goal: &str) -> String {
    let mut make = Command::new("make");
    make.args(["-s", "-C"]).arg(tree("openwrt").join(folder)).arg(format!("{goal}-{package}"));
    make.arg(format!("TOPDIR={}", tree("crates/smol-kcpd/tests/openwrt/sdk").display()));
    make.arg(format!("WORK={}", work.display())).arg(format!("ARCH={arch}"));
    // Not what a make around the tests may have set.
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
    printed(&mut make)
}

#[test]
fn the_fields_are_those_of_the_crate() {
    if !is_installed("make") {
        return;
    }
    let work = folder("fields");
    let said = make(&work, "mips", "fields");
    let fields: BTreeMap<&str, &str> =
        said.lines().filter_map(|line| line.split_once('=')).collect();
    let wanted = BTreeMap::from([
        ("PKG_NAME", "smol-kcp"),
        ("PKG_VERSION", env!("CARGO_PKG_VERSION")),
        ("PKG_RELEASE", "1"),
        ("PKG_MAINTAINER", "smol-kcp contributors"),
        ("PKG_LICENSE", env!("CARGO_PKG_LICENSE")),
        ("PKG_LICENSE_FILES", "LICENSE"),
        ("PKG_BUILD_DEPENDS", "rust/host"),
        ("PKG_BUILD_PARALLEL", "1"),
        ("SECTION", "net"),
        ("CATEGORY", "Network"),
        ("SUBMENU", "Web Servers/Proxies"),
        ("TITLE", "TCP tunnels over KCP, a fast and reliable UDP protocol"),
        ("DEPENDS", "@(aarch64||arm||mips||mipsel||x86_64)"),
        ("USERID", "smol-kcp:smol-kcp"),
        ("PKGARCH", ""),
    ]);
    assert_eq!(fields, wanted);
    assert!(make(&work, "mips", "description").starts_with("  smol-kcpd carries"));
    let kept = make(&work, "mips", "conffiles");
    assert_eq!(kept, "/etc/config/smol-kcp\n/etc/sysctl.d/50-smol-kcp.conf\n");
}

#[test]
fn timers_are_cured_on_mips_and_only_there() {
    if !is_installed("make") {
        return;
    }
    let work = folder("compile");
    for (arch, cured) in
        [("mips", true), ("mipsel", true), ("mips64", false), ("arm", false), ("aarch64", false)]
    {
        let command = make(&work, arch, "compile");
        assert_eq!(command.contains("--cfg fix_y2038"), cured, "{arch}: {command}");
        assert!(
            command.contains("-Ctarget-feature=-crt-static"),
            "the feed's own flags: {command}"
        );
        assert!(command.contains("/crates/smol-kcpd\""), "{command}");
        assert!(command.trim_end().ends_with("--locked --no-default-features"), "{command}");
    }
}

#[test]
fn the_sources_are_the_tree_that_the_feed_is_part_of() {
    if !is_installed("make") {
        return;
    }
    let work = folder("prepare");
    make(&work, "mips", "prepare");
    let prepared = work.join(concat!("build/smol-kcp-", env!("CARGO_PKG_VERSION")));
    for file in
        ["Cargo.toml", "Cargo.lock", "LICENSE", "src/lib.rs", "crates/smol-kcpd/src/main.rs"]
    {
        assert!(fs::read(prepared.join(file)).ok() == fs::read(tree(file)).ok(), "{file}");
    }
    for not in ["target", "fuzz", ".git"] {
        assert!(!prepared.join(not).exists(), "{not}");
    }
}

/// The files below `folder` with their modes and contents.
pub fn files(folder: &Path, root: &Path, into: &mut BTreeMap<String, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, root, into);
            continue;
        }
        let name = path.strip_prefix(root).expect("below").display().to_string();
        let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o7777;
        into.insert(format!("./{name}"), (mode, fs::read(&path).expect("a file")));
    }
}

#[test]
fn the_sdk_and_the_ipk_install_the_same_files() {
    if !is_installed("make") {
        return;
    }
    let work = folder("install");
    let package = made(&work);
    fs::create_dir_all(work.join("ipkg-install/bin")).expect("a folder");
    fs::copy(work.join("program"), work.join("ipkg-install/bin/smol-kcpd")).expect("a copy");
    make(&work, "mips", "install");

    let mut by_make = BTreeMap::new();
    files(&work.join("root"), &work.join("root"), &mut by_make);
    let outer = unpack(&fs::read(package).expect("a package"));
    let data = outer.iter().find(|member| member.path == "./data.tar.gz").expect("data");
    let by_script: BTreeMap<String, (u32, Vec<u8>)> = unpack(&data.content)
        .into_iter()
        .filter(|member| !member.path.ends_with('/'))
        .map(|member| (member.path, (member.mode, member.content)))
        .collect();
    let modes = |files: &BTreeMap<String, (u32, Vec<u8>)>| {
        files.iter().map(|(name, (mode, _))| format!("{name} {mode:o}")).collect::<Vec<_>>()
    };
    assert_eq!(modes(&by_make), modes(&by_script));
    assert!(by_make == by_script, "the contents too");
}
