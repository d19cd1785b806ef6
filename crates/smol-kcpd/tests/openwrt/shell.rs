//! The scripts are the shell language that busybox has.

use std::process::Command;

use super::{is_installed, printed, tree};

const SCRIPTS: [&str; 8] = [
    "openwrt/smol-kcp/files/smol-kcp.init",
    "openwrt/make-ipk.sh",
    "openwrt/make-apk.sh",
    "openwrt/make-luci.sh",
    "openwrt/luci-app-smol-kcp/install.sh",
    "openwrt/program.sh",
    "openwrt/package.sh",
    "crates/smol-kcpd/tests/openwrt/rc.common",
];

#[test]
fn busybox_understands_the_scripts() {
    if !is_installed("busybox") {
        return;
    }
    for script in SCRIPTS {
        printed(Command::new("busybox").args(["ash", "-n"]).arg(tree(script)));
    }
}

#[test]
fn shellcheck_has_nothing_to_say() {
    if !is_installed("shellcheck") {
        return;
    }
    // SC3043: busybox has `local`. SC2034: rc.common reads START and USE_PROCD.
    let mut shellcheck = Command::new("shellcheck");
    shellcheck.args(["-x", "-s", "dash", "-e", "SC3043,SC2034"]);
    assert_eq!(printed(shellcheck.args(SCRIPTS.map(tree))), "");
}
