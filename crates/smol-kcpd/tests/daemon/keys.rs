//! Keys, and what is said where they are missing or wrong: the built program, as people start it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::built::program;
use crate::program::{output, Daemon, File};
use crate::support::*;

/// A folder for keys that goes when the test ends.
pub struct Keys(PathBuf);

impl Keys {
    pub fn new() -> Keys {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kcpd-{}-keys-{count}", std::process::id()));
        fs::create_dir(&path).expect("a folder");
        Keys(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("ordinary letters").to_string()
    }

    /// Makes a key; returns its file and its public key.
    pub fn make(&self, name: &str) -> (String, String) {
        let path = self.path(name);
        let public = printed(&["keygen", "--secret-file", &path]);
        (path, public.trim().to_string())
    }

    /// Makes a secret for both sides; returns its file.
    pub fn shared(&self, name: &str) -> String {
        let path = self.path(name);
        assert_eq!(printed(&["keygen", "--shared-secret-file", &path]), "");
        path
    }

    /// A file with a text, for its owner only.
    pub fn write(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;

        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("a mode");
        path
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn printed(args: &[&str]) -> String {
    let (code, out, errors) = output(program().args(args));
    assert_eq!((code, errors.as_str()), (0, ""), "{args:?}");
    out
}

#[test]
fn without_keys_nothing_starts_and_both_ways_out_are_named() {
    let server = ["server", "--listen", ANY, "--target", "127.0.0.1:22"];
    let (code, _, error) = output(program().args(server));
    let wanted = "smol-kcpd: no keys: --shared-secret-file, or --secret-file with --allow encrypts (smol-kcpd \
                  keygen makes keys); --insecure does without, and lets who sees the packets read and forge \
                  them\n";
    assert_eq!((code, error.as_str()), (2, wanted));
    let (code, _, error) = output(program().args(["client", "--listen", ANY, "--server", "a:1"]));
    let wanted = "smol-kcpd: no keys: --invite-file, --shared-secret-file, or --secret-file with --server-key ";
    assert!(code == 2 && error.starts_with(wanted) && error.contains("--insecure"), "{error}");
    let (code, _, error) = output(program().args(["perf", "127.0.0.1:1"]));
    assert!(code == 2 && error.starts_with(wanted), "{error}");
    let (code, _, error) = output(program().args(["ping", "127.0.0.1:1"]));
    assert!(code == 2 && error.starts_with(wanted), "{error}");

    let file = File::new("[a]\nrole = client\nlisten = 127.0.0.1:0\nserver = b:2\n");
    for how in ["check", "--config"] {
        let (code, _, error) = output(program().args([how, file.path()]));
        let wanted = format!("smol-kcpd: {}:1: no keys: `invite_file`, ", file.path());
        assert!(code == 2 && error.starts_with(&wanted), "{error}");
        assert!(error.contains("`insecure` does without"), "{error}");
    }
    let checked = printed(&["check", file.path(), "--insecure"]);
    assert!(checked.contains("\ninsecure = true\n"), "{checked}");
}

#[test]
fn insecure_beside_a_file_is_for_those_without_keys_and_after_sighup_too() {
    let keys = Keys::new();
    let both = keys.shared("both.key");
    let section = |name: &str, more: &str| {
        format!("[{name}]\nrole = client\nlisten = 127.0.0.1:0\nserver = [::1]:2\n{more}\n")
    };
    let with_keys = section("b", &format!("shared_secret_file = {both}"));
    let file = File::new(&format!("{}{with_keys}", section("a", "")));
    let mut daemon = Daemon::start(&["--config", file.path(), "--insecure"]);
    assert!(daemon.says("a: listening on TCP").ends_with(" for server [::1]:2, insecure"));
    assert!(daemon.says("b: listening on TCP").ends_with(" for server [::1]:2, encrypted"));
    file.write(&format!("{}{with_keys}{}", section("a", ""), section("c", "")));
    daemon.signal("HUP");
    assert!(daemon.says("c: listening on TCP").ends_with(", insecure"));
    daemon.says("the configuration is read");
}

#[test]
fn a_secret_is_refused_on_the_command_line_and_from_files_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt;

    let keys = Keys::new();
    let key = printed(&["keygen", "--shared"]);
    let key = key.trim();
    let client = ["client", "--listen", ANY, "--server", "[::1]:2"];
    let seen = "what is on the command line everybody on this machine can read: a secret belongs";
    let file = "\u{2026}: must be the name of a file that only its owner may read";
    let short = &key[1..];
    for (args, wanted) in [
        (["--secret", key], format!("--secret: {seen} into a file, --secret-file, or into the ")),
        (["--shared-secret", key], format!("--shared-secret: {seen}")),
        (["--psk", key], format!("--psk: {seen}")),
        (["--shared-secret-file", key], format!("--shared-secret-file {file}")),
        (["--invite-file", "smol-kcp://a:1/#hush"], format!("--invite-file {file}")),
        (["--invite", "smol-kcp://a:1/#hush"], "--invite \u{2026}: must be a whole line".into()),
        (["--server-key", short], format!("--server-key {short}: must be a public key: 44 ")),
    ] {
        let (code, out, error) = output(program().args(client).args(args));
        assert!(code == 2 && out.is_empty(), "{args:?}: {error}");
        assert!(error.starts_with(&format!("smol-kcpd: {wanted}")), "{args:?}: {error}");
        assert!(args[0] == "--server-key" || !error.contains(args[1]), "{error}");
    }
    let path = keys.write("both.key", key);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("a mode");
    let (code, _, error) = output(program().args(client).args(["--shared-secret-file", &path]));
    let wanted =
        format!("smol-kcpd: --shared-secret-file {path}: has the mode 0644, so that others");
    assert!(code == 2 && error.starts_with(&wanted), "{error}");

    // What systemd gives to a service may show as the group's; what lies elsewhere is no such thing.
    fs::set_permissions(&path, PermissionsExt::from_mode(0o440)).expect("a mode");
    let folder = std::path::Path::new(&path).parent().expect("a folder");
    for (folder, accepted) in [(folder, true), (std::path::Path::new("/"), false)] {
        let mut command = program();
        command.args(["invite", "--server", "a:1", "--shared-secret-file", &path]);
        let (code, _, error) = output(command.env("CREDENTIALS_DIRECTORY", folder));
        assert_eq!(code == 0, accepted, "{error}");
        assert!(accepted || error.contains("has the mode 0440"), "{error}");
    }

    let in_file = |line: &str| {
        let file = File::new(&format!("[a]\n{line}\n"));
        output(program().args(["check", file.path()])).2
    };
    assert!(in_file("secret = hush")
        .contains(":2: secret is secret: it belongs into a file of its own, secret_file = NAME\n"));
    assert!(in_file("invite = smol-kcp://a:1/#hush").contains("invite_file = NAME\n"));
    // What is made is for its owner only, and stays.
    let (made, _) = keys.make("me.key");
    let mode = fs::metadata(&made).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let (code, _, error) = output(program().args(["keygen", "--secret-file", &made]));
    assert_eq!(
        (code, error),
        (1, format!("smol-kcpd: {made}: is there already, and is not replaced\n"))
    );
}

#[test]
fn what_does_not_belong_together_is_named_with_its_place() {
    let keys = Keys::new();
    let ((mine, public), (theirs, of_server)) = (keys.make("me.key"), keys.make("server.key"));
    let server = "[s]\nrole = server\nlisten = [::1]:0\ntarget = [::1]:22\n";
    let client = "[c]\nrole = client\nlisten = 127.0.0.1:0\nserver = [::1]:2\n";
    for (text, wanted) in [
        (format!("{client}secret_file = {mine}\n"), ":1: server_key is missing".to_string()),
        (
            format!("{client}secret_file = {mine}\nserver_key = {public}\n"),
            format!(
                ":6: server_key = {public}: is the key of this side: must be that of the server"
            ),
        ),
        (
            format!("{client}secret_file = {mine}\nserver_key = {of_server}\nallow = a={public}\n"),
            format!(":7: allow = a={public}: a client has no allow"),
        ),
        (
            format!("{server}secret_file = {theirs}\nserver_key = {of_server}\n"),
            format!(":6: server_key = {of_server}: a server has no server_key"),
        ),
        (
            format!("{server}secret_file = {theirs}\nallow = a={public}\nallow = b={public}\n"),
            format!(":7: allow = b={public}: has the key of a: each client has one of its own"),
        ),
        (
            format!("{server}secret_file = {theirs}\nallow = a={}\n", &public[1..]),
            format!(
                ":6: allow = a={}: must be a name (letters, digits, -, _ and .), = and a ",
                &public[1..]
            ),
        ),
        (
            format!(
                "{server}secret_file = {theirs}\nallow = a={public}\nclient_target = b=[::1]:22\n"
            ),
            ":7: client_target = b=[::1]:22: `allow` names no b".into(),
        ),
        (
            format!("{server}secret_file = {theirs}\nallow = a={public}\ninsecure = yes\n"),
            ":7: insecure = yes: not together with `secret_file`, which encrypts".into(),
        ),
        (
            format!("{server}shared_secret_file = {theirs}\nallow = a={public}\n"),
            format!(
                ":5: shared_secret_file = {theirs}: stands for all keys: not together with `allow`"
            ),
        ),
    ] {
        let file = File::new(&text);
        let (code, _, error) = output(program().args(["check", file.path()]));
        let wanted = format!("smol-kcpd: {}{wanted}", file.path());
        assert!(code == 2 && error.starts_with(&wanted), "{error}{wanted}");
    }
    // What is printed is read as the same.
    let another = printed(&["keygen"]);
    let another = another.split_whitespace().next_back().expect("a public key");
    let good = format!(
        "secret_file = {theirs}\n{server}allow = a={public} , b={another}\nclient_target = a=[::1]:23\n\
         [t]\nrole = server\nlisten = [::1]:1\ntarget = [::1]:22\ninsecure = yes\n"
    );
    let file = File::new(&good);
    let checked = printed(&["check", file.path()]);
    assert!(checked.contains("\nclient_target = a=[::1]:23\n"), "{checked}");
    file.write(&checked);
    assert_eq!(printed(&["check", file.path()]), checked);
}
