//! The daemon: several tunnels, controlled by signals.

use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_signal::{Signal, Signals};
use futures_lite::{future, StreamExt};
use smol::Task;

use super::machine::Machine;
use super::runtime::Runtime;
use super::{ConfigError, Configuration, Process, Role, Settings, Tunnel};

/// Runs the tunnels of a process, controlled by signals: SIGHUP reads the file again and restarts
/// what has changed, SIGTERM and SIGINT drain, SIGUSR1 logs statistics.
#[derive(Debug)]
pub struct Daemon {
    runtime: Runtime,
    file: Option<Source>,
    process: Process,
    tunnels: Vec<Tunnel>,
    /// Tunnels that are no longer configured and drain.
    leaving: Vec<Task<()>>,
    signals: Signals,
}

impl Daemon {
    /// Begins to listen for signals, and starts every tunnel. `file` is where the configuration came
    /// from; it is kept open, so that it can be read again with fewer rights.
    ///
    /// # Errors
    /// Signals cannot be listened for.
    pub fn start(
        runtime: &Runtime,
        configuration: Configuration,
        file: Option<PathBuf>,
    ) -> io::Result<Daemon> {
        let signals = [Signal::Hup, Signal::Term, Signal::Int, Signal::Usr1];
        let signals = Signals::new(signals)?;
        let process = &configuration.process;
        runtime.memory_budget().set_limit(process.memory_budget);
        let machine = Machine::here();
        log::info!(
            "memory budget {} KiB ({}), profile {} where a tunnel names none",
            process.memory_budget / 1024,
            machine.describe(),
            machine.profile().0
        );
        let start = |settings| Tunnel::start(runtime, settings);
        let tunnels = configuration.tunnels.into_iter().map(start).collect();
        Ok(Daemon {
            runtime: runtime.clone(),
            file: file.map(Source::new),
            process: configuration.process,
            tunnels,
            leaving: Vec::new(),
            signals,
        })
    }

    /// Runs until SIGTERM or SIGINT, and then until all tunnels are drained; a second signal ends it at
    /// once.
    ///
    /// # Errors
    /// Signals cannot be listened for any more.
    pub async fn run(mut self) -> io::Result<()> {
        loop {
            match self.next_signal().await? {
                Signal::Hup => self.reload().await,
                Signal::Usr1 => self.tunnels.iter().for_each(Tunnel::log_stats),
                _ => break,
            }
        }
        log::info!("ending");
        let tunnels = std::mem::take(&mut self.tunnels);
        for tunnel in tunnels {
            let linger = tunnel.settings().kcp.linger;
            self.leave(tunnel, linger).await;
        }
        let leaving = std::mem::take(&mut self.leaving);
        let drained = async {
            for task in leaving {
                task.await;
            }
            Ok(())
        };
        let again = async {
            while !matches!(self.next_signal().await?, Signal::Term | Signal::Int) {}
            Ok(())
        };
        future::or(drained, again).await
    }

    async fn next_signal(&mut self) -> io::Result<Signal> {
        let signal = self.signals.next().await;
        signal.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Drains a tunnel in the background. When it returns, the tunnel's TCP socket is closed.
    async fn leave(&mut self, mut tunnel: Tunnel, limit: Duration) {
        tunnel.close_listener().await;
        self.leaving.retain(|task| !task.is_finished());
        self.leaving.push(self.runtime.spawn(tunnel.drain(limit)));
    }

    /// Reads the file again. An error in it is logged, and nothing is changed.
    async fn reload(&mut self) {
        let Some(file) = &self.file else {
            log::info!("there is no file to read again");
            return;
        };
        match file.read() {
            Ok(configuration) => self.change(configuration).await,
            Err(error) => log::error!("{error}; nothing is changed"),
        }
    }

    /// Stops the tunnels that are not in `configuration` as they are, then starts what is new.
    async fn change(&mut self, configuration: Configuration) {
        log::set_max_level(configuration.process.log_level);
        if configuration.process.user != self.process.user {
            log::warn!("user is changed in the file: that needs a restart of smol-kcpd");
        }
        self.runtime.memory_budget().set_limit(configuration.process.memory_budget);
        let (mut kept, mut others) = (Vec::new(), Vec::new());
        for tunnel in std::mem::take(&mut self.tunnels) {
            match configuration.tunnels.contains(tunnel.settings()) {
                true => kept.push(tunnel),
                false => others.push(tunnel),
            }
        }
        for tunnel in others {
            log::info!("{}: stopped", tunnel.settings().name);
            // The socket of a server is that of its streams too: it cannot be had twice.
            let needed =
                configuration.tunnels.iter().any(|new| same_socket(new, tunnel.settings()));
            if needed {
                tunnel.drain(Duration::ZERO).await;
            } else {
                let linger = tunnel.settings().kcp.linger;
                self.leave(tunnel, linger).await;
            }
        }
        for settings in configuration.tunnels {
            let kept = kept
                .iter()
                .position(|tunnel| tunnel.settings() == &settings)
                .map(|at| kept.swap_remove(at));
            self.tunnels.push(kept.unwrap_or_else(|| Tunnel::start(&self.runtime, settings)));
        }
        log::info!("the configuration is read");
    }
}

/// Reads the file of the configuration.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    /// The file, opened with the rights that the process was started with.
    kept: Option<File>,
}

impl Source {
    fn new(path: PathBuf) -> Source {
        let kept = File::open(&path).ok();
        Source { path, kept }
    }

    /// Reads the file at the path; if that is not permitted any more, the one opened at the start, as long
    /// as it is the same file.
    fn read(&self) -> Result<Configuration, ConfigError> {
        let name = self.path.display().to_string();
        let failed = |what: &str| ConfigError::of_file(&name, what);
        match (File::open(&self.path), &self.kept) {
            (Ok(file), _) => Configuration::read_from(&file, &name),
            (Err(error), Some(kept)) if error.kind() == io::ErrorKind::PermissionDenied => {
                if !is_still_at(kept, &self.path) {
                    return Err(failed(
                        "cannot be read: it was replaced, and the new one may not be read with the \
                         rights of `user`: a restart of smol-kcpd is needed, or a file of that user",
                    ));
                }
                let mut kept: &File = kept;
                let begin = kept.rewind();
                begin.map_err(|error| failed(&format!("cannot be read: {error}")))?;
                Configuration::read_from(kept, &name)
            }
            (Err(error), _) => Err(failed(&format!("cannot be read: {error}"))),
        }
    }
}

/// Returns whether `file` is the one at `path`; if the folder may not be searched, whether it has not
/// been deleted.
#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let Ok(kept) = file.metadata() else { return false };
    match path.metadata() {
        Ok(there) => (there.dev(), there.ino()) == (kept.dev(), kept.ino()),
        Err(_) => kept.nlink() > 0,
    }
}

#[cfg(not(unix))]
fn is_still_at(_: &File, _: &Path) -> bool {
    false
}

fn same_socket(a: &Settings, b: &Settings) -> bool {
    let is_server = |of: &Settings| matches!(of.role, Role::Server { .. });
    is_server(a) && is_server(b) && a.listen.is_same(&b.listen)
}
