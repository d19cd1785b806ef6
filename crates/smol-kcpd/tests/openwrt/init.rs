//! The init script: what procd is told, and the files that smol-kcpd is given.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::{errors, folder, is_installed, printed, tree};

const INIT: &str = "openwrt/smol-kcp/files/smol-kcp.init";

/// A server that wants nothing special.
pub const SERVER: &str = "
config tunnel 'home'
	option insecure '1'
	option enabled '1'
	option role 'server'
	option listen '[::]:29900'
	option target '127.0.0.1:22'
";
/// A client that wants nothing special.
pub const CLIENT: &str = "
config tunnel 'away'
	option insecure '1'
	option enabled '1'
	option role 'client'
	option listen '127.0.0.1:2222'
	option server 'kcp.example.org:29900'
";

/// A router, as far as `rc.common` stands in for one.
pub struct Router {
    at: PathBuf,
}

/// What the script asked for in one run, a call a line: its arguments between bars.
pub struct Asked(pub String);

impl Router {
    /// One on which the script can run; `None` where there is no busybox.
    pub fn new(test: &str) -> Option<Router> {
        if !is_installed("busybox") {
            return None;
        }
        let at = folder(test);
        fs::write(at.join("users"), "root\nnobody\nsmol-kcp\n").expect("users");
        fs::write(at.join("interfaces"), "lan br-lan\nwan pppoe-wan\n").expect("interfaces");
        Some(Router { at })
    }

    pub fn configure(&self, uci: &str) {
        fs::write(self.at.join("smol-kcp"), uci).expect("a configuration");
    }

    pub fn run(&self, action: &[&str]) -> Asked {
        let output = self.output(action);
        assert!(output.status.success(), "{}: {}", output.status, errors(&output));
        assert_eq!(errors(&output), "", "what goes wrong is logged, not printed");
        Asked(fs::read_to_string(self.path("record")).expect("a record"))
    }

    /// What that prints.
    pub fn output(&self, action: &[&str]) -> Output {
        let record = self.path("record");
        fs::write(&record, "").expect("a record");
        let mut ash = Command::new("busybox");
        ash.args(["ash"])
            .arg(tree("crates/smol-kcpd/tests/openwrt/rc.common"))
            .arg(tree(INIT))
            .args(action);
        ash.env("UCI", &self.at).env("SYSTEM", &self.at).env("RECORD", &record).env("LC_ALL", "C");
        ash.env("DAEMON", env!("CARGO_BIN_EXE_smol-kcpd")).current_dir(&self.at);
        ash.output().expect("busybox runs")
    }

