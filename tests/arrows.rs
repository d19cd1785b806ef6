//! The arrows that must never be drawn between the rooms of this crate.

use std::fs;
use std::path::{Path, PathBuf};

/// Every `.rs` file below `dir`, with its path from `src/`, its slashes forward.
fn sources(dir: &Path, into: &mut Vec<(String, String)>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut entries: Vec<PathBuf> =
        fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(&root).expect("below src").to_string_lossy();
            let text = fs::read_to_string(&path).expect("text");
            into.push((name.replace('\\', "/"), text));
        }
    }
}

/// The code of the crate: lines without comments, without what only tests see.
fn code() -> Vec<(String, Vec<(usize, String)>)> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 20, "the sources are found");
    files.retain(|(name, _)| !name.ends_with("/tests.rs") && !name.contains("/tests/"));
    files.into_iter().map(|(name, text)| (name, lines(&text))).collect()
}

/// The lines of code in `text` with their numbers, up to the tests at its end.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut rows = text.lines().enumerate().peekable();
    while let Some((number, line)) = rows.next() {
        let code = line.trim();
        let tests = code.starts_with("#[cfg(") && code.contains("test");
        let body = rows
            .peek()
            .is_some_and(|(_, next)| next.trim().starts_with("mod ") && next.trim().ends_with('{'));
        if tests && body {
            break;
        }
        if !code.starts_with("//") {
            let code = code.split(" // ").next().unwrap_or(code);
            lines.push((number + 1, code.to_string()));
        }
    }
    lines
}

/// Does `line` name `path`, as a whole and not as the tail of a longer one?
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let own = path.ends_with("::") || !inside(after);
        !inside(before) && !line[..at].ends_with("crate::") && own
    })
}

/// Fails with every line outside of `allowed` that names one of `paths`.
fn forbid(paths: &[&str], rooms: &[&str], allowed: &[&str]) {
    let mut found = Vec::new();
    for (file, lines) in code() {
        let inside = |of: &[&str]| of.iter().any(|prefix| file.starts_with(prefix));
        if !inside(rooms) || inside(allowed) {
            continue;
        }
        for (number, line) in lines {
            if paths.iter().any(|path| names(&line, path)) {
                found.push(format!("src/{file}:{number}: {line}"));
            }
        }
    }
    assert!(found.is_empty(), "{paths:?} in\n{}", found.join("\n"));
}

#[test]
fn the_pure_rooms_know_no_clock_socket_thread_or_runtime() {
    let impure = [
        "Instant",
        "SystemTime",
        "std::thread",
        "thread::",
        "UdpSocket",
        "TcpStream",
        "smol::",
        "async_io",
        "async_channel",
        "futures_lite",
        "socket2",
        "RandomState",
    ];
    forbid(&impure, &["proto/", "layer/", "config/", "wire.rs", "error.rs", "stats.rs"], &[]);
}

#[test]
fn the_pure_rooms_do_not_look_into_the_shell() {
    for room in ["io", "tunnel", "mux"] {
        let (path, nested) = (format!("crate::{room}"), format!("{room}::"));
        let pure = ["proto/", "layer/", "config/", "wire.rs", "stats.rs"];
        let mut found = Vec::new();
        for (file, lines) in code() {
            if !pure.iter().any(|prefix| file.starts_with(prefix)) {
                continue;
            }
            for (number, line) in lines {
                let grouped = line.starts_with("use crate::{") && names(&line, &nested);
                if line.contains(&path) || grouped {
                    found.push(format!("src/{file}:{number}: {line}"));
                }
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn only_the_wall_names_the_engine_crate() {
    forbid(&["::kcp::", "extern crate kcp"], &[""], &["proto/engine/kcp/"]);
    // A bare `kcp::` is the wall's own module, in the room that has it.
    forbid(&["kcp::"], &[""], &["proto/engine/"]);
}

#[test]
fn only_the_spawner_the_tunnel_and_the_binary_name_the_runtime() {
    forbid(&["smol::"], &[""], &["io/spawn.rs", "tunnel", "bin/"]);
}

#[test]
fn the_tunnel_uses_the_public_face() {
    forbid(&["proto::"], &["tunnel", "bin/"], &[]);
    for (file, lines) in code().iter().filter(|(file, _)| file.starts_with("tunnel")) {
        for (number, line) in lines {
            assert!(!line.contains("crate::proto"), "src/{file}:{number}: {line}");
        }
    }
}

#[test]
fn there_is_no_unsafe_code() {
    forbid(&["unsafe"], &[""], &[]);
}

#[test]
fn these_tests_can_fail() {
    assert!(names("let t = Instant::now();", "Instant"));
    assert!(names("use std::time::{Duration, Instant};", "Instant"));
    assert!(names("smol::spawn(driver)", "smol::"));
    assert!(!names("use async_smol::spawn;", "smol::"));
    assert!(!names("InstantNoodles", "Instant"));
    let text = "// Instant\nuse a;\n#[cfg(test)]\nmod tests {\n use std::time::Instant;\n}\n";
    assert_eq!(lines(text), [(2, "use a;".to_string())]);
}
