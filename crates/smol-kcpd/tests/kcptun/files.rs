//! `protocol = kcptun` in our own files: defaults, keys, and what is said of mistakes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use smol_kcpd::{Configuration, KcptunKey, Settings, KCPTUN_OPTIONS};

use crate::built::program;

const CLIENT: &str =
    "[a]\nrole = client\nlisten = 127.0.0.1:2222\nserver = vps.example:29900\nprotocol = kcptun\n";
const SERVER: &str =
    "[a]\nrole = server\nlisten = [::]:29900\ntarget = 127.0.0.1:22\nprotocol = kcptun\n";

fn read(text: &str) -> Result<Settings, String> {
    let read = Configuration::parse("a.conf", text).map_err(|error| error.to_string());
    read.map(|mut configuration| configuration.tunnels.pop().expect("a tunnel"))
}

/// A file with a key, for its owner only.
fn key_file(name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kcptun-keys");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("a mode");
    path
}

#[test]
fn what_a_file_does_not_say_is_as_kcptun_has_it() {
    let of = |text: &str| read(&format!("{text}crypt = none\n")).unwrap();
    let (client, server) = (of(CLIENT), of(SERVER));
    assert_eq!((client.kcp.mtu, client.kcp.wnd_size), (1350, (128, 512)));
    assert_eq!((server.kcp.mtu, server.kcp.wnd_size), (1350, (1024, 1024)));
    let profiled = of(&format!("{CLIENT}profile = low_memory\nmtu = 1200\n"));
    assert_eq!((profiled.kcp.mtu, profiled.kcp.wnd_size), (1200, (128, 512)));
    // What streams hold is a window at least.
    let wide = of(&format!("{SERVER}send_window = 4000\n")).kcp;
    assert!(wide.send_budget >= 4000 * 1350 && wide.max_wnd_size.0 == 4000);
}

#[test]
fn the_defaults_that_are_listed_are_those_that_are_in_effect() {
    let output = program().arg("options").output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let checked = Configuration::parse(
        "a.conf",
        &format!(
            "{CLIENT}crypt = aes\nkcptun_key_file = {}\n",
            key_file("defaults", "hush\n").display()
        ),
    )
    .unwrap()
    .to_string();
    for option in
        KCPTUN_OPTIONS.iter().filter(|it| !["protocol", "kcptun_key_file"].contains(&it.name))
    {
        let line = listed.lines().find(|line| line.starts_with(&format!("{} ", option.name)));
        let columns: Vec<&str> = line.expect(option.name).split_whitespace().collect();
        let scope = option.scope.names().len();
        let default = columns[1 + scope];
        let effective =
            checked.lines().find_map(|line| line.strip_prefix(&format!("{} = ", option.name)));
        assert_eq!(effective.unwrap_or("-"), default, "{}", option.name);
    }
}

#[test]
fn the_key_is_the_first_line_of_a_file_for_its_owner_only() {
    let with = |path: &Path| read(&format!("{CLIENT}kcptun_key_file = {}\n", path.display()));
    let path = key_file("key", "it has blanks \n\nand more\n");
    assert_eq!(with(&path).unwrap().kcptun.unwrap().key, KcptunKey::new("it has blanks "));
    let empty = key_file("empty", "\n");
    assert!(with(&empty).unwrap_err().ends_with("holds no key: must have it on its first line"));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(with(&path).unwrap_err().contains("has the mode 0644"));
    let error = read(CLIENT).unwrap_err();
    assert!(error.contains("no key: `kcptun_key_file` names the file"), "{error}");
}

#[test]
fn a_mistake_is_named_with_what_is_accepted() {
    for (file, line, said) in [
        (CLIENT, "crypt = aes-256", "a.conf:6: crypt = aes-256: must be null, none, xor, aes, "),
        (CLIENT, "fec = 10", "a.conf:6: fec = 10: must be auto, off, or data+parity such as 10+3"),
        (CLIENT, "sessions = 65", "a.conf:6: sessions = 65: must be 1 to 64"),
        (CLIENT, "smux_version = 3", "a.conf:6: smux_version = 3: must be 1 to 2"),
        (
            CLIENT,
            "stream_buffer = 5m",
            "a.conf:6: stream_buffer = 5m: must be at most smux_buffer = 4194304",
        ),
        (CLIENT, "mtu = 77", "a.conf:6: mtu = 77: must be 78 to 1500 with protocol = kcptun"),
        (CLIENT, "ports = 5-4", "a.conf:6: ports = 5-4: must be a port or a range"),
        (
            SERVER,
            "ports = 1000-2000",
            "a.conf:6: ports = 1000-2000: must be at most 256 ports at a server",
        ),
        (SERVER, "sessions = 2", "a.conf:6: sessions = 2: a server has no sessions"),
        (SERVER, "perf = true", "a.conf:6: perf = true: not with protocol = kcptun"),
        (
            CLIENT,
            "shared_secret_file = x",
            "a.conf:6: shared_secret_file = x: not with protocol = kcptun",
        ),
        (CLIENT, "auto_expire = 10", "a.conf:6: auto_expire = 10: a unit is missing: 10s or 10ms"),
    ] {
        let error = read(&format!("{file}{line}\n")).unwrap_err();
        assert!(error.starts_with(said), "{line}: {error}");
    }
    // It carries no datagrams, which would do instead.
    let key = key_file("alone", "hush\n").display().to_string();
    for (file, option) in [(CLIENT, "listen"), (SERVER, "target")] {
        let without: Vec<&str> = file.lines().filter(|line| !line.starts_with(option)).collect();
        let error = read(&format!("{}\nkcptun_key_file = {key}\n", without.join("\n")));
        let error = error.unwrap_err();
        assert!(error.ends_with(&format!(": {option} is missing")), "{error}");
    }
    let ours = CLIENT.replace("protocol = kcptun", "insecure = true");
    let error = read(&format!("{ours}crypt = none\n")).unwrap_err();
    assert_eq!(error, "a.conf:6: crypt = none: means something with protocol = kcptun only");
    let error = read(&CLIENT.replace("protocol = kcptun", "protocol = frp")).unwrap_err();
    assert_eq!(error, "a.conf:5: protocol = frp: must be smol-kcp or kcptun");
}

#[test]
fn keys_that_all_sections_share_are_not_for_kcptuns() {
    let text = format!("shared_secret_file = /no/such\n{CLIENT}crypt = none\n");
    assert!(read(&text).unwrap().kcptun.is_some());
}

#[test]
fn what_is_checked_is_read_again() {
    let key = key_file("again", "hush\n");
    for file in [CLIENT, SERVER] {
        let text =
            format!("{file}kcptun_key_file = {}\nfec = off\nports = 4000-4003\n", key.display());
        let read = Configuration::parse("a.conf", &text).unwrap();
        let printed = read.to_string();
        assert_eq!(Configuration::parse("b.conf", &printed).unwrap(), read, "{printed}");
        assert!(!printed.contains("hush"));
    }
}
