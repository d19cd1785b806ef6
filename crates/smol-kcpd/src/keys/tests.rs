//! Keys from options, files and the environment: what goes together, and what is said where it does not.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use smol_kcp::secure::{Invitation, PublicKey, SecretKey, SharedSecret};
use zeroize::Zeroizing;

use super::*;
use crate::ends::Side;
use smol_kcp::secure::SecureConfig;

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kcpd-keys-{}-{count}", std::process::id()));
        fs::create_dir(&path).expect("a folder");
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("ordinary letters").to_string()
    }

    /// A file with a secret, for its owner only.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        files::write(&path, text).expect("a new file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn secret(byte: u8) -> SecretKey {
    SecretKey::from_bytes([byte; 32])
}

fn public(byte: u8) -> PublicKey {
    secret(byte).public_key()
}

/// Without anything in the environment.
fn bare() -> Keyring {
    Keyring { environment: |_| None, ..Keyring::new(false) }
}

fn client_of(name: &str, byte: u8) -> Client {
    Client { name: name.into(), key: public(byte) }
}

fn said(fault: KeyFault) -> String {
    match fault {
        KeyFault::Missing(option) => format!("{option} is missing"),
        KeyFault::Option(option, why) => format!("{option}: {why}"),
        KeyFault::Item(option, item, why) => format!("{option} = {item}: {why}"),
        KeyFault::NoKeys => "no keys".into(),
        KeyFault::Other(text) => text,
    }
}

#[track_caller]
fn refused(keys: KeyOptions, side: Side, keyring: &Keyring) -> String {
    said(resolve(&keys, side, keyring).expect_err("it is refused"))
}

fn run(command: KeyCommand, input: &str) -> std::io::Result<String> {
    let mut out = Vec::new();
    command.run(&mut input.as_bytes(), &mut out)?;
    Ok(String::from_utf8(out).expect("text"))
}

#[test]
fn keys_of_both_sides_make_configurations_that_go_together() {
    let folder = Folder::new();
    let (mine, theirs) = (
        folder.file("me.key", &secret(1).to_text()),
        folder.file("server.key", &secret(2).to_text()),
    );
    let psk = Some(folder.file("psk", &secret(9).to_text()));
    let at_client = KeyOptions {
        secret_file: Some(mine),
        server_key: Some(public(2)),
        psk_file: psk.clone(),
        ..KeyOptions::default()
    };
    let at_server = KeyOptions {
        secret_file: Some(theirs),
        allow: vec![client_of("alice", 1), client_of("bob", 3)],
        psk_file: psk,
        ..KeyOptions::default()
    };
    let client = resolve(&at_client, Side::Client, &bare()).unwrap().secure.unwrap();
    let server = resolve(&at_server, Side::Server, &bare()).unwrap().secure.unwrap();
    assert_eq!(client.own_key, Some(secret(1)));
    let its_server = client.server.unwrap();
    assert_eq!((its_server.key, its_server.psk.is_some()), (public(2), true));
    assert_eq!(server.own_key, Some(secret(2)));
    let names: Vec<_> = server.clients.iter().map(|client| client.name.as_deref()).collect();
    assert_eq!(names, [Some("alice"), Some("bob")]);
    assert_eq!(server.clients[0].psk, its_server.psk);
    assert!(server.anyone_with.is_none());
}

