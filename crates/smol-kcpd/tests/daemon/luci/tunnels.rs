//! The form: made of the program's own options, and what comes out of it is what the program takes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use super::router::{Router, Session, ROOT};
use super::{no_errors, picture, shown};
use crate::browser::Browser;
use crate::built::program;
use crate::common::tools::is_installed;
use crate::json::Json;
use crate::program::output;

/// What of the sections only the init script reads.
const SCRIPT: [&str; 4] = [".type", "enabled", "interface", "jail"];
/// What it writes to files of their own.
const SECRETS: [&str; 5] = ["secret", "shared_secret", "psk", "invite", "kcptun_key"];

fn field(name: &str) -> String {
    format!("document.querySelector('.modal [data-name={name}]').querySelector('input, select, textarea')")
}

/// Fills a field of the dialogue, as somebody does who leaves it then.
fn set(browser: &mut Browser, name: &str, value: &str) {
    let field = field(name);
    browser.run(&format!(
        "(() => {{ const it = {field}; it.value = '{value}'; it.dispatchEvent(new Event('change')); }})()"
    ));
}

fn value(browser: &mut Browser, name: &str) -> String {
    browser.run(&format!("{}.value", field(name)))
}

fn is_shown(browser: &mut Browser, name: &str) -> bool {
    browser.run(&format!("!!{}.offsetParent", field(name))) == "true"
}

fn press(browser: &mut Browser, place: &str, text: &str) {
    let button = format!("[...document.querySelectorAll('{place} button')].find((it) => it.textContent === '{text}')");
    browser.until(&format!("{button}?.disabled === false"));
    browser.run(&format!("{button}.click()"));
}

/// Begins a new tunnel.
fn add(browser: &mut Browser, name: &str) {
    browser.run(&format!("document.querySelector('.cbi-section-create-name').value = '{name}'"));
    press(browser, ".cbi-section >", "Add a tunnel");
    browser.until("document.querySelector('.cbi-modal')");
}

/// Saves it, and waits until that is done.
fn save(browser: &mut Browser) {
    press(browser, ".cbi-modal >", "Save");
    browser.until("!document.querySelector('.cbi-modal')");
}

/// A file that root alone may read, as the init script makes them.
fn secret(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(path).expect("a file");
    std::io::Write::write_all(&mut file, text.as_bytes()).expect("it is written");
}

