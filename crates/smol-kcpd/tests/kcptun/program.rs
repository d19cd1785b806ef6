//! The built program under kcptun's names, with its file and its environment.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::*;

/// The program under another name.
fn called(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("called");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    let _ = std::fs::remove_file(&path);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_smol-kcpd"), &path).expect("a link");
    path
}

/// Runs it, in an emulator where the tests run in one.
fn command(path: &Path) -> Command {
    match std::env::var_os("SMOL_KCP_RUNNER") {
        Some(runner) => {
            let mut command = Command::new(runner);
            command.arg(path);
            command
        }
        None => Command::new(path),
    }
}

/// A running program, and what it says on stdout.
struct Running(Child, BufReader<ChildStdout>);

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it");
        let said = BufReader::new(child.stdout.take().expect("stdout"));
        Running(child, said)
    }

    /// Waits for a line with these words, and returns those before it.
    fn says(&mut self, words: &str) -> Vec<String> {
        let mut before = Vec::new();
        for line in self.1.by_ref().lines().map_while(Result::ok) {
            if line.contains(words) {
                return before;
            }
            before.push(line);
        }
        panic!("no {words:?} in {before:#?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn under_kcptuns_names_it_reads_kcptuns_file_and_environment() {
    let target = smol::block_on(echo_server());
    let (udp, tcp) = (free_port(), free_port());
    let file = called("kcptun-server").with_file_name("server.json");
    let json = format!(
        "{{\"listen\": \"{udp}\", \"target\": \"{target}\", \"crypt\": \"salsa20\", \"nocomp\": true,\n\
         \"snmplog\": \"/tmp/x\", \"quiet\": false, \"something\": [1]}}"
    );
    std::fs::write(&file, json).expect("a file");
    let mut server = command(&called("kcptun-server"));
    let mut server =
        Running::start(server.args(["-crypt", "aes", "-c"]).arg(&file).env("KCPTUN_KEY", "hush"));
    let before =
        server.says("as kcptun: salsa20, fec 10+3, not compressed; compatible, not secure");
    let notes = "means nothing here, and is ignored: something, snmplog";
    assert!(before.iter().any(|line| line.ends_with(notes)), "{before:#?}");

    let mut client = command(&called("client_linux_amd64"));
    let (local, remote) = (tcp.to_string(), udp.to_string());
    let words = ["-l", &local, "--remoteaddr", &remote, "-key=hush", "--crypt=salsa20", "-nocomp"];
    let mut client = Running::start(client.args(words));
    client.says("listening on TCP");
    crate::common::run(ask_much(tcp));
}

#[test]
fn what_is_wrong_is_said_and_nothing_runs() {
    let output = command(&called("kcptun-client")).args(["-mode", "turbo"]).output().expect("it");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).expect("a text");
    let expected = "smol-kcpd: --mode turbo: must be normal, fast, fast2, fast3 or manual\n";
    assert_eq!(said, expected);
    let output = command(&called("kcptun-server")).arg("--help").output().expect("it");
    let said = String::from_utf8(output.stdout).expect("a text");
    assert!(output.status.success() && said.contains("--target, -t"), "{said}");
}
