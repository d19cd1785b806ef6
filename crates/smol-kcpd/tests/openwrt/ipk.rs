//! The .ipk: what opkg, which is stricter than tar, expects of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{errors, folder, tree};

pub const MIPS: &str = "mips-unknown-linux-musl";
pub const EPOCH: &str = "1700000000";

/// A member of an archive.
#[derive(Debug)]
pub struct Member {
    pub path: String,
    pub mode: u32,
    pub content: Vec<u8>,
    folder: bool,
    owner: (u64, u64),
    mtime: u64,
    gnu: bool,
}

/// The members of a gzipped tar, in their order.
pub fn unpack(archive: &[u8]) -> Vec<Member> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let member = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.expect("a member");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        let header = entry.header();
        Member {
            path: String::from_utf8(entry.path_bytes().into_owned()).expect("text"),
            mode: header.mode().expect("a mode"),
            folder: header.entry_type().is_dir(),
            owner: (header.uid().expect("a user"), header.gid().expect("a group")),
            mtime: header.mtime().expect("a time"),
            gnu: header.as_gnu().is_some(),
            content,
        }
    };
    tar.entries().expect("a tar").map(member).collect()
}

pub fn content<'a>(members: &'a [Member], path: &str) -> &'a [u8] {
    &members.iter().find(|member| member.path == path).expect(path).content
}

fn text<'a>(members: &'a [Member], path: &str) -> &'a str {
    std::str::from_utf8(content(members, path)).expect("text")
}

/// A file that begins as a program does: `order` 1 is little endian, 2 big.
pub fn program(path: &Path, order: u8, machine: u16) {
    let mut bytes = b"\x7fELF\x01".to_vec();
    bytes.extend([order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for half in [2, machine] {
        bytes.extend(if order == 2 { half.to_be_bytes() } else { half.to_le_bytes() });
    }
    bytes.extend((0..4000u32).flat_map(u32::to_le_bytes));
    fs::write(path, bytes).expect("a program");
}

/// What make-ipk.sh does with such a program.
fn attempt(out: &Path, target: &str, order: u8, machine: u16, more: &[(&str, &str)]) -> Output {
    let binary = out.join("program");
    program(&binary, order, machine);
    let mut command = Command::new("sh");
    command.arg(tree("openwrt/make-ipk.sh")).arg(target).arg(binary).current_dir(out);
    command.env("OUT", out).env("SOURCE_DATE_EPOCH", EPOCH).env_remove("ARCHITECTURE");
    command.envs(more.iter().copied()).output().expect("a shell")
}

/// The package that make-ipk.sh makes of a program for MIPS.
pub fn made(out: &Path) -> PathBuf {
    let output = attempt(out, MIPS, 2, 8, &[]);
    assert!(output.status.success(), "{}", errors(&output));
    PathBuf::from(String::from_utf8(output.stdout).expect("text").trim_end())
}

fn parts(package: &Path) -> (Vec<Member>, Vec<Member>, Vec<Member>) {
    let outer = unpack(&fs::read(package).expect("a package"));
    let control = unpack(content(&outer, "./control.tar.gz"));
    let data = unpack(content(&outer, "./data.tar.gz"));
    (outer, control, data)
}

#[test]
fn the_members_are_in_the_order_that_opkg_reads() {
    let (outer, control, _) = parts(&made(&folder("order")));
    let paths = |members: &[Member]| members.iter().map(|m| m.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&outer), ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]);
    assert_eq!(content(&outer, "./debian-binary"), b"2.0\n");
    assert_eq!(paths(&control), ["./", "./conffiles", "./control", "./postinst", "./prerm"]);
}

#[test]
fn everything_belongs_to_root_and_has_one_time() {
    let (outer, control, data) = parts(&made(&folder("owners")));
    for member in outer.iter().chain(&control).chain(&data) {
        assert_eq!(member.owner, (0, 0), "{}", member.path);
        assert_eq!(member.mtime.to_string(), EPOCH, "{}", member.path);
        assert!(member.path.starts_with("./") && member.gnu, "{}", member.path);
        let wanted = if member.folder { 0o755 } else { member.mode };
        assert_eq!(member.mode, wanted, "{}", member.path);
    }
}

#[test]
fn files_have_the_modes_that_they_need() {
    let (_, control, data) = parts(&made(&folder("modes")));
    let files: BTreeMap<&str, u32> = control
        .iter()
        .chain(&data)
        .filter(|member| !member.folder)
        .map(|member| (member.path.as_str(), member.mode))
        .collect();
    let wanted = BTreeMap::from([
        ("./conffiles", 0o644),
        ("./control", 0o644),
        ("./postinst", 0o755),
        ("./prerm", 0o755),
        ("./etc/config/smol-kcp", 0o600),
        ("./etc/init.d/smol-kcp", 0o755),
        ("./etc/sysctl.d/50-smol-kcp.conf", 0o644),
        ("./usr/bin/smol-kcpd", 0o755),
    ]);
    assert_eq!(files, wanted);
}

