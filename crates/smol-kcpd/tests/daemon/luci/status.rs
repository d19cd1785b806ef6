//! What the tunnels do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use super::router::{Router, Session, ROOT};
use super::{no_errors, picture, shown};
use crate::browser::Browser;
use crate::common::tools::is_installed;
use crate::page::traffic;
use crate::program::{Daemon, File};
use crate::support::*;

const SECTIONS: &str = r#"[{".name":"far",".type":"tunnel","enabled":"1","role":"server"},
    {".name":"near",".type":"tunnel","enabled":"1","role":"client"},
    {".name":"off",".type":"tunnel","enabled":"0","role":"client"}]"#;

#[test]
fn a_router_shows_every_tunnel_and_says_which_does_not_run() {
    if !is_installed("chromium") {
        return;
    }
    run(|_, _| async move {
        let router = Router::new("status", SECTIONS);
        router.log(
            "daemon.err smol-kcp: near: mtu = '<img src=x onerror=alert(1)>' must be 50 to 65507",
        );
        let environment = router.environment();
        let environment = environment.each_ref().map(|(key, value)| (*key, value.as_str()));
        let target = echo_server().await;
        let file = |text: String| File::new(&text);
        let far = file(format!(
            "[far]\nrole = server\ninsecure = true\nlisten = {ANY}\ntarget = {target}\n"
        ));
        let mut far = Daemon::start_with(&["--config", far.path()], &environment);
        let server = far.address("far");

        // One of the two does not run, and the log is open at what was wrong in it: as text.
        let mut browser = Browser::open(&router.view("smol-kcp/status", ROOT));
        browser.look_like(1100, 800, "light");
        shown(&mut browser);
        browser.until(
            "document.querySelector('[role=status]').textContent.includes('not running: near')",
        );
        browser
            .until("document.querySelector('details[open] pre')?.textContent.includes('onerror')");
        assert_eq!(browser.run("document.querySelectorAll('img').length"), "0");
        browser.until("document.querySelectorAll('.tunnels section').length === 1");

        // It starts, in a process of its own, and carries something.
        let near = file(format!(
            "[near]\nrole = client\ninsecure = true\nlisten = {ANY}\nserver = {server}\n"
        ));
        let mut near = Daemon::start_with(&["--config", near.path()], &environment);
        let tunnel = near.address("near");
        browser.until("document.querySelectorAll('.tunnels section').length === 2");
        browser
            .until("document.querySelector('[role=status]').textContent.startsWith('smol-kcpd ')");
        let goes_on = Arc::new(AtomicBool::new(true));
        traffic(tunnel, &goes_on);
        browser.until("document.querySelectorAll('.state.up').length === 2");
        let shape = "document.querySelector('[data-plot=rate] path').getAttribute('d')";
        browser.until(&format!("{shape}.includes('L')"));
        let before = browser.run(shape);
        browser.until(&format!("{shape} !== '{before}'"));
        browser.run("document.querySelector('.tunnels summary').click()");
        browser.until("document.querySelectorAll('.tunnels details[open] tbody tr').length === 1");
        browser.screenshot(&picture("status-light-desktop.png"));
        no_errors(&browser);
        drop(browser);

        // Others have it in their language, dark, and on a phone.
        for (language, words) in [("de", "Offene Verbindungen"), ("zh-cn", "个连接")] {
            let session = Session { language, dark: true, may_write: false };
            let mut browser = Browser::open(&router.view("smol-kcp/status", session));
            browser.look_like(390, 800, "light");
            shown(&mut browser);
            browser.until(&format!(
                "document.querySelector('.sentence')?.textContent.includes('{words}')"
            ));
            let scheme =
                browser.run("getComputedStyle(document.querySelector('.tunnels')).colorScheme");
            assert_eq!(scheme, "dark", "as the theme is, and not the system");
            let wide = browser.run("document.documentElement.scrollWidth > innerWidth");
            assert_eq!(wide, "false", "nothing is beside the screen of a phone");
            assert_eq!(browser.run("[...untranslated].join()"), "");
            browser.screenshot(&picture(&format!("status-{language}-phone.png")));
            no_errors(&browser);
        }
        goes_on.store(false, Ordering::Relaxed);

        // The server ends: the client knows, and the router says what is missing.
        let mut browser = Browser::open(&router.view("smol-kcp/status", ROOT));
        shown(&mut browser);
        drop(far);
        browser.until(
            "document.querySelector('[role=status]').textContent.includes('not running: far')",
        );
        browser.until("document.querySelectorAll('.tunnels section').length === 1");
        drop(near);
        browser.until("document.querySelectorAll('.tunnels section').length === 0");
        no_errors(&browser);
    });
}
