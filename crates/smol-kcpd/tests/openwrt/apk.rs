//! The .apk: a reader of apk-v3(5) takes it apart, as apk does when it installs it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ipk::{content, made as made_ipk, program, unpack, EPOCH, MIPS};
use super::{errors, folder, printed, tree};

/// The metadata of a package: a tree in a block of bytes.
pub struct Tree(Vec<u8>);

/// One of its values: a type in the upper 4 bits, and where the rest is, or the rest.
#[derive(Clone, Copy)]
pub struct Value<'a>(&'a Tree, u32);

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

impl<'a> Value<'a> {
    fn at(self) -> usize {
        (self.1 & 0x0fff_ffff) as usize
    }

    fn is_null(self) -> bool {
        self.1 == 0
    }

    fn blob(self) -> &'a [u8] {
        let (at, bytes) = (self.at(), &self.0 .0);
        let (begin, length) = match self.1 >> 28 {
            0 => return b"",
            8 => (at + 1, usize::from(bytes[at])),
            9 => (at + 2, usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))),
            10 => (at + 4, word(bytes, at) as usize),
            kind => panic!("{kind} is no blob"),
        };
        assert_eq!(at % (begin - at), 0, "its length is aligned");
        &bytes[begin..begin + length]
    }

    pub fn text(self) -> &'a str {
        std::str::from_utf8(self.blob()).expect("text")
    }

    fn number(self) -> u32 {
        match self.1 >> 28 {
            0 => 0,
            1 => self.at() as u32,
            2 => word(&self.0 .0, self.at()),
            kind => panic!("{kind} is no number"),
        }
    }

    /// What is in an array, or in an object.
    pub fn slots(self) -> Vec<Value<'a>> {
        if self.is_null() {
            return Vec::new();
        }
        assert!([13, 14].contains(&(self.1 >> 28)) && self.at() % 4 == 0, "{:x}", self.1);
        let count = word(&self.0 .0, self.at()) as usize;
        (1..count).map(|slot| Value(self.0, word(&self.0 .0, self.at() + 4 * slot))).collect()
    }

    /// A field of an object, by its number in apk-tools' apk_adb.h.
    pub fn field(self, number: usize) -> Value<'a> {
        self.slots().get(number - 1).copied().unwrap_or(Value(self.0, 0))
    }
}

/// A package: its metadata, and the content of each file by the numbers of its folder and its own.
pub struct Package {
    tree: Tree,
    data: BTreeMap<(u32, u32), Vec<u8>>,
}

impl Package {
    pub fn read(path: &Path) -> Package {
        let packed = fs::read(path).expect("a package");
        assert_eq!(&packed[..4], b"ADBd", "raw DEFLATE");
        let mut bytes = Vec::new();
        flate2::read::DeflateDecoder::new(&packed[4..]).read_to_end(&mut bytes).expect("DEFLATE");
        assert_eq!(&bytes[..8], b"ADB.pckg");
        let (mut at, mut tree, mut data) = (8, None, BTreeMap::new());
        while at < bytes.len() {
            let (kind, length) = (bytes[at + 3] >> 6, (word(&bytes, at) & 0x3fff_ffff) as usize);
            let payload = &bytes[at + 4..at + length];
            match kind {
                0 => assert!(tree.replace(Tree(payload.to_vec())).is_none(), "a second tree"),
                2 => {
                    let key = (word(payload, 0), word(payload, 4));
                    let in_order = data.last_key_value().is_none_or(|(last, _)| *last < key);
                    assert!(tree.is_some() && in_order, "{key:?} is out of order");
                    data.insert(key, payload[8..].to_vec());
                }
                kind => panic!("a block of kind {kind}"),
            }
            let padded = length.next_multiple_of(8);
            assert!(bytes[at + length..at + padded].iter().all(|&byte| byte == 0));
            at += padded;
        }
        assert_eq!(at, bytes.len());
        Package { tree: tree.expect("metadata"), data }
    }

    pub fn root(&self) -> Value<'_> {
        assert_eq!(&self.tree.0[..4], [0, 0, 0, 0], "the version of the format");
        Value(&self.tree, word(&self.tree.0, 4))
    }

    /// Every file with its rights and its content; what is wrong with one is found here.
    pub fn files(&self) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        let mut names: Vec<String> = Vec::new();
        for (folder, number) in self.root().field(2).slots().into_iter().zip(1..) {
            let name = folder.field(1).text();
            assert_eq!((rights(folder.field(2)), number == 1), (0o755, name.is_empty()), "{name}");
            names.push(name.into());
            let mut inner = Vec::new();
            for (file, own) in folder.field(3).slots().into_iter().zip(1..) {
                let path = format!("{name}/{}", file.field(1).text());
                let data =
                    self.data.get(&(number, own)).unwrap_or_else(|| panic!("{path} has no data"));
                assert_eq!(file.field(3).number() as usize, data.len(), "{path}");
                assert_eq!(file.field(4).number().to_string(), EPOCH, "{path}");
                assert_eq!(hex(file.field(5).blob()), sha256(data), "{path}");
                inner.push(file.field(1).text());
                files.insert(path, (rights(file.field(2)), data.clone()));
            }
            assert!(inner.is_sorted(), "{inner:?}");
        }
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(files.len(), self.data.len());
        files
    }
}

/// The mode of what belongs to root.
fn rights(acl: Value<'_>) -> u32 {
    assert_eq!((acl.field(2).text(), acl.field(3).text()), ("root", "root"));
    acl.field(1).number()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    let path = folder("sums").with_extension(format!("{:?}", std::thread::current().id()));
    fs::write(&path, bytes).expect("a file");
    let file = fs::File::open(&path).expect("it");
    let sum = printed(Command::new("sha256sum").stdin(Stdio::from(file)));
    fs::remove_file(path).expect("it");
    sum[..64].into()
}

