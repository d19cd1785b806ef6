//! Processes that may stall, crash, or never finish.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a side has printed.
pub type Figures = BTreeMap<String, f64>;

/// One side; killed when dropped.
pub struct Side {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    complaints: Option<JoinHandle<String>>,
}

impl Side {
    pub fn start(name: &'static str, program: &Path, args: &[String]) -> Result<Side, String> {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let (stdin, stdout, mut stderr) =
            (child.stdin.take(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let complaints = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Ok(Side { name, child, stdin, lines, complaints: Some(complaints) })
    }

    /// The first line, without its key.
    pub fn first(&mut self, limit: Duration) -> Result<String, String> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Ok(line.split(' ').nth(1).unwrap_or_default().to_owned()),
            Err(_) => Err(self.why("said nothing")),
        }
    }

    /// Waits until it has ended by itself.
    pub fn finish(mut self, limit: Duration) -> Result<Figures, String> {
        let until = Instant::now() + limit;
        let mut figures = Figures::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some((key, Ok(value))) =
                        line.split_once(' ').map(|(key, value)| (key, value.parse()))
                    {
                        figures.insert(key.to_owned(), value);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("{} not done after {} s", self.name, limit.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(figures),
            _ => Err(self.why("failed")),
        }
    }

    /// Tells it to end, and takes what it prints.
    pub fn end(mut self, limit: Duration) -> Result<Figures, String> {
        self.stdin = None;
        self.finish(limit)
    }

    fn why(&mut self, what: &str) -> String {
        let _ = self.child.kill();
        let text = self.complaints.take().and_then(|thread| thread.join().ok());
        let text = text.unwrap_or_default();
        // The last line of a panic is advice, the one before is the cause.
        let cause = text.lines().rev().find(|line| !line.is_empty() && !line.starts_with("note:"));
        format!("{} {what}: {}", self.name, cause.unwrap_or("no reason given"))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
