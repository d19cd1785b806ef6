//! A headless Chromium, told what to do over a pair of pipes (its DevTools protocol).

use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::time::Duration;

use crate::json::Json;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(90);

/// Starts Chromium with the pipes where it expects them.
const START: &str = "exec chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --remote-debugging-pipe \
    --user-data-dir=\"$1\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";

/// A page in a browser of its own.
pub struct Browser {
    child: Child,
    commands: BufWriter<ChildStdin>,
    messages: Receiver<String>,
    session: String,
    last: u64,
    /// Messages that answer nothing.
    pub events: Vec<String>,
    profile: PathBuf,
}

impl Browser {
    pub fn open(url: &str) -> Browser {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let profile = std::env::temp_dir().join(format!("kcpd-chromium-{process}-{count}"));
        let mut child = Command::new("sh")
            .args(["-c", START, "sh", profile.to_str().expect("a name")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let commands = BufWriter::new(child.stdin.take().expect("a pipe"));
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in std::io::BufRead::split(output, 0).map_while(Result::ok) {
                let _ = sender.send(String::from_utf8(message).expect("text"));
            }
        });
        let (session, events) = (String::new(), Vec::new());
        let mut browser = Browser { child, commands, messages, session, last: 0, events, profile };
        let made = browser.call("Target.createTarget", r#"{"url":"about:blank"}"#);
        let id = made.get("targetId").text().expect("a name").to_string();
        let attach = format!(r#"{{"targetId":"{id}","flatten":true}}"#);
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached.get("sessionId").text().expect("a name").to_string();
        for domain in ["Log.enable", "Runtime.enable", "Network.enable"] {
            browser.call(domain, "{}");
        }
        browser.call("Page.navigate", &format!(r#"{{"url":"{url}"}}"#));
        browser
    }

    /// Calls a method, and waits for its result.
    pub fn call(&mut self, method: &str, params: &str) -> Json {
        self.last += 1;
        let id = self.last;
        let session = match self.session.as_str() {
            "" => String::new(),
            session => format!(r#","sessionId":"{session}""#),
        };
        let call = format!(r#"{{"id":{id},"method":"{method}","params":{params}{session}}}"#);
        self.commands.write_all(call.as_bytes()).expect("it runs");
        self.commands.write_all(&[0]).expect("it runs");
        self.commands.flush().expect("it runs");
        loop {
            let message = self.messages.recv_timeout(LIMIT);
            let message = message.unwrap_or_else(|_| panic!("no answer to {call}"));
            match message.starts_with(&format!("{{\"id\":{id},")) {
                true => {
                    assert!(message.contains("\"result\":"), "{call}: {message}");
                    return Json::parse(&message).get("result").clone();
                }
                false => self.events.push(message),
            }
        }
    }

    /// Runs JavaScript without double quotes, waits for what it promises, and returns that as a text.
    pub fn run(&mut self, script: &str) -> String {
        assert!(!script.contains(['"', '\\', '\n']), "{script}");
        let params = format!(
            r#"{{"expression":"Promise.resolve({script}).then(String)","awaitPromise":true,"returnByValue":true}}"#
        );
        let result = self.call("Runtime.evaluate", &params);
        let result = result.get("result");
        result.get("value").text().unwrap_or_else(|| panic!("{script}: {result:?}")).to_string()
    }

    /// Waits until that is true.
    pub fn until(&mut self, condition: &str) {
        self.run(&format!(
            "new Promise((done) => {{ const look = () => ({condition}) ? done() : setTimeout(look, 50); look(); }})"
        ));
    }

    /// Makes the window so large, light or dark.
    pub fn look_like(&mut self, width: u32, height: u32, scheme: &str) {
        let phone = width < 600;
        let metrics = format!(
            r#"{{"width":{width},"height":{height},"deviceScaleFactor":1,"mobile":{phone}}}"#
        );
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let media =
            format!(r#"{{"features":[{{"name":"prefers-color-scheme","value":"{scheme}"}}]}}"#);
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let params = format!(
                r#"{{"type":"{kind}","key":"{key}","code":"{key}","windowsVirtualKeyCode":{code}}}"#
            );
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// Keeps a picture.
    pub fn screenshot(&mut self, path: &Path) {
        let taken = self.call("Page.captureScreenshot", r#"{"format":"png"}"#);
        let bytes = base64(taken.get("data").text().expect("a picture"));
        assert!(bytes.starts_with(b"\x89PNG"));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.commands.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.commands.flush();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes().filter(|&letter| letter != b'=') {
        let six = LETTERS.iter().position(|&other| other == letter).expect("base64");
        bits = bits << 6 | six as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