fn made(out: &Path) -> PathBuf {
    let binary = out.join("program");
    program(&binary, 2, 8);
    let mut command = Command::new("sh");
    command.arg(tree("openwrt/make-apk.sh")).arg(MIPS).arg(binary).current_dir(out);
    command.env("OUT", out).env("SOURCE_DATE_EPOCH", EPOCH).env_remove("ARCHITECTURE");
    PathBuf::from(printed(&mut command).trim_end())
}

#[test]
fn the_fields_say_what_the_package_is() {
    let path = made(&folder("apk_fields"));
    let version = format!("{}-r1", env!("CARGO_PKG_VERSION"));
    let name = format!("smol-kcp-{version}_mips_24kc.apk");
    assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(&*name));
    let package = Package::read(&path);
    let info = package.root().field(1);
    for (number, wanted) in [
        (1, "smol-kcp"),
        (2, &*version),
        (4, "TCP tunnels over KCP, a fast and reliable UDP protocol"),
        (5, "mips_24kc"),
        (6, "MIT"),
        (7, "smol-kcp"),
        (8, "smol-kcp contributors"),
    ] {
        assert_eq!(info.field(number).text(), wanted);
    }
    assert_eq!(info.field(11).number().to_string(), EPOCH);
    let sizes: usize = package.data.values().map(Vec::len).sum();
    assert_eq!(info.field(12).number() as usize, sizes);
    let depends: Vec<&str> = info.field(15).slots().iter().map(|it| it.field(1).text()).collect();
    assert_eq!(depends, ["libc"]);

    // Its identity is the sum of the metadata, with nothing in its place.
    let identity = info.field(3).blob();
    let mut without = package.tree.0.clone();
    let at = info.field(3).at() + 1;
    without[at..at + identity.len()].fill(0);
    assert_eq!(hex(identity), sha256(&without)[..40]);
}

#[test]
fn the_files_are_those_of_the_ipk_and_what_openwrt_keeps_of_them() {
    let (out, other) = (folder("apk_files"), folder("apk_files_ipk"));
    let files = Package::read(&made(&out)).files();
    let outer = unpack(&fs::read(made_ipk(&other)).expect("an .ipk"));
    let mut listed = Vec::new();
    for member in unpack(content(&outer, "./data.tar.gz")) {
        let path = member.path.trim_start_matches("./").to_string();
        if !path.ends_with('/') && !path.is_empty() {
            assert_eq!(files.get(&path), Some(&(member.mode, member.content)), "{path}");
            listed.push(format!("/{path}"));
        }
    }
    listed.sort();
    let record = |what: &str| {
        let (mode, content) = &files[&format!("lib/apk/packages/smol-kcp.{what}")];
        assert_eq!(*mode, 0o644);
        String::from_utf8(content.clone()).expect("text")
    };
    assert_eq!(record("list").lines().collect::<Vec<_>>(), listed);
    let configuration = ["/etc/config/smol-kcp", "/etc/sysctl.d/50-smol-kcp.conf"];
    assert_eq!(record("conffiles").lines().collect::<Vec<_>>(), configuration);
    let sums = configuration.map(|file| format!("{file} {}\n", sha256(&files[&file[1..]].1)));
    assert_eq!(record("conffiles_static"), sums.concat());
    assert_eq!(record("rusers"), "smol-kcp:smol-kcp\n");
    assert_eq!(files.len(), listed.len() + 4);
}

#[test]
fn its_scripts_are_shell_and_call_openwrts_functions() {
    let out = folder("apk_scripts");
    let package = Package::read(&made(&out));
    let scripts = package.root().field(3);
    assert_eq!(scripts.slots().len(), 7);
    for (number, called) in
        [(3, "\ndefault_postinst\n"), (4, "\ndefault_prerm\n"), (7, "\ndefault_postinst\n")]
    {
        let script = scripts.field(number).text();
        assert!(script.starts_with("#!/bin/sh\n") && script.contains(called), "{script}");
        let file = out.join(format!("script-{number}"));
        fs::write(&file, script).expect("a file");
        // Where OpenWrt's functions are not, nothing happens; where they are, they are called.
        let run = |root: &Path| {
            let output =
                Command::new("sh").arg(&file).env("IPKG_INSTROOT", root).output().expect("a shell");
            assert!(output.status.success(), "{}", errors(&output));
            String::from_utf8(output.stdout).expect("text")
        };
        assert_eq!(run(&out), "");
        fs::create_dir_all(out.join("lib")).expect("a folder");
        let functions = "for name in add_group_and_user default_postinst default_prerm; do
            eval \"$name() { echo $name \\$pkgname \\$PKG_UPGRADE; }\"; done";
        fs::write(out.join("lib/functions.sh"), functions).expect("a file");
        let said = run(&out);
        assert!(said.lines().any(|line| line.starts_with(called.trim())), "{said}");
        assert_eq!(said.contains("smol-kcp 1"), number == 7, "{said}");
        fs::remove_file(out.join("lib/functions.sh")).expect("it");
    }
    for number in [1, 2, 5, 6] {
        assert!(scripts.field(number).is_null());
    }
}

#[test]
fn the_same_input_gives_the_same_package() {
    let (one, two) = (folder("apk_first"), folder("apk_second"));
    assert!(fs::read(made(&one)).expect("one") == fs::read(made(&two)).expect("two"));
}
