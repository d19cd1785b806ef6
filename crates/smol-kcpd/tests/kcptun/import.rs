//! `smol-kcpd import kcptun`: files of kcptun's, and what they become.

use std::path::{Path, PathBuf};
use std::process::Output;

use smol_kcpd::{Configuration, KcptunKey};

use crate::built::program;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kcptun/data").join(name)
}

fn import(args: &[&str]) -> Output {
    let mut command = program();
    command.arg("import").args(args).current_dir(data(""));
    command.output().expect("it runs")
}

/// An empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

#[test]
fn a_file_becomes_what_is_expected() {
    for name in ["client.json", "server.json", "package.uci", "luci.uci"] {
        let output = import(&["kcptun", name]);
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let expected = data(&format!("{name}.conf"));
        if std::env::var_os("SMOL_KCP_BLESS").is_some() {
            std::fs::write(&expected, &printed).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).expect("what is expected");
        assert_eq!(printed, expected, "{name}: SMOL_KCP_BLESS=1 writes it anew");
        for secret in ["sesame", "hush", "'secret'"] {
            assert!(!printed.contains(secret), "{name} shows its key");
        }
    }
}

#[test]
fn what_it_becomes_starts_with_the_keys_that_it_wrote() {
    for (name, keys) in [
        ("client.json", &[("client", "open sesame")][..]),
        ("server.json", &[("server", "it's a secrect")]),
        ("package.uci", &[]),
        ("luci.uci", &[("tokyo", "hush")]),
    ] {
        // It is not there yet.
        let keys_at = folder(&format!("imported-{name}")).join("keys");
        let dir = keys_at.to_str().unwrap();
        let output = import(&["kcptun", name, "--key-dir", dir]);
        assert!(output.status.success(), "{output:?}");
        let written = keys_at.read_dir().map_or(0, Iterator::count);
        assert_eq!(written, keys.len(), "keys of what is in use");
        let printed = String::from_utf8(output.stdout).unwrap();
        let read = Configuration::parse(name, &printed).unwrap_or_else(|error| panic!("{error}"));
        for (section, key) in keys {
            let tunnel = read.tunnels.iter().find(|tunnel| tunnel.name == *section).unwrap();
            assert_eq!(tunnel.kcptun.as_ref().unwrap().key, KcptunKey::new(*key));
        }
        // What `check` prints is read again.
        let again = Configuration::parse(name, &read.to_string()).unwrap();
        assert_eq!(read, again);
        // Twice it is not done: the keys are there.
        let output = import(&["kcptun", name, "--key-dir", dir]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains("is there already"), !keys.is_empty(), "{said}");
    }
}

#[test]
fn a_file_that_is_none_is_named() {
    let folder = folder("imported-nonsense");
    let said = |text: &str| {
        let file = folder.join("file");
        std::fs::write(&file, text).unwrap();
        let output = import(&["kcptun", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let said = String::from_utf8(output.stderr).unwrap();
        said.replace(file.to_str().unwrap(), "FILE").trim_end().to_string()
    };
    for (text, expected) in [
        (
            "{\n\"mtu\": \"1350\"\n}",
            "FILE:2: mtu = 1350: must be a whole number, without quotation marks",
        ),
        ("{\"mtu\": 13.5}", "FILE:1: mtu = 13.5: must be 50 to 1500"),
        ("{\"mtu\": [1350]}", "FILE:1: mtu = \u{2026}: must be a text, a number, true or false"),
        ("{\"mtu\"}", "FILE:1: no JSON: '}': must be ':'"),
        ("{\"key\": \"\"}", "FILE: key: must be one line of text, and not empty"),
        ("{\"key\": \"a\\nb\"}", "FILE: key: must be one line of text, and not empty"),
        ("config a b\n", "FILE: no section of kcptun: client, server or servers"),
        ("hello\n", "FILE:1: hello: must be config TYPE, option KEY VALUE or list KEY VALUE"),
        (
            "config client\noption mode 'turbo'\n",
            "FILE:2: mode = turbo: must be normal, fast, fast2, fast3 or manual",
        ),
        ("", "FILE: no section of kcptun: client, server or servers"),
    ] {
        let said = said(text);
        let said = said.strip_prefix("smol-kcpd: ").unwrap();
        assert_eq!(said, expected, "{text}");
    }
    for (args, said) in [
        (&["kcptun"][..], "import needs to know of what, and a file: import kcptun FILE"),
        (&["frp", "x"], "import frp: must be kcptun"),
        (&["kcptun", "/no/such"], "/no/such: cannot be read"),
    ] {
        let output = import(args);
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{output:?}");
    }
}
