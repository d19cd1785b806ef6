//! What the documents and the UCI example say about options is accepted.

use std::ffi::OsString;

use smol_kcpd::{Command, Configuration, Opt, Scope, KCPTUN_OPTIONS};

use super::{keys, public_key, text};

const EXAMPLE: &str = "openwrt/smol-kcp/files/smol-kcp.config";

/// Options that only the init script reads.
const SCRIPT: [&str; 8] =
    ["enabled", "interface", "jail", "secret", "shared_secret", "psk", "invite", "kcptun_key"];

const DOCUMENTS: &[&str] = &[
    "README.md",
    #[cfg(feature = "kcptun")]
    "docs/kcptun.md",
    "crates/smol-kcpd/README.md",
    "openwrt/README.md",
    "docs/benchmarks.md",
    "docs/daemon.md",
    "docs/limits.md",
    "docs/measuring.md",
    "docs/profiles.md",
    "docs/status.md",
];

/// `option NAME 'VALUE'`, of which everything else in UCI's language is written too.
fn uci_option(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix("option ")?.trim().split_once(' ')?;
    Some((name, value.trim().strip_prefix('\'')?.split_once('\'')?.0))
}

/// The sections of the UCI example: what it sets, and what it only shows.
fn sections() -> Vec<(String, Vec<(String, String)>)> {
    let mut sections: Vec<(String, Vec<_>)> = Vec::new();
    for line in text(EXAMPLE).lines() {
        // What is shown is the line that it would be, behind a single character.
        let line = line.trim().trim_start_matches('#');
        if let Some(name) = line.strip_prefix("config tunnel ") {
            sections.push((name.trim_matches('\'').to_string(), Vec::new()));
        } else if let Some((name, value)) = uci_option(line) {
            let (_, options) = sections.last_mut().expect("a section before its options");
            options.push((name.to_string(), value.to_string()));
        } else {
            assert!(!line.starts_with("option"), "{line}");
        }
    }
    sections
}

/// A file of these options, as the init script writes it; keys are for others to try.
fn file<'a>(options: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let (mut process, mut tunnel) = ("insecure = true\n".to_string(), "[a]\n".to_string());
    for (name, value) in options.filter(|(name, _)| !SCRIPT.contains(name)) {
        let of_process = Opt::find(name).is_some_and(|option| option.scope == Scope::Process);
        let part = if of_process { &mut process } else { &mut tunnel };
        *part += &format!("{name} = {value}\n");
    }
    process + &tunnel
}

#[test]
fn the_uci_example_sets_and_shows_only_what_is_accepted() {
    let sections = sections();
    let names: Vec<&str> = sections.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["client", "server"]);
    let mut shown = 0;
    for (name, options) in &sections {
        let read = options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // A client's is in its invitation.
        let server = (name == "client").then_some(("server", "a:1"));
        let whole = file(read.chain(server));
        let read = Configuration::parse(name, &whole);
        let read = read.unwrap_or_else(|error| panic!("{EXAMPLE}: {error}"));
        assert_eq!(read.tunnels.len(), 1);
        assert!(whole.contains(&format!("role = {name}\n")), "{whole}");
        shown += options.len();
    }
    let written = text(EXAMPLE).lines().filter(|line| line.contains("option ")).count();
    // The head of the file speaks of `option enabled '1'`.
    assert_eq!(shown + 1, written, "a line was not read");
}

#[test]
fn options_that_the_documents_name_in_the_language_of_uci_are_accepted() {
    let mut read = 0;
    for document in DOCUMENTS {
        let text = text(document);
        let firewall = text.find("config rule").unwrap_or(text.len());
        for (at, _) in text.match_indices("option ") {
            let Some((name, value)) = uci_option(&text[at..]) else { continue };
            let rule = (firewall..firewall + 200).contains(&at);
            if rule || SCRIPT.contains(&name) {
                continue;
            }
            check(document, name, value);
            read += 1;
        }
        for line in text.lines().filter_map(|line| line.strip_prefix("uci set smol-kcp.")) {
            let setting = line.split('#').next().unwrap_or_default().trim();
            let (name, value) = setting.split_once('=').expect("a value");
            let (_, name) = name.split_once('.').expect("a section");
            if !SCRIPT.contains(&name) {
                check(document, name, value.trim_matches('\''));
                read += 1;
            }
        }
    }
    assert!(read >= 5, "{read} options");
}

/// Adds what the option needs around it.
fn check(document: &str, name: &str, value: &str) {
    let option = Opt::find(name).unwrap_or_else(|| panic!("{document}: no option {name}"));
    let role = if option.scope == Scope::Server { "server" } else { "client" };
    let end = if role == "server" { "target" } else { "server" };
    let around = [("role", role), ("listen", "[::1]:1"), (end, "a:1"), ("bandwidth", "1mbit")];
    // In kcptun's place most options mean more, and the rest less.
    let is_theirs = KCPTUN_OPTIONS.iter().any(|option| option.name == name);
    let kcptun = is_theirs.then_some([("protocol", "kcptun"), ("crypt", "none")]);
    let around = around.into_iter().chain(kcptun.into_iter().flatten());
    let around = around.filter(|(other, _)| *other != name);
    let whole = file(around.chain([(name, value)]));
    let read = Configuration::parse(document, &whole);
    assert!(read.is_ok(), "{document}: option {name} '{value}': {}", read.unwrap_err());
}

/// Words as a shell takes them, without those of a comment and with a key and an invitation where one is
/// meant.
fn words(line: &str) -> Vec<OsString> {
    let line = line.split(" #").next().unwrap_or_default();
    let invitation = std::fs::read_to_string(keys().join("invitation")).expect("it");
    let word = |word: &str| {
        let word = word.replace(['\'', '"'], "");
        match word.strip_suffix("KEY") {
            Some(before) => format!("{before}{}", public_key()),
            None if word.starts_with("smol-kcp://") => invitation.trim().to_string(),
            None if word == "/var/etc/smol-kcp/client.invite" => "invitation".into(),
            None => word.replace("/etc/smol-kcp/", ""),
        }
    };
    line.split_whitespace().map(|text| word(text).into()).collect()
}

#[test]
fn command_lines_of_the_documents_are_accepted() {
    let mut read = 0;
    for document in DOCUMENTS {
        for line in text(document).lines().filter_map(|line| line.strip_prefix("smol-kcpd ")) {
            // Those read a file, which is not there; the last is no command line.
            if ["--config", "[options]", "import ", ", process "]
                .iter()
                .any(|word| line.contains(word))
            {
                continue;
            }
            let command = Command::parse(words(line));
            assert!(command.is_ok(), "{document}: {line}: {}", command.unwrap_err());
            read += 1;
        }
    }
    assert!(read >= 8, "{read} command lines");
}

#[test]
fn configuration_files_of_the_documents_are_accepted() {
    let mut read = 0;
    for document in DOCUMENTS {
        let text = text(document);
        for block in text.split("```ini\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let block = block.replace("/etc/smol-kcp/", &format!("{}/", keys().display()));
            let with_key = |line: &str| match line.split_once("KEY") {
                Some((before, after)) => format!("{before}{}{after}\n", public_key()),
                None => format!("{line}\n"),
            };
            let block: String = block.lines().map(with_key).collect();
            if let Err(error) = Configuration::parse(document, &block) {
                panic!("{error}\n{block}");
            }
            read += 1;
        }
    }
    assert!(read >= 1, "{read} files");
}