#[test]
fn what_does_not_go_together_is_said_with_its_name() {
    let folder = Folder::new();
    let file = || Some(folder.path("me.key"));
    folder.file("me.key", &secret(1).to_text());
    let none = KeyOptions::default;
    let (client, server) = (Side::Client, Side::Server);
    let allow = |clients: &[(&str, u8)]| {
        clients.iter().map(|&(name, byte)| client_of(name, byte)).collect::<Vec<_>>()
    };
    for (keys, side, wanted) in [
        (none(), client, "no keys".to_string()),
        (none(), server, "no keys".into()),
        (KeyOptions { secret_file: file(), ..none() }, client, "server_key is missing".into()),
        (
            KeyOptions { server_key: Some(public(2)), ..none() },
            client,
            "secret_file is missing".into(),
        ),
        (
            KeyOptions { allow: allow(&[("a", 2)]), ..none() },
            server,
            "secret_file is missing".into(),
        ),
        (
            KeyOptions { insecure: true, secret_file: file(), ..none() },
            server,
            "insecure: not together with `secret_file`, which encrypts".into(),
        ),
        (
            KeyOptions { shared_secret_file: file(), allow: allow(&[("a", 2)]), ..none() },
            server,
            "shared_secret_file: stands for all keys: not together with `allow`".into(),
        ),
        (
            KeyOptions { invite_file: file(), shared_secret_file: file(), ..none() },
            client,
            "invite_file: stands for all keys: not together with `shared_secret_file`".into(),
        ),
        (
            KeyOptions { secret_file: file(), server_key: Some(public(1)), ..none() },
            client,
            "server_key: is the key of this side: must be that of the server".into(),
        ),
        (
            KeyOptions { secret_file: file(), allow: allow(&[("a", 2), ("b", 1)]), ..none() },
            server,
            format!("allow = b={}: is the key of this side: must be that of a client", public(1)),
        ),
        (
            KeyOptions { secret_file: file(), allow: allow(&[("a", 2), ("a", 3)]), ..none() },
            server,
            format!("allow = a={}: a is there twice", public(3)),
        ),
        (
            KeyOptions { secret_file: file(), allow: allow(&[("a", 2), ("b", 2)]), ..none() },
            server,
            format!("allow = b={}: has the key of a: each client has one of its own", public(2)),
        ),
        (
            KeyOptions {
                secret_file: file(),
                allow: allow(&[("a", 2)]),
                client_targets: vec![("b".into(), HostPort::parse("[::1]:22").unwrap())],
                ..none()
            },
            server,
            "client_target = b=[::1]:22: `allow` names no b".into(),
        ),
    ] {
        assert_eq!(refused(keys, side, &bare()), wanted);
    }
    // Nobody yet: the file is read again when there is somebody.
    let nobody = KeyOptions { secret_file: file(), ..none() };
    assert!(resolve(&nobody, server, &bare()).unwrap().secure.unwrap().clients.is_empty());
}

#[test]
fn who_wants_no_keys_has_none() {
    let open = KeyOptions { insecure: true, ..KeyOptions::default() };
    let here = resolve(&open, Side::Client, &bare()).unwrap();
    assert!(here.insecure && here.secure.is_none());
    // The command line is for those who say nothing, not for those who have keys.
    let leave = Keyring { insecure: true, ..bare() };
    assert!(resolve(&KeyOptions::default(), Side::Server, &leave).unwrap().insecure);
    let folder = Folder::new();
    let secret_file = Some(folder.file("server.key", &secret(1).to_text()));
    let own = resolve(&KeyOptions { secret_file, ..KeyOptions::default() }, Side::Server, &leave);
    assert!(own.is_ok_and(|own| own.secure.is_some() && !own.insecure));
}

