//! The page and the metrics of real processes: by hand, by promtool, and in a browser through a bad link.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::browser::Browser;
use crate::common::tools::is_installed;
use crate::program::Daemon;
use crate::status::lossy_link;
use crate::support::*;

fn server(target: SocketAddr, listen: &str) -> Daemon {
    let target = target.to_string();
    Daemon::start(&[
        "server",
        "--insecure",
        "--listen",
        listen,
        "--target",
        &target,
        "--control",
        "off",
    ])
}

/// A client with a web server; where its page and its metrics are.
fn client(server: SocketAddr, more: &[&str]) -> (Daemon, SocketAddr) {
    let server = server.to_string();
    let args = ["client", "--insecure", "--listen", ANY, "--server", &server, "--control", "off"];
    let web = ["--http", ANY, "--metrics", ANY];
    let mut client = Daemon::start(&[&args[..], &web, more].concat());
    let line = client.says("http: the page is at http://");
    let at = line.trim_end_matches('/').rsplit('/').next().expect("an address").parse();
    (client, at.expect("an address"))
}

fn listens_at(daemon: &mut Daemon) -> SocketAddr {
    daemon
        .heard()
        .iter()
        .find_map(|line| {
            line.strip_prefix("tunnel: listening on TCP ")?.split(' ').next()?.parse().ok()
        })
        .expect("it was said")
}

fn get(at: SocketAddr, head: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).expect("it listens");
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    run(|_, _| async move {
        let target = echo_server().await;
        let mut server = server(target, ANY);
        let (mut client, web) = client(server.address("tunnel"), &[]);
        let _tcp = talking(listens_at(&mut client)).await;
        let answer = get(web, &format!("GET /metrics HTTP/1.1\r\nHost: {web}\r\n\r\n"));
        let answer = String::from_utf8(answer).expect("text");
        let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"),
            "{head}"
        );
        assert!(
            text.contains("smol_kcpd_tunnel_up{tunnel=\"tunnel\",role=\"client\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("smol_kcpd_streams{tunnel=\"tunnel\",role=\"client\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("smol_kcpd_peer_streams{"), "{text}");
        if !is_installed("promtool") {
            return;
        }
        let mut tool = Command::new("promtool");
        let tool = tool
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut tool = tool.spawn().expect("promtool");
        tool.stdin.take().unwrap().write_all(text.as_bytes()).expect("it reads");
        let said = tool.wait_with_output().expect("it ends");
        assert!(
            said.status.success() && said.stdout.is_empty() && said.stderr.is_empty(),
            "{said:?}"
        );
    });
}

#[test]
fn visitors_who_want_too_much_get_nothing_and_disturb_nobody() {
    run(|_, _| async move {
        let target = echo_server().await;
        let mut server = server(target, ANY);
        let (mut client, web) = client(server.address("tunnel"), &[]);
        let mut tcp = talking(listens_at(&mut client)).await;
        // More than are served at once say nothing, and one never stops.
        let silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(web).unwrap()).collect();
        chat(&mut tcp, &pattern(50_000)).await.expect("the echo");
        drop(silent);
        assert!(get(web, &"x".repeat(5000)).is_empty());
        let status = |head: &str| {
            String::from_utf8_lossy(&get(web, head)).split("\r\n").next().unwrap().to_string()
        };
        let rebound = "GET /status.json HTTP/1.1\r\nHost: evil.example\r\n\r\n";
        assert_eq!(status(rebound), "HTTP/1.1 403 Forbidden");
        assert_eq!(
            status("POST / HTTP/1.1\r\nHost: [::1]\r\n\r\n"),
            "HTTP/1.1 405 Method Not Allowed"
        );
        assert_eq!(
            status("GET /../etc/passwd HTTP/1.1\r\nHost: [::1]\r\n\r\n"),
            "HTTP/1.1 404 Not Found"
        );
        assert_eq!(status("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n"), "HTTP/1.1 200 OK");
    });
}

/// Sends and takes back as fast as it goes, until told to stop.
pub fn traffic(at: SocketAddr, goes_on: &Arc<AtomicBool>) {
    let goes_on = Arc::clone(goes_on);
    std::thread::spawn(move || {
        while goes_on.load(Ordering::Relaxed) {
            let Ok(mut tcp) = TcpStream::connect(at) else { continue };
            let mut block = vec![7; 20_000];
            while goes_on.load(Ordering::Relaxed)
                && tcp.write_all(&block).is_ok()
                && tcp.read_exact(&mut block).is_ok()
            {}
        }
    });
}

fn picture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../page").join(name)
}