/// What `smol-kcpd check` says of a section, of which the init script's part is done: secrets are in files where it has them.
fn check(router: &Router, name: &str, options: &BTreeMap<String, String>) -> (i32, String, String) {
    let mut text = format!("[{name}]\n");
    for (key, value) in options.iter().filter(|(key, _)| !SCRIPT.contains(&key.as_str())) {
        if SECRETS.contains(&key.as_str()) {
            let path = router.root.join(format!("var/etc/smol-kcp/{name}.{key}"));
            secret(&path, value);
            text.push_str(&format!("{key}_file = {}\n", path.display()));
        } else {
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    let file = router.root.join("checked.conf");
    fs::write(&file, text).expect("a file");
    output(program().arg("check").arg(file))
}

fn options() -> Json {
    let (code, printed, _) = output(program().args(["options", "--json"]));
    assert_eq!(code, 0);
    Json::parse(&printed).get("options").clone()
}

fn opened(router: &Router, session: Session) -> Browser {
    let mut browser = Browser::open(&router.view("smol-kcp/tunnels", session));
    browser.look_like(1100, 900, "light");
    shown(&mut browser);
    browser
}

#[test]
fn the_form_has_every_option_and_refuses_what_the_program_would() {
    if !is_installed("chromium") {
        return;
    }
    let router = Router::new("form", "[]");
    let mut browser = opened(&router, ROOT);
    add(&mut browser, "home");

    let names = browser.run("[...document.querySelectorAll('.modal [data-name]')].map((it) => it.dataset.name).filter((it) => it[0] !== '_').sort().join()");
    let options = options();
    let of = |key: &'static str| options.list().iter().filter_map(move |one| one.get(key).text());
    let mut wanted: Vec<&str> = of("name").chain(["enabled", "interface", "jail"]).collect();
    let secrets = SECRETS.iter().filter(|name| of("name").any(|one| one == format!("{name}_file")));
    wanted.extend(secrets.filter(|name| **name != "invite"));
    wanted.sort_unstable();
    assert_eq!(names, wanted.join(","));

    // A client is not asked what only servers have, and nobody what another option makes no sense without.
    let visible = |browser: &mut Browser, all: &[(&str, bool)]| {
        for &(name, is) in all {
            assert_eq!(is_shown(browser, name), is, "{name}");
        }
    };
    visible(
        &mut browser,
        &[
            ("server", true),
            ("target", false),
            ("allow", false),
            ("server_key", false),
            ("rtt", false),
        ],
    );
    set(&mut browser, "bandwidth", "50mbit");
    set(&mut browser, "secret_file", "/etc/smol-kcp/key");
    visible(&mut browser, &[("server_key", true), ("rtt", true), ("psk", true)]);
    set(&mut browser, "role", "server");
    visible(
        &mut browser,
        &[
            ("server", false),
            ("target", true),
            ("allow", true),
            ("server_key", false),
            ("client_target", false),
        ],
    );
    set(&mut browser, "role", "client");
    set(&mut browser, "secret_file", "");
    set(&mut browser, "bandwidth", "");

    // What each accepts is said, and what it does not is refused by that.
    for (name, wrong, right) in [
        ("listen", "localhost", "127.0.0.1:2222"),
        ("server", "router.example:70000", "router.example:29900"),
        ("mtu", "49", "1400"),
        ("send_window", "32768", "32767"),
        ("keep_alive", "9ms", "none"),
        ("keep_alive", "25d", "24d"),
        ("stall_timeout", "none", "2m"),
        ("stall_timeout", "10", "90s"),
        ("recv_budget", "1g", "512k"),
        ("min_rto", "1 s", "100ms"),
        ("udp", "[::]:0", "[::1]:53"),
        ("invite", "kcp.example:1", ""),
    ] {
        set(&mut browser, name, wrong);
        let told = browser.run(&format!("{}.dataset.tooltip", field(name)));
        let line =
            options.list().iter().find(|one| one.get("name").text() == Some(name)).expect("it");
        let accepted = line.get("accepted").text().expect("words");
        assert_eq!(told, format!("must be: {accepted}"), "{name} = {wrong}");
        let label = browser.run(&format!("{}.closest('[data-name]').textContent", field(name)));
        assert!(label.contains(accepted), "{name}: {label}");
        set(&mut browser, name, right);
        assert_eq!(
            browser.run(&format!("{}.dataset.tooltip", field(name))),
            "",
            "{name} = {right}"
        );
    }
    set(&mut browser, "mtu", "10");
    press(&mut browser, ".cbi-modal >", "Save");
    browser.until(
        "document.querySelector('.alert-message')?.textContent.includes('must be: 50 to 65507')",
    );
    assert_eq!(router.saved(), BTreeMap::new());
    set(&mut browser, "mtu", "1400");

    // What is chosen from a list, on or off, and the others.
    set(&mut browser, "profile", "low_memory");
    set(&mut browser, "nodelay", "false");
    set(&mut browser, "insecure", "true");
    set(&mut browser, "keep_alive", "10s");
    set(&mut browser, "session_expire", "1m");
    browser.screenshot(&picture("form-desktop.png"));
    save(&mut browser);
    let saved = router.saved();
    let home = &saved["home"];
    for (key, wanted) in [
        ("role", "client"),
        ("listen", "127.0.0.1:2222"),
        ("server", "router.example:29900"),
        ("mtu", "1400"),
        ("profile", "low_memory"),
        ("nodelay", "false"),
        ("keep_alive", "10s"),
        ("enabled", "0"),
    ] {
        assert_eq!(home.get(key).map(String::as_str), Some(wanted), "{key}");
    }
    assert!(!home.contains_key("bandwidth") && !home.contains_key("secret_file"), "{home:?}");
    let (code, effective, error) = check(&router, "home", home);
    assert_eq!((code, error.as_str()), (0, ""), "{home:?}");
    assert!(
        effective.contains("mtu = 1400\n") && effective.contains("nodelay = false\n"),
        "{effective}"
    );
    browser
        .until("document.querySelector('[data-sid=home]').textContent.includes('127.0.0.1:2222')");
    let nameless = "[...document.querySelectorAll('input, select, textarea, button')].filter((it) => !(it.textContent || it.getAttribute('aria-label') || it.labels?.length)).length";
    assert_eq!(browser.run(nameless), "0", "a screen reader has a name for each");
    no_errors(&browser);
}

#[test]
fn keys_and_an_invitation_are_made_by_buttons_and_both_ends_take_them() {
    if !is_installed("chromium") {
        return;
    }
    let router = Router::new("invite", "[]");
    let mut browser = opened(&router, ROOT);
    for (name, button, key) in
        [("far", "shared_secret", "shared_secret"), ("many", "secret", "secret")]
    {
        add(&mut browser, name);
        set(&mut browser, "role", "server");
        set(&mut browser, "listen", "[::]:29900");
        set(&mut browser, "target", "127.0.0.1:22");
        press(&mut browser, &format!(".modal [data-name=_new_{button}]"), "Make a new one");
        browser.until(&format!("{}.value.length === 44", field(key)));
        if name == "many" {
            assert_eq!(value(&mut browser, "_public").len(), 44);
            assert!(is_shown(&mut browser, "allow"));
        }
        save(&mut browser);
        assert_eq!(router.saved()[name][key].len(), 44);
        // It is applied: the init script writes the secret.
        let applied = router.root.join(format!("var/etc/smol-kcp/{name}.{key}"));
        secret(&applied, &router.saved()[name][key]);
    }
    let row = |name: &str| format!("[data-sid={name}]");

    // One secret for both sides.
    press(&mut browser, &row("far"), "Invite…");
    let address = "document.querySelector('.modal input').value";
    browser.until(&format!("{address} === '127.0.0.1:29900'"));
    browser.run(&format!("{address} = 'kcp.example.org; reboot'"));
    press(&mut browser, ".modal", "Go on");
    browser.until("document.querySelector('.alert-message')?.textContent.includes('kcp.example.org; reboot: must be')");
    browser.run(&format!("{address} = 'kcp.example.org:29900'"));
    press(&mut browser, ".modal", "Go on");
    browser.until("document.querySelector('.modal textarea')");
    let invitation = browser.run("document.querySelector('.modal textarea').value");
    press(&mut browser, ".modal", "Close");

    // A key for a client of that name, which the server allows then.
    press(&mut browser, &row("many"), "Invite…");
    browser.until("document.querySelectorAll('.modal input').length === 2");
    browser.run(&format!("{address} = '[2001:db8::1]:29900'"));
    browser.run("document.querySelectorAll('.modal input')[1].value = 'alice'");
    press(&mut browser, ".modal", "Go on");
    browser.until("document.querySelector('.modal textarea')");
    let key = browser.run("document.querySelector('.modal textarea').value");
    press(&mut browser, ".modal", "Close");
    assert!(router.saved()["many"]["allow"].starts_with("alice="));

    for (name, line, server) in
        [("near", invitation, "kcp.example.org:29900"), ("alice", key, "[2001:db8::1]:29900")]
    {
        assert!(line.starts_with("smol-kcp://") && !line.contains('\n'), "{line}");
        add(&mut browser, name);
        set(&mut browser, "listen", "127.0.0.1:2222");
        set(&mut browser, "invite", &line);
        save(&mut browser);
        let (code, effective, error) = check(&router, name, &router.saved()[name]);
        assert_eq!((code, error.as_str()), (0, ""));
        assert!(effective.contains(&format!("server = {server}\n")), "{effective}");
    }
    for name in ["far", "many"] {
        let (code, _, error) = check(&router, name, &router.saved()[name]);
        assert_eq!((code, error.as_str()), (0, ""));
    }
    // What runs has a public key to show.
    press(&mut browser, &row("many"), "Edit");
    browser.until("document.querySelector('.cbi-modal')");
    assert_eq!(value(&mut browser, "_public").len(), 44);
    browser.look_like(390, 800, "light");
    browser.screenshot(&picture("keys-phone.png"));
    no_errors(&browser);
}

#[test]
fn everybody_reads_it_in_their_language_and_only_who_may_change_it_reads_it_at_all() {
    if !is_installed("chromium") {
        return;
    }
    let sections = r#"[{".name":"far",".type":"tunnel","enabled":"1","role":"server","listen":"[::]:29900","secret":"x","nodelay":"1"}]"#;
    let router = Router::new("languages", sections);
    for (language, word) in [("de", "Eingeschaltet"), ("zh-cn", "启用")] {
        let mut browser = opened(&router, Session { language, dark: true, may_write: true });
        browser.run("document.querySelector('.cbi-button-edit').click()");
        browser.until("document.querySelector('.cbi-modal')");
        // These are the same words there.
        assert_eq!(
            browser
                .run("[...untranslated].filter((it) => !['Tunnel', 'kcptun'].includes(it)).join()"),
            ""
        );
        let text = browser.run("document.body.textContent");
        assert!(text.contains(word), "{text}");
        assert_eq!(value(&mut browser, "nodelay"), "true", "whatever it was written as");
        browser.screenshot(&picture(&format!("form-{language}-dark.png")));
    }
    // It has secrets.
    let reader = Session { may_write: false, ..ROOT };
    let mut browser = Browser::open(&router.view("smol-kcp/tunnels", reader));
    browser.until("document.body?.dataset.shown");
    let text = browser.run("document.getElementById('view').textContent");
    assert!(text.contains("Permission denied") && !text.contains("29900"), "{text}");
    let tried = browser.run("fetch('/exec', { method: 'POST', body: JSON.stringify({ command: '/usr/bin/smol-kcpd', params: ['keygen'] }) }).then((it) => it.status)");
    assert_eq!(tried, "403");
}

#[test]
fn what_kcptun_had_is_imported_where_the_program_can_be_kcptun() {
    if !is_installed("chromium") {
        return;
    }
    let router = Router::new("import", "[]");
    let had = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kcptun/data/luci.uci");
    fs::copy(had, router.root.join("etc/config/kcptun")).expect("a copy");
    let mut browser = opened(&router, ROOT);
    let button = "[...document.querySelectorAll('button')].some((it) => it.textContent === 'Import from kcptun…')";
    assert_eq!(browser.run(button), cfg!(feature = "kcptun").to_string());
    if cfg!(feature = "kcptun") {
        press(&mut browser, "#view", "Import from kcptun…");
        browser.until("document.querySelector('.modal textarea')?.value.includes('config')");
        press(&mut browser, ".modal", "Import");
        browser.until("document.querySelector('.alert-message')?.textContent.includes('New, and not enabled: tokyo')");
        assert_eq!(browser.run(button), "true", "still, with the form made anew");
        let saved = router.saved();
        let tokyo = &saved["tokyo"];
        assert_eq!((tokyo.get("enabled"), tokyo["protocol"].as_str()), (None, "kcptun"));
        let listed = Command::new("stat")
            .args(["-c", "%a", &tokyo["kcptun_key_file"]])
            .output()
            .expect("stat");
        assert_eq!(String::from_utf8_lossy(&listed.stdout), "600\n");
        assert!(
            !router.root.join("tmp/smol-kcp-import").exists(),
            "the copy with the keys is gone"
        );
        no_errors(&browser);
    }
}
