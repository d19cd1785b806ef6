//! `service smol-kcp invite` and `join`: from an installed package to a tunnel with a command on either side.

use std::fs;

use super::errors;
use super::init::Router;
use super::tree;

/// What the package comes with.
fn fresh(test: &str) -> Option<Router> {
    let router = Router::new(test)?;
    let examples = fs::read_to_string(tree("openwrt/smol-kcp/files/smol-kcp.config"));
    router.configure(&examples.expect("the examples"));
    Some(router)
}

/// What a command that succeeds prints, and what it explains.
fn told(router: &Router, command: &[&str]) -> (String, String) {
    let output = router.output(command);
    let said = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(output.status.success(), "{command:?}: {}", errors(&output));
    (said, errors(&output))
}

fn refused(router: &Router, command: &[&str]) -> String {
    let before = fs::read_to_string(router.path("smol-kcp")).expect("the configuration");
    let output = router.output(command);
    assert!(!output.status.success() && output.stdout.is_empty(), "{command:?}: {output:?}");
    assert_eq!(fs::read_to_string(router.path("smol-kcp")).expect("it"), before, "{command:?}");
    errors(&output)
}

#[test]
fn a_command_on_either_side_makes_a_tunnel_of_the_examples() {
    let (Some(server), Some(client)) = (fresh("invite_server"), fresh("invite_client")) else {
        return;
    };
    let (line, explained) = told(&server, &["invite", "kcp.example.org:29900"]);
    let line = line.strip_suffix('\n').expect("a line");
    assert!(
        line.starts_with("smol-kcp://kcp.example.org:29900/#") && !line.contains('\n'),
        "{line}"
    );
    assert!(
        explained.contains("UDP port 29900") && explained.contains("join 'LINE'"),
        "{explained}"
    );
    let shared = fs::read_to_string(server.kept().join("server.shared_secret")).expect("a secret");
    assert!(server.file("server").contains("target = 127.0.0.1:22\n"));
    // Once more it is the same: no client is locked out.
    assert_eq!(told(&server, &["invite", "kcp.example.org:29900"]).0, format!("{line}\n"));
    assert_eq!(fs::read_to_string(server.kept().join("server.shared_secret")).expect("it"), shared);

    let (nothing, explained) = told(&client, &["join", line]);
    assert_eq!(nothing, "");
    assert!(explained.contains("127.0.0.1:2222 leads to"), "{explained}");
    assert_eq!(client.files(), ["client.conf", "client.invite"]);
    let kept = fs::read_to_string(client.kept().join("client.invite")).expect("an invitation");
    assert_eq!(kept, format!("{line}\n"));
}

#[test]
fn clients_with_names_get_a_key_each_and_a_new_one_in_place_of_the_old() {
    let Some(router) = fresh("invite_names") else { return };
    let (alice, _) = told(&router, &["invite", "kcp.example.org:29900", "alice"]);
    let (bob, _) = told(&router, &["invite", "kcp.example.org:29900", "bob"]);
    let allowed = |router: &Router| {
        let file = router.file("server");
        let line =
            file.lines().find(|line| line.starts_with("allow = ")).expect("clients").to_string();
        line["allow = ".len()..].split(' ').map(String::from).collect::<Vec<_>>()
    };
    let before = allowed(&router);
    assert!(alice != bob && before.len() == 2, "{before:?}");
    assert!(before[0].starts_with("alice=") && before[1].starts_with("bob="), "{before:?}");
    told(&router, &["invite", "kcp.example.org:29900", "alice"]);
    let after = allowed(&router);
    assert_eq!((after.len(), &after[0]), (2, &before[1]), "bob is as he was");
    assert!(after[1].starts_with("alice=") && after[1] != before[0], "{after:?}");
    assert_eq!(router.files(), ["server.conf", "server.secret"]);
    let without = refused(&router, &["invite", "kcp.example.org:29900"]);
    assert!(without.contains("say the name of the new one"), "{without}");
}

#[test]
fn what_makes_no_sense_is_explained_and_changes_nothing() {
    let Some(router) = fresh("invite_refused") else { return };
    for (command, wanted) in [
        (&["invite"][..], "--server"),
        (&["invite", "kcp.example.org"], "kcp.example.org"),
        (&["invite", "kcp.example.org:29900", "a b"], "a b"),
        (
            &["invite", "kcp.example.org:29900", "", "client"],
            "the section 'client' of /etc/config/smol-kcp is no server",
        ),
        (&["join", "smol-kcp://kcp.example.org:29900/"], "quote it"),
        (&["join", "smol-kcp://kcp.example.org:29900/#x", "server"], "is no client"),
    ] {
        let said = refused(&router, command);
        assert!(said.contains(wanted), "{command:?}: {said}");
    }
    told(&router, &["invite", "kcp.example.org:29900"]);
    let named = refused(&router, &["invite", "kcp.example.org:29900", "alice"]);
    assert!(named.contains("one secret together"), "{named}");
    router
        .configure("config tunnel 'server'\noption role 'server'\noption secret_file '/etc/key'\n");
    let kept = refused(&router, &["invite", "kcp.example.org:29900", "alice"]);
    assert!(kept.contains("in /etc/key: smol-kcpd invite"), "{kept}");
}
