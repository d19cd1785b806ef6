//! The init script and secrets: each is in a file of its own, for root only, and nowhere else.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use super::init::{Router, SERVER};
use super::printed;

#[test]
fn secrets_are_in_files_of_their_own_that_only_root_may_read() {
    let Some(router) = Router::new("secrets") else { return };
    let program = || Command::new(env!("CARGO_BIN_EXE_smol-kcpd"));
    let key = |args: &[&str]| {
        let made = printed(program().args(args));
        made.split_whitespace().last().expect("a key").to_string()
    };
    let (secret, psk) = (key(&["keygen", "--shared"]), key(&["keygen", "--shared"]));
    let (alice, bob) = (key(&["keygen"]), key(&["keygen"]));
    let uci = SERVER.replace(
        "\toption insecure '1'\n",
        &format!(
            "\toption secret '{secret}'\n\toption psk '{psk}'\n\tlist allow 'alice={alice}'\n\
             \tlist allow 'bob={bob}'\n\tlist client_target 'bob=[::1]:23'\n\toption jail '1'\n"
        ),
    );
    fs::write(router.path("ujail"), "#!/bin/sh\n").expect("a program");
    fs::set_permissions(router.path("ujail"), PermissionsExt::from_mode(0o755)).expect("a mode");
    let asked = router.start(&uci);
    assert_eq!(asked.logged(), [""; 0]);
    assert_eq!(asked.instances(), ["home"]);
    assert_eq!(router.files(), ["home.conf", "home.psk", "home.secret"]);
    for (name, content) in [("secret", &secret), ("psk", &psk)] {
        let path = router.kept().join(format!("home.{name}"));
        assert_eq!(fs::read_to_string(&path).expect("it"), format!("{content}\n"));
        assert_eq!(fs::metadata(&path).expect("it").permissions().mode() & 0o7777, 0o600);
        let mount = path.display().to_string();
        assert!(asked.calls("procd_add_jail_mount")[0].split('|').any(|file| file == mount));
    }
    let file = router.file("home");
    assert!(
        !file.contains(&secret) && !file.contains(&psk) && !asked.0.contains(&secret),
        "{file}"
    );
    assert!(file.contains(&format!("\nallow = alice={alice} bob={bob}\n")), "{file}");

    // Another secret is told to the tunnel, in the file that it has open; a secret that is gone leaves nothing.
    let inode = || fs::metadata(router.kept().join("home.secret")).expect("it").ino();
    let same = inode();
    router.running(&["home"]);
    router.configure(&uci.replace(&secret, &psk).replace(&format!("\toption psk '{psk}'\n"), ""));
    let asked = router.run(&["reload"]);
    assert_eq!(asked.calls("procd_send_signal"), ["smol-kcp|home|HUP"]);
    assert_eq!(router.files(), ["home.conf", "home.secret"]);
    assert_eq!(inode(), same);

    // What is wrong with one is said without it.
    for (option, value, said) in [
        ("secret", "hush hush", "home: secret = '...' has characters that no value has"),
        (
            "invite",
            "smol-kcp://a:1/#hush$",
            "home: invite = '...' has characters that no value has",
        ),
        ("shared_secret", "hush", "shared_secret_file = "),
    ] {
        let wrong = format!("\toption {option} '{value}'\n");
        let asked = router.start(&SERVER.replace("\toption insecure '1'\n", &wrong));
        assert!(asked.instances().is_empty() && router.files().is_empty(), "{}", asked.0);
        let logged = asked.logged();
        assert!(logged[0].contains(said) && !asked.0.contains("hush"), "{logged:?}");
    }
    router.start(&uci);
    router.run(&["stop", "home"]);
    assert!(router.files().is_empty());
}