#[test]
fn the_environment_stands_for_files_that_are_not_named() {
    let shared = |name: &str| (name == "SMOL_KCPD_SHARED_SECRET").then(|| secret(7).to_text());
    let ring = Keyring { environment: shared, ..bare() };
    let of_seven = SharedSecret::from_bytes([7; 32]);
    let both = [Side::Client, Side::Server]
        .map(|side| resolve(&KeyOptions::default(), side, &ring).unwrap().secure.unwrap());
    assert_eq!(
        both,
        [SecureConfig::shared_client(&of_seven), SecureConfig::shared_server(&of_seven)]
    );

    let own = |name: &str| (name == "SMOL_KCPD_SECRET").then(|| secret(1).to_text());
    let ring = Keyring { environment: own, ..bare() };
    let allow = KeyOptions { allow: vec![client_of("a", 2)], ..KeyOptions::default() };
    let server = resolve(&allow, Side::Server, &ring).unwrap().secure.unwrap();
    assert_eq!((server.own_key, server.clients.len()), (Some(secret(1)), 1));
    assert_eq!(refused(KeyOptions::default(), Side::Client, &ring), "server_key is missing");
    // A file that is named comes first, and so does the wish for none.
    let folder = Folder::new();
    let secret_file = Some(folder.file("server.key", &secret(5).to_text()));
    let server = resolve(&KeyOptions { secret_file, ..allow }, Side::Server, &ring).unwrap();
    assert_eq!(server.secure.unwrap().own_key, Some(secret(5)));
    let leave = Keyring { insecure: true, ..ring };
    assert!(resolve(&KeyOptions::default(), Side::Server, &leave).unwrap().insecure);

    let every = Keyring { environment: |_| Some(secret(1).to_text()), ..bare() };
    let two = "SMOL_KCPD_SHARED_SECRET stands for all keys: not together with SMOL_KCPD_SECRET";
    assert_eq!(refused(KeyOptions::default(), Side::Server, &every), two);
    let nonsense = Keyring { environment: |_| Some(Zeroizing::new("hush".into())), ..bare() };
    let allow = KeyOptions { allow: vec![client_of("a", 2)], ..KeyOptions::default() };
    let wrong = refused(allow, Side::Server, &nonsense);
    assert!(wrong.starts_with("SMOL_KCPD_SECRET holds no key: must be 44 "), "{wrong}");
}

#[test]
fn what_a_file_holds_is_never_told() {
    let folder = Folder::new();
    let of = |path: String| KeyOptions { shared_secret_file: Some(path), ..KeyOptions::default() };
    let short = secret(1).to_text()[..40].to_string();
    for (name, text) in [("short", short.as_str()), ("odd", "hush, hush"), ("empty", "")] {
        let wrong = refused(of(folder.file(name, text)), Side::Client, &bare());
        let wanted = "shared_secret_file: holds no key: must be 44 characters of base64, as \
                      `smol-kcpd keygen` makes them";
        assert_eq!(wrong, wanted, "{name}");
    }
    let wrong = refused(of(folder.path("nowhere")), Side::Client, &bare());
    assert!(wrong.starts_with("shared_secret_file: cannot be read: "), "{wrong}");
    let wrong = refused(of(folder.file("long", &"a".repeat(2000))), Side::Client, &bare());
    assert!(wrong.contains("longer than 1024 bytes"), "{wrong}");
    let invited = KeyOptions { invite_file: Some(folder.path("odd")), ..KeyOptions::default() };
    let wrong = refused(invited, Side::Client, &bare());
    assert!(wrong.starts_with("invite_file: holds none: ") && !wrong.contains("hush"), "{wrong}");
    assert!(!format!("{:?}", of(folder.path("odd"))).contains("hush"));
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let path = folder.file("both.key", &secret(1).to_text());
    let mode = |mode| fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a mode");
    let of = || KeyOptions { shared_secret_file: Some(path.clone()), ..KeyOptions::default() };
    for open in [0o640, 0o604, 0o644, 0o620, 0o601] {
        mode(open);
        let wrong = refused(of(), Side::Server, &bare());
        let wanted = format!("shared_secret_file: has the mode {open:04o}, so that others may");
        assert!(wrong.starts_with(&wanted) && wrong.ends_with("(chmod 600)"), "{wrong}");
    }
    for closed in [0o600, 0o400, 0o700] {
        mode(closed);
        assert!(resolve(&of(), Side::Server, &bare()).is_ok());
    }
}

