//! The arrows that must never be drawn, as far as the compiler and clippy (clippy.toml) do not see to it.

use std::fs;
use std::path::Path;

/// Every line of code below `dir`, tests included, as path, number and text.
fn code(dir: &Path, into: &mut Vec<(String, usize, String)>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            code(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.display().to_string().replace('\\', "/");
            let text = fs::read_to_string(&path).expect("text");
            let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
            let lines = lines.filter(|(_, line)| !line.starts_with("//"));
            into.extend(lines.map(|(number, line)| (name.clone(), number, line.to_string())));
        }
    }
}

/// Does `line` name the crate or module `name`, as a whole?
fn names(line: &str, name: &str) -> bool {
    line.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Fails with every line below `dir` that names `name` in a file whose path holds none of `rooms`.
fn only(rooms: &[&str], dir: &str, name: &str) {
    let mut lines = Vec::new();
    code(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut lines);
    let (inside, outside): (Vec<_>, Vec<_>) = lines
        .into_iter()
        .filter(|(_, _, line)| names(line, name))
        .partition(|(file, _, _)| rooms.iter().any(|room| file.contains(room)));
    assert!(!inside.is_empty(), "{name} is named where it may be");
    assert!(outside.is_empty(), "{name} in {outside:#?}");
}

#[test]
fn only_the_arq_names_the_kcp_crate() {
    // A stock peer in tests is the bare crate.
    only(&["src/arq/", "router/tests/stock.rs"], "crates/smol-kcp-proto/src", "kcp");
}

#[test]
fn only_the_spawner_names_the_runtime() {
    only(&["/spawn.rs", "/tests.rs", "/tests/"], "src", "smol");
}

#[test]
fn names_are_told_apart() {
    assert!(names("smol::spawn(driver)", "smol"));
    assert!(names("use ::kcp::Kcp;", "kcp"));
    assert!(!names("use async_smol::spawn;", "smol"));
    assert!(!names("use smol_kcp::KcpConfig;", "kcp"));
}