#[cfg(target_os = "linux")]
#[test]
fn a_browser_shows_what_happens_to_a_tunnel_through_a_bad_link() {
    if !is_installed("chromium") {
        return;
    }
    run(|_, _| async move {
        let target = echo_server().await;
        let mut far = server(target, ANY);
        let server_at = far.address("tunnel");
        let (mut client, web) =
            client(lossy_link(server_at), &["--connect-timeout", "1s", "--udp", ANY]);
        let tunnel_at = listens_at(&mut client);

        let mut browser = Browser::open(&format!("http://{web}/"));
        browser.look_like(1100, 800, "light");
        let state = |name: &str| format!("document.querySelector('.state.{name}')");
        browser.until(&state("idle"));
        let paint = browser.run(
            "Math.round(performance.getEntriesByName('first-contentful-paint')[0]?.startTime)",
        );
        println!("first paint after {paint} ms");

        // It carries something, and the plots move.
        let goes_on = Arc::new(AtomicBool::new(true));
        traffic(tunnel_at, &goes_on);
        browser.until(&state("up"));
        let shape = "document.querySelector('[data-plot=rate] path').getAttribute('d')";
        browser.until(&format!("{shape}.includes('L')"));
        let before = browser.run(shape);
        browser.until(&format!("{shape} !== '{before}'"));
        let label = "document.querySelector('[data-plot=loss] svg').getAttribute('aria-label')";
        browser.until(&format!("/there (0[.]|[1-9])[0-9.]* %/.test({label})"));
        browser.until("document.querySelectorAll('[data-plot=rate] path')[0].getAttribute('d').split('L').length > 8");
        browser.until("/^UDP 127[.0-9]+:[0-9]+: 0 of 256 sources/.test(document.querySelectorAll('.facts')[2].textContent)");
        browser.screenshot(&picture("up-light-desktop.png"));

        // The server goes away, and somebody notices; it comes back.
        goes_on.store(false, Ordering::Relaxed);
        drop(far);
        refusal(tunnel_at).await;
        browser.until(&state("down"));
        browser.until("document.querySelector('.problem').textContent.includes('firewall')");
        browser.look_like(390, 800, "dark");
        browser.screenshot(&picture("down-dark-phone.png"));
        let wide = browser.run("document.documentElement.scrollWidth > innerWidth");
        assert_eq!(wide, "false", "nothing is beside the screen of a phone");
        let mut far = server(target, &server_at.to_string());
        far.address("tunnel");
        let tcp = talking(tunnel_at).await;
        browser.until(&state("up"));
        assert_eq!(browser.run("document.querySelectorAll('.problem').length"), "0");

        // 500 streams, listed by the keyboard alone.
        let mut many = vec![tcp];
        while many.len() < 500 {
            many.push(talking(tunnel_at).await);
        }
        browser.until("document.querySelector('summary').textContent.includes('(500)')");
        browser.run("document.querySelector('summary').focus()");
        browser.press("Enter", 13);
        browser.call("Input.dispatchKeyEvent", r#"{"type":"char","text":"\r"}"#);
        browser.until("document.querySelectorAll('details[open] tbody tr').length === 200");
        browser.look_like(1100, 800, "dark");
        for (code, word) in [("de", "Verbindungen"), ("zh", "个连接"), ("en", "connections")] {
            browser.run(&format!(
                "(() => {{ const it = document.querySelector('#language'); it.value = '{code}'; it.dispatchEvent(new Event('change')); }})()"
            ));
            browser.until(&format!(
                "document.querySelector('.sentence').textContent.includes('{word}')"
            ));
            assert_eq!(browser.run("document.documentElement.lang"), code);
            browser.screenshot(&picture(&format!("streams-{code}-dark.png")));
        }
        let nameless = "[...document.querySelectorAll('svg, select, table, section')].filter((it) => !(it.getAttribute('aria-label') || it.getAttribute('aria-labelledby') || it.closest('label, [aria-label]'))).length";
        assert_eq!(browser.run(nameless), "0", "a screen reader has a name for each");

        // What the daemon has to do for one open page.
        browser.run("document.querySelector('summary').click()");
        let ticks = |pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
            let fields = stat.rsplit(')').next().unwrap().split_whitespace();
            fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum::<u64>()
        };
        let (began, then) = (now(), ticks(client.pid()));
        browser.run("new Promise((done) => setTimeout(done, 5000))");
        println!("{} ticks in {:?} with 500 streams", ticks(client.pid()) - then, began.elapsed());

        let elsewhere = format!("performance.getEntriesByType('resource').filter((it) => !it.name.startsWith('http://{web}/')).length");
        assert_eq!(browser.run(&elsewhere), "0", "nobody else was asked");
        let errors = browser.events.iter().filter(|event| {
            event.contains("\"level\":\"error\"")
                || event.contains("Runtime.exceptionThrown")
                || event.contains("Content Security Policy")
        });
        assert_eq!(errors.collect::<Vec<_>>(), Vec::<&String>::new());
        goes_on.store(false, Ordering::Relaxed);
    });
}