#[test]
fn keygen_and_pubkey_agree() {
    let printed = run(KeyCommand::Keygen { secret_file: None }, "").unwrap();
    let [first, second] = printed.lines().collect::<Vec<_>>()[..] else { panic!("{printed}") };
    let (secret, public) =
        (first.strip_prefix("secret ").unwrap(), second.strip_prefix("public ").unwrap());
    assert_eq!(secret.len(), 44);
    let again = run(KeyCommand::Pubkey { secret_file: None }, &format!("{secret}\n")).unwrap();
    assert_eq!(again.trim(), public);
    assert_ne!(run(KeyCommand::Keygen { secret_file: None }, "").unwrap(), printed);

    let folder = Folder::new();
    let path = folder.path("me.key");
    let secret_file = Some(path.clone());
    let public = run(KeyCommand::Keygen { secret_file: secret_file.clone() }, "").unwrap();
    assert_eq!(run(KeyCommand::Pubkey { secret_file: secret_file.clone() }, "").unwrap(), public);
    let written = fs::read_to_string(&path).unwrap();
    let error = run(KeyCommand::Keygen { secret_file }, "").unwrap_err();
    assert_eq!(error.to_string(), format!("{path}: is there already, and is not replaced"));
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    let error = run(KeyCommand::Pubkey { secret_file: None }, "hush").unwrap_err().to_string();
    assert!(error.starts_with("stdin: holds no key: ") && !error.contains("hush"), "{error}");
}

#[test]
fn who_is_invited_and_who_allows_have_keys_that_go_together() {
    let folder = Folder::new();
    let (secret_file, psk_file) = (folder.path("server.key"), folder.path("psk"));
    run(KeyCommand::Keygen { secret_file: Some(secret_file.clone()) }, "").unwrap();
    run(KeyCommand::KeygenShared { shared_secret_file: Some(psk_file.clone()) }, "").unwrap();
    let server = HostPort::parse("router.example:29900").unwrap();
    let invite = KeyCommand::Invite {
        server: server.clone(),
        secret_file: secret_file.clone(),
        psk_file: Some(psk_file.clone()),
        name: "alice".into(),
    };
    let printed = run(invite, "").unwrap();
    let [line, allow] = printed.lines().collect::<Vec<_>>()[..] else { panic!("{printed}") };

    let invited = Some(Invitation::parse(line).unwrap());
    let client = KeyOptions { invite: invited, ..KeyOptions::default() };
    let client = resolve(&client, Side::Client, &bare()).unwrap();
    assert_eq!(client.server, Some(server.clone()));
    let client = client.secure.unwrap();
    let key = allow.strip_prefix("allow = alice=").unwrap().parse().unwrap();
    let at_server = KeyOptions {
        secret_file: Some(secret_file),
        psk_file: Some(psk_file),
        allow: vec![Client { name: "alice".into(), key }],
        ..KeyOptions::default()
    };
    let at_server = resolve(&at_server, Side::Server, &bare()).unwrap().secure.unwrap();
    assert_eq!(client.own_key.unwrap().public_key(), at_server.clients[0].key);
    let wanted = client.server.unwrap();
    assert_eq!(wanted.key, at_server.own_key.unwrap().public_key());
    assert_eq!(wanted.psk, at_server.clients[0].psk);

    // One secret for everybody.
    let shared = folder.path("both.key");
    run(KeyCommand::KeygenShared { shared_secret_file: Some(shared.clone()) }, "").unwrap();
    let invite = KeyCommand::InviteShared { server, shared_secret_file: shared.clone() };
    let invite_file = Some(folder.file("invitation", &run(invite, "").unwrap()));
    let invited = KeyOptions { invite_file, ..KeyOptions::default() };
    let shares = KeyOptions { shared_secret_file: Some(shared), ..KeyOptions::default() };
    let of = |keys: &KeyOptions| resolve(keys, Side::Client, &bare()).unwrap().secure;
    assert_eq!(of(&invited), of(&shares));
}