#[test]
fn the_control_file_says_what_the_package_is() {
    let package = made(&folder("control"));
    let version = format!("{}-r1", env!("CARGO_PKG_VERSION"));
    let name = format!("smol-kcp_{version}_mips_24kc.ipk");
    assert_eq!(package.file_name().and_then(|name| name.to_str()), Some(name.as_str()));

    let (outer, control, data) = parts(&package);
    let mut unpacked = Vec::new();
    let mut gzip = flate2::read::GzDecoder::new(content(&outer, "./data.tar.gz"));
    gzip.read_to_end(&mut unpacked).expect("a tar");

    let said = text(&control, "./control");
    let fields: BTreeMap<&str, &str> = said
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|l| l.split_once(": "))
        .collect();
    let wanted = BTreeMap::from([
        ("Package", "smol-kcp"),
        ("Version", version.as_str()),
        ("Depends", "libc"),
        ("Source", "smol-kcp"),
        ("License", "MIT"),
        ("LicenseFiles", "LICENSE"),
        ("Section", "net"),
        ("Require-User", "smol-kcp:smol-kcp"),
        ("SourceDateEpoch", EPOCH),
        ("Maintainer", "smol-kcp contributors"),
        ("Architecture", "mips_24kc"),
        ("Description", "TCP tunnels over KCP, a fast and reliable UDP protocol"),
    ]);
    let size = unpacked.len().to_string();
    let mut wanted = wanted;
    wanted.insert("Installed-Size", &size);
    assert_eq!(fields, wanted, "{said}");
    let description: Vec<&str> = said.lines().filter(|line| line.starts_with(' ')).collect();
    assert!(description.len() > 1 && description[0].starts_with(" smol-kcpd carries"), "{said}");

    for file in text(&control, "./conffiles").lines() {
        assert!(data.iter().any(|member| member.path == format!(".{file}")), "{file} is packed");
    }
    assert!(text(&control, "./postinst").contains("\ndefault_postinst \"$0\" \"$@\"\n"));
    assert!(text(&control, "./prerm").contains("\ndefault_prerm \"$0\" \"$@\"\n"));
    assert_eq!(
        content(&data, "./usr/bin/smol-kcpd"),
        fs::read(package.with_file_name("program")).expect("it")
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (one, two) = (folder("first"), folder("second"));
    let strict = "umask 077; exec sh \"$0\" \"$@\"";
    let first = fs::read(made(&one)).expect("a package");
    program(&two.join("program"), 2, 8);
    let output = Command::new("sh")
        .args(["-c", strict])
        .arg(tree("openwrt/make-ipk.sh"))
        .args([MIPS, "program"])
        .current_dir(&two)
        .env("OUT", &two)
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("a shell");
    let second = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(first == fs::read(second.trim_end()).expect("a package"), "{}", errors(&output));
}

#[test]
fn every_target_has_its_architecture_and_another_can_be_told() {
    let out = folder("architectures");
    let named = |output: Output| {
        assert!(output.status.success(), "{}", errors(&output));
        let path = String::from_utf8(output.stdout).expect("text");
        let name = path.trim_end().rsplit_once(&format!("_{}-r1_", env!("CARGO_PKG_VERSION")));
        name.expect("a version").1.trim_end_matches(".ipk").to_string()
    };
    for (target, order, machine, architecture) in [
        (MIPS, 2, 8, "mips_24kc"),
        ("mipsel-unknown-linux-musl", 1, 8, "mipsel_24kc"),
        ("armv7-unknown-linux-musleabihf", 1, 40, "arm_cortex-a7_neon-vfpv4"),
        ("armv7-unknown-linux-musleabi", 1, 40, "arm_cortex-a9"),
        ("arm-unknown-linux-musleabi", 1, 40, "arm_arm1176jzf-s_vfp"),
        ("aarch64-unknown-linux-musl", 1, 183, "aarch64_cortex-a53"),
        ("x86_64-unknown-linux-musl", 1, 62, "x86_64"),
    ] {
        assert_eq!(named(attempt(&out, target, order, machine, &[])), architecture);
    }
    let other = [("ARCHITECTURE", "mips_mips32")];
    assert_eq!(named(attempt(&out, MIPS, 2, 8, &other)), "mips_mips32");
}

#[test]
fn what_cannot_be_packed_is_refused_with_the_reason() {
    let out = folder("refused");
    let refused = |output: Output| {
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        errors(&output)
    };
    let little = refused(attempt(&out, MIPS, 1, 8, &[]));
    assert!(little.contains("is no program for mips-unknown-linux-musl"), "{little}");
    let arm = refused(attempt(&out, "mipsel-unknown-linux-musl", 1, 40, &[]));
    assert!(arm.contains("is no program for mipsel-unknown-linux-musl"), "{arm}");
    let unknown = refused(attempt(&out, "sparc-unknown-linux-gnu", 2, 2, &[]));
    assert!(unknown.contains("for the target 'sparc-unknown-linux-gnu'"), "{unknown}");
    let absent = Command::new("sh")
        .arg(tree("openwrt/make-ipk.sh"))
        .args([MIPS, "/nowhere/smol-kcpd"])
        .env("OUT", &out)
        .output();
    let absent = refused(absent.expect("a shell"));
    assert!(absent.contains("/nowhere/smol-kcpd is not there"), "{absent}");
}
