//! A router behind the stand-in of LuCI: files for the browser, and what rpcd would do for a session, with the access list
//! of the package and the real program.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::built::program;
use crate::json::Json;

const APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openwrt/luci-app-smol-kcp");
const WEB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web");
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/luci/router");

/// How the pages look, and who asks for them.
#[derive(Clone, Copy)]
pub struct Session {
    pub language: &'static str,
    pub dark: bool,
    pub may_write: bool,
}

pub const ROOT: Session = Session { language: "en", dark: false, may_write: true };

/// What it has, as the tests see it.
pub struct Router {
    pub at: SocketAddr,
    /// Where /etc, /tmp and /var are, and the control sockets.
    pub root: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    root: PathBuf,
    session: Session,
    /// The sections of /etc/config/smol-kcp, as JSON.
    sections: String,
    log: String,
}

impl Router {
    pub fn new(test: &str, sections: &str) -> Router {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("luci").join(test);
        let _ = std::fs::remove_dir_all(&root);
        for folder in ["etc/config", "tmp", "var/etc/smol-kcp"] {
            std::fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("its address");
        let state = State {
            root: root.clone(),
            session: ROOT,
            sections: sections.into(),
            log: String::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Router { at, root, state }
    }

    /// The address of a view, for such a session.
    pub fn view(&self, name: &str, session: Session) -> String {
        self.state.lock().expect("it").session = session;
        format!("http://{}/cgi-bin/luci?{name}", self.at)
    }

    pub fn log(&self, text: &str) {
        self.state.lock().expect("it").log = text.into();
    }

    /// The sections that were saved last, each with its options; lists are one text.
    pub fn saved(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let text = self.state.lock().expect("it").sections.clone();
        let json = Json::parse(&text);
        let one = |section: &Json| {
            let Json::Object(members) = section else { panic!("{section:?}") };
            let value = |value: &Json| match value {
                Json::List(list) => {
                    list.iter().filter_map(Json::text).collect::<Vec<_>>().join(" ")
                }
                value => value.text().expect("text").to_string(),
            };
            let options = members.iter().map(|(key, found)| (key.clone(), value(found)));
            let mut options: BTreeMap<String, String> = options.collect();
            (options.remove(".name").expect("a name"), options)
        };
        json.list().iter().map(one).collect()
    }

    pub fn environment(&self) -> [(&'static str, String); 1] {
        [("RUNTIME_DIRECTORY", self.root.join("var").display().to_string())]
    }
}

/// What an access list has for `scope`, read and write together as the session may.
fn allowed(session: &Session) -> Vec<(String, Vec<String>)> {
    let scopes: &[&str] = if session.may_write { &["read", "write"] } else { &["read"] };
    let mut all = Vec::new();
    for scope in scopes {
        let files = access(scope).get("file").clone();
        let Json::Object(files) = files else { panic!("{files:?}") };
        for (pattern, rights) in files {
            let rights = rights.list().iter().filter_map(Json::text).map(String::from).collect();
            all.push((pattern.clone(), rights));
        }
    }
    all
}

/// May such a session read the configuration, which has secrets?
fn reads_uci(session: &Session) -> bool {
    let (read, write) = (access("read"), access("write"));
    let Json::Object(read) = read else { panic!("{read:?}") };
    let rights = write.get("uci").get("smol-kcp").list();
    assert_eq!(rights, [Json::Text("read".into()), Json::Text("write".into())]);
    session.may_write || read.iter().any(|(scope, _)| scope == "uci")
}

fn access(scope: &str) -> Json {
    let path = format!("{APP}/root/usr/share/rpcd/acl.d/luci-app-smol-kcp.json");
    let acl = Json::parse(&std::fs::read_to_string(path).expect("the access list"));
    acl.get("luci-app-smol-kcp").get(scope).clone()
}

/// As fnmatch(3) without flags that rpcd does not give: `*` is anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            (0..=text.len())
                .filter(|&at| text.is_char_boundary(at))
                .any(|at| matches(rest, &text[at..]))
        }),
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    let mut head = Vec::new();
    while let Some(Ok(line)) = reader.by_ref().lines().next() {
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let Some(target) = head.first().and_then(|line| line.split(' ').nth(1)) else { return };
    let length =
        |line: &String| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok();
    let mut body = vec![0; head.iter().find_map(length).unwrap_or(0)];
    reader.read_exact(&mut body).expect("the body");
    let body = String::from_utf8(body).expect("text");
    let found = match target.split_once('?') {
        Some(("/cgi-bin/luci", view)) => Ok(page(view, &state.lock().expect("it").session)),
        _ if head[0].starts_with("POST ") => rpc(target, &body, state),
        _ => file(target.split('?').next().expect("a path")),
    };
    let (status, body) = match found {
        Ok(body) => ("200 OK", body),
        Err(status) => (status, Vec::new()),
    };
    let kind = match target.split('?').next().and_then(|path| path.rsplit('.').next()) {
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        _ if target.starts_with("/cgi-bin/luci?") => "text/html",
        _ => "application/json",
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

fn page(view: &str, session: &Session) -> Vec<u8> {
    let page = std::fs::read_to_string(format!("{STAND_IN}/index.html")).expect("the page");
    let (back, text) = if session.dark { ("#222", "#ddd") } else { ("#fff", "#222") };
    page.replace("LANGUAGE", session.language)
        .replace("BACK", back)
        .replace("TEXT", text)
        .replace("CATALOGUE", &catalogue(session.language))
        .replace("VIEW", view)
        .into_bytes()
}

/// The package's catalogue of that language as LuCI gives it to a browser: texts by their numbers.
fn catalogue(language: &str) -> String {
    let po = match language {
        "de" => "de",
        "zh-cn" => "zh_Hans",
        _ => return "{}".into(),
    };
    let lmo = std::process::Command::new("python3")
        .arg(format!("{APP}/../po.py"))
        .arg("lmo")
        .arg(format!("{APP}/po/{po}/smol-kcp.po"))
        .output()
        .expect("python3");
    assert!(lmo.status.success(), "{lmo:?}");
    let bytes = lmo.stdout;
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let index = word(bytes.len() - 4) as usize;
    let mut text = String::from("{");
    for entry in bytes[index..bytes.len() - 4].chunks_exact(16).map(|entry| entry.as_ptr() as usize)
    {
        let at = entry - bytes.as_ptr() as usize;
        let (from, length) = (word(at + 8) as usize, word(at + 12) as usize);
        let value = std::str::from_utf8(&bytes[from..from + length]).expect("text");
        text.push_str(&format!("{}: {value:?},", word(at)));
    }
    text + "}"
}

fn file(path: &str) -> Result<Vec<u8>, &'static str> {
    let path = match path.strip_prefix("/luci-static/resources/smol-kcp/") {
        Some(name) => format!("{WEB}/{name}"),
        None if path.starts_with("/luci-static/") => format!("{APP}/htdocs{path}"),
        None => format!("{STAND_IN}{path}"),
    };
    std::fs::read(path).map_err(|_| "404 Not Found")
}

/// rpcd's part: nothing is done that the access list does not have.
fn rpc(target: &str, body: &str, state: &Mutex<State>) -> Result<Vec<u8>, &'static str> {
    let mut state = state.lock().expect("it");
    let allowed = allowed(&state.session);
    let may = |what: &str, right: &str| {
        let has = |(pattern, rights): &(String, Vec<String>)| {
            matches(pattern, what) && rights.iter().any(|one| one == right)
        };
        allowed.iter().any(has).then_some(()).ok_or("403 Forbidden")
    };
    let json = Json::parse(body);
    let text = |key: &str| json.get(key).text().expect("text").to_string();
    let inside = |path: &str| state.root.join(path.trim_start_matches('/'));
    match target {
        "/uci" if reads_uci(&state.session) => Ok(state.sections.clone().into_bytes()),
        "/uci-save" if state.session.may_write => {
            state.sections = body.into();
            Ok(b"0".to_vec())
        }
        "/exec" => {
            let command = text("command");
            let params: Vec<&str> =
                json.get("params").list().iter().filter_map(Json::text).collect();
            may(&[&[&*command], &params[..]].concat().join(" "), "exec")?;
            let (code, stdout, stderr) = match &*command {
                "/sbin/logread" => (0, state.log.clone(), String::new()),
                _ => run(&params, &state.root),
            };
            Ok(format!(
                "{{\"code\":{code},\"stdout\":{},\"stderr\":{}}}",
                quoted(&stdout),
                quoted(&stderr)
            )
            .into_bytes())
        }
        "/read" => {
            may(&text("path"), "read")?;
            let read =
                std::fs::read_to_string(inside(&text("path"))).map_err(|_| "404 Not Found")?;
            Ok(format!("{{\"data\":{}}}", quoted(&read)).into_bytes())
        }
        "/write" => {
            may(&text("path"), "write")?;
            assert_eq!(json.get("mode"), &Json::Number(0o600), "it has secrets");
            std::fs::write(inside(&text("path")), text("data")).expect("a file");
            Ok(b"0".to_vec())
        }
        "/remove" => {
            may(&text("path"), "write")?;
            std::fs::remove_file(inside(&text("path"))).map_err(|_| "404 Not Found")?;
            Ok(b"0".to_vec())
        }
        _ => Err("403 Forbidden"),
    }
}

/// The program of the router, whose folders are below `root`.
fn run(params: &[&str], root: &Path) -> (i32, String, String) {
    let at_home = |word: &&str| match ["/etc/", "/tmp/", "/var/"]
        .iter()
        .any(|folder| word.starts_with(folder))
    {
        true => format!("{}{word}", root.display()),
        false => word.to_string(),
    };
    let mut command = program();
    command.args(params.iter().map(at_home)).env("RUNTIME_DIRECTORY", root.join("var"));
    crate::program::output(&mut command)
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