    /// Starts the service with that configuration.
    pub fn start(&self, uci: &str) -> Asked {
        self.configure(uci);
        self.run(&["start"])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    /// Where the script keeps the files of smol-kcpd.
    pub fn kept(&self) -> PathBuf {
        self.path("var/etc/smol-kcp")
    }

    /// The file that smol-kcpd reads for a section.
    pub fn file(&self, section: &str) -> String {
        let path = self.kept().join(format!("{section}.conf"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The names of all those files.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.kept()).into_iter().flatten();
        let name = |e: std::io::Result<fs::DirEntry>| e.expect("an entry").file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// What procd compares to know which instances to restart: their parameters.
    fn compared(&self, asked: &Asked) -> BTreeMap<String, String> {
        let parameters = |section: &String| (section.clone(), asked.instance(section).join("\n"));
        asked.instances().iter().map(parameters).collect()
    }

    /// Says which instances procd runs.
    pub fn running(&self, sections: &[&str]) {
        let names: String = sections.iter().map(|section| format!("{section}\n")).collect();
        fs::write(self.at.join("running"), names).expect("a list");
    }
}

impl Asked {
    /// The arguments of every call of `name`.
    pub fn calls(&self, name: &str) -> Vec<&str> {
        let prefix = format!("{name}|");
        self.0.lines().filter_map(|line| line.strip_prefix(prefix.as_str())).collect()
    }

    /// The instances that procd is given.
    pub fn instances(&self) -> Vec<String> {
        self.calls("procd_open_instance").into_iter().map(String::from).collect()
    }

    /// What procd is told about one of them.
    fn instance(&self, section: &str) -> Vec<&str> {
        let open = format!("procd_open_instance|{section}");
        let mut lines = self.0.lines().skip_while(|line| *line != open).skip(1);
        let said: Vec<&str> =
            lines.by_ref().take_while(|line| *line != "procd_close_instance").collect();
        assert!(!said.is_empty(), "no instance {section}: {}", self.0);
        said
    }

    /// What is logged, of the priority that is due and by the name that is due.
    pub fn logged(&self) -> Vec<&str> {
        let due = |call: &'_ str| call.starts_with("smol-kcp|daemon.err|");
        let calls = self.calls("logger");
        assert!(calls.iter().all(|call| due(call)), "{calls:?}");
        calls.into_iter().map(|call| &call["smol-kcp|daemon.err|".len()..]).collect()
    }
}

#[test]
fn each_enabled_section_becomes_an_instance_of_its_own() {
    let Some(router) = Router::new("instances") else { return };
    let asked = router.start(&format!(
        "{SERVER}{CLIENT}
config tunnel 'later'
	option enabled '0'
	option role 'nonsense'
config tunnel 'unsaid'
	option role 'client'
"
    ));
    assert_eq!(asked.instances(), ["home", "away"]);
    assert_eq!(asked.logged(), [""; 0], "what is not enabled is nobody's business");
    let file = router.kept().join("home.conf").display().to_string();
    assert_eq!(
        asked.instance("home"),
        [
            &format!("procd_set_param|command|{}|--config|{file}", env!("CARGO_BIN_EXE_smol-kcpd")),
            &format!("procd_set_param|file|{}", env!("CARGO_BIN_EXE_smol-kcpd")),
            "procd_set_param|env|SMOL_KCP_START=smol-kcp",
            "procd_set_param|respawn|3600|5|0",
            "procd_set_param|term_timeout|65",
            "procd_set_param|stdout|1",
            "procd_set_param|stderr|1",
        ]
    );
    assert_eq!(asked.calls("procd_add_reload_trigger"), ["smol-kcp"]);
    assert_eq!(asked.calls("start"), ["99"], "after the network");
}

#[test]
fn the_file_has_what_the_section_has_and_is_for_root_only() {
    let Some(router) = Router::new("file") else { return };
    router.start(&format!("{SERVER}\toption nodelay 'on'\n\toption log_level 'debug'\n"));
    let wanted = "log_level = debug
user = smol-kcp

[home]
role = server
listen = [::]:29900
target = 127.0.0.1:22
insecure = 1
nodelay = 1
";
    assert_eq!(router.file("home"), wanted);
    let mode = |path: PathBuf| fs::metadata(path).expect("it").permissions().mode() & 0o7777;
    assert_eq!(mode(router.kept().join("home.conf")), 0o600);
    assert_eq!(mode(router.kept()), 0o700);
    assert_eq!(router.files(), ["home.conf"]);
}

#[test]
fn a_section_without_a_name_is_a_tunnel_too() {
    let Some(router) = Router::new("anonymous") else { return };
    let asked = router.start(&SERVER.replace(" 'home'", ""));
    assert_eq!(asked.instances(), ["cfg1"]);
    assert!(router.file("cfg1").contains("[cfg1]\nrole = server\n"));
}

#[test]
fn the_examples_start_nothing_until_they_are_enabled() {
    let Some(router) = Router::new("examples") else { return };
    let shipped = fs::read_to_string(tree("openwrt/smol-kcp/files/smol-kcp.config")).expect("it");
    let asked = router.start(&shipped);
    assert_eq!((asked.instances().len(), asked.logged().len()), (0, 0), "{}", asked.0);
    assert!(router.files().is_empty());

    // Enabled alone they say what is missing.
    let enabled = shipped.replace("enabled '0'", "enabled '1'");
    let asked = router.start(&enabled);
    assert!(asked.instances().is_empty() && router.files().is_empty(), "{}", asked.0);
    let logged = asked.logged();
    for (said, section) in [(&logged[..2], "client"), (&logged[2..], "server")] {
        let wanted = format!("{section}: no keys: ");
        assert!(
            said[0].starts_with(&wanted) && said[0].contains("`insecure` does without"),
            "{said:?}"
        );
        assert_eq!(said[1], format!("{section}: not started"));
    }

    // As its comments tell.
    let shared =
        printed(Command::new(env!("CARGO_BIN_EXE_smol-kcpd")).args(["keygen", "--shared"]));
    let line = format!("option target '127.0.0.1:22'\n\toption shared_secret '{}'", shared.trim());
    let server = enabled.replace("option target '127.0.0.1:22'", &line);
    let asked = router.start(&server);
    assert_eq!(asked.instances(), ["server"], "{}", asked.0);
    let mut invite = Command::new(env!("CARGO_BIN_EXE_smol-kcpd"));
    let secret = router.kept().join("server.shared_secret");
    invite
        .args(["invite", "--server", "kcp.example.org:29900", "--shared-secret-file"])
        .arg(secret);
    let line = format!("option role 'client'\n\toption invite '{}'", printed(&mut invite).trim());
    let both = server.replace("option role 'client'", &line);
    let every = both.replace("\t#option", "\toption");
    for uci in [both, every] {
        let asked = router.start(&uci);
        assert_eq!(
            asked.logged().len(),
            usize::from(uci.contains("\toption jail '1'")),
            "{}",
            asked.0
        );
        assert_eq!(asked.instances(), ["client", "server"]);
    }
}

#[test]
fn a_change_is_told_by_sighup_to_the_tunnel_it_is_about() {
    use std::os::unix::fs::MetadataExt;

    let Some(router) = Router::new("reload") else { return };
    let both = format!("{SERVER}{CLIENT}");
    let asked = router.start(&both);
    let before = router.compared(&asked);
    assert_eq!(asked.calls("procd_send_signal"), [""; 0], "they start with it");
    router.running(&["home", "away"]);
    let inode = || fs::metadata(router.kept().join("away.conf")).expect("it").ino();
    let same = inode();

    router.configure(&both);
    let asked = router.run(&["reload"]);
    assert_eq!(router.compared(&asked), before, "nothing changed");
    assert_eq!(asked.calls("procd_send_signal"), [""; 0]);

    router.configure(&both.replace("2222", "2223"));
    let asked = router.run(&["reload"]);
    assert_eq!(router.compared(&asked), before, "procd restarts nothing");
    assert_eq!(asked.calls("procd_send_signal"), ["smol-kcp|away|HUP"]);
    let at = |words: &str| asked.0.find(words).unwrap_or_else(|| panic!("{words}: {}", asked.0));
    assert!(at("procd_send_signal") > at("procd_close_service"), "procd hears of it first");
    assert!(router.file("away").contains("listen = 127.0.0.1:2223\n"));
    assert_eq!(inode(), same, "the file that smol-kcpd has open");
    assert_eq!(router.files(), ["away.conf", "home.conf"]);

    // One that does not run begins with the new file.
    router.running(&["home"]);
    router.configure(&both);
    assert_eq!(router.run(&["reload"]).calls("procd_send_signal"), [""; 0]);

    router.configure(&format!("{SERVER}{}", CLIENT.replace("enabled '1'", "enabled '0'")));
    let asked = router.run(&["reload"]);
    assert_eq!(asked.instances(), ["home"], "procd ends what is no longer named");
    assert_eq!(router.files(), ["home.conf"]);
}

#[test]
fn what_only_a_new_process_can_do_restarts_the_tunnel() {
    let Some(router) = Router::new("restart") else { return };
    let before = router.compared(&router.start(SERVER));
    let low = router.compared(&router.start(&SERVER.replace("29900", "443")));
    let other = router.compared(&router.start(&format!("{SERVER}\toption user 'nobody'\n")));
    assert!(low != before && other != before && low != other, "{low:?} {other:?}");
    assert_eq!(router.compared(&router.start(&SERVER.replace("29900", "29901"))), before);
}

#[test]
fn a_tunnel_of_datagrams_alone_needs_no_address_for_connections() {
    let Some(router) = Router::new("datagrams") else { return };
    let far = SERVER.replace("option target '127.0.0.1:22'", "option udp_target '127.0.0.1:51820'");
    let near = CLIENT.replace("option listen '127.0.0.1:2222'", "option udp '127.0.0.1:51820'");
    let asked = router.start(&format!("{far}{near}"));
    assert_eq!((asked.instances().len(), asked.logged().len()), (2, 0), "{}", asked.0);
    let low = router.start(&format!("{far}{}", near.replace(":51820", ":53")));
    let of_away = |asked: &Asked| router.compared(asked)["away"].clone();
    assert!(of_away(&low) != of_away(&asked), "a port of root's needs a new process");
}

#[test]
fn a_folder_of_somebody_else_is_not_used() {
    let Some(router) = Router::new("folder") else { return };
    let elsewhere = router.path("elsewhere");
    fs::create_dir_all(&elsewhere).expect("a folder");
    fs::create_dir_all(router.path("var/etc")).expect("a folder");
    let refused = |router: &Router| {
        let asked = router.start(SERVER);
        assert!(asked.instances().is_empty(), "{}", asked.0);
        let logged = asked.logged();
        assert!(logged[0].ends_with(" is not a folder of root's, and is not used: remove it"));
    };
    std::os::unix::fs::symlink(&elsewhere, router.kept()).expect("a link");
    refused(&router);
    assert!(fs::read_dir(&elsewhere).expect("it").next().is_none(), "nothing is written there");
    fs::remove_file(router.kept()).expect("a link");

    // Only root can give a folder away.
    for folder in [router.kept(), router.path("var/etc")] {
        fs::create_dir_all(&folder).expect("a folder");
        if std::os::unix::fs::chown(&folder, Some(65_534), None).is_ok() {
            refused(&router);
            std::os::unix::fs::chown(&folder, Some(0), None).expect("root");
        }
    }
    fs::set_permissions(router.kept(), PermissionsExt::from_mode(0o755)).expect("a mode");
    assert_eq!(router.start(SERVER).instances(), ["home"]);
    let mode = fs::metadata(router.kept()).expect("it").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn stopping_removes_the_files() {
    let Some(router) = Router::new("stop") else { return };
    router.start(&format!("{SERVER}{CLIENT}"));
    router.run(&["stop", "home"]);
    assert_eq!(router.files(), ["away.conf"]);
    router.run(&["stop"]);
    assert!(!router.kept().exists());
}

#[test]
fn a_tunnel_follows_an_interface_only_if_told() {
    let Some(router) = Router::new("interfaces-follow") else { return };
    let on = |interface: &str| format!("\toption interface '{interface}'\n");
    let asked = router.start(&format!("{SERVER}{CLIENT}"));
    assert!(asked.calls("procd_add_reload_interface_trigger").is_empty());

    let asked = router.start(&format!("{SERVER}{}{CLIENT}{}", on("wan"), on("wan")));
    assert_eq!(asked.calls("procd_add_reload_interface_trigger"), ["wan"], "once is enough");
    assert!(asked.instance("home").contains(&"procd_set_param|netdev|pppoe-wan"));

    let asked = router.start(&format!("{SERVER}{}", on("wwan")));
    assert_eq!(asked.calls("procd_add_reload_interface_trigger"), ["wwan"], "it may come");
    assert!(!asked.0.contains("|netdev|"), "it has no device yet: {}", asked.0);
    assert!(!router.file("home").contains("wwan"));
}

#[test]
fn a_jail_is_used_where_it_is_wanted_and_there_is_one() {
    let Some(router) = Router::new("jail") else { return };
    let wanted = format!("{SERVER}\toption jail '1'\n");
    let asked = router.start(&wanted);
    assert!(asked.calls("procd_add_jail").is_empty());
    assert!(asked.logged()[0].contains("home: started without jail"), "{:?}", asked.logged());

    fs::write(router.path("ujail"), "#!/bin/sh\n").expect("a program");
    fs::set_permissions(router.path("ujail"), PermissionsExt::from_mode(0o755)).expect("a mode");
    let asked = router.start(&wanted);
    assert_eq!(asked.calls("procd_add_jail"), ["smol-kcp-home|ronly"]);
    let file = router.kept().join("home.conf").display().to_string();
    let mounts = format!("{file}|/etc/passwd|/etc/group|/etc/hosts");
    assert_eq!(asked.calls("procd_add_jail_mount"), [mounts.as_str()]);
    assert_eq!(asked.logged(), [""; 0]);
    assert!(router.start(SERVER).calls("procd_add_jail").is_empty(), "only where it is wanted");
}

#[test]
fn the_daemon_becomes_its_own_user_where_there_is_one() {
    let Some(router) = Router::new("user") else { return };
    router.start(SERVER);
    assert!(router.file("home").starts_with("user = smol-kcp\n"));
    router.start(&format!("{SERVER}\toption user 'nobody'\n"));
    assert!(router.file("home").starts_with("user = nobody\n"));
    fs::write(router.path("users"), "root\n").expect("users");
    router.start(SERVER);
    assert!(!router.file("home").contains("user = "));
}

#[test]
fn smol_kcpd_accepts_the_file_as_it_stands() {
    let Some(router) = Router::new("accepted") else { return };
    router.start(&format!("{SERVER}\toption profile 'low_memory'\n"));
    let mut check = Command::new(env!("CARGO_BIN_EXE_smol-kcpd"));
    let effective = printed(check.arg("check").arg(router.kept().join("home.conf")));
    assert!(effective.contains("\n[home] # at most "), "{effective}");
    assert!(effective.contains("\nsend_window = 96\n"), "the profile's: {effective}");
}
