//! Several tunnels, under the control of signals.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_signal::{Signal, Signals};
use futures_lite::{future, StreamExt};
use smol::Task;

use super::runtime::Runtime;
use super::{Configuration, Role, Settings, Tunnel};

/// The tunnels of a process, and its signals: SIGHUP reads the file again and restarts what has
/// changed, SIGTERM and SIGINT drain, SIGUSR1 logs statistics.
#[derive(Debug)]
pub struct Daemon {
    runtime: Runtime,
    file: Option<PathBuf>,
    tunnels: Vec<Tunnel>,
    /// Tunnels that are no longer configured and carry what they have to its end.
    leaving: Vec<Task<()>>,
    signals: Signals,
}

impl Daemon {
    /// Begins to listen for signals, and starts every tunnel.
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
        let start = |settings| Tunnel::start(runtime, settings);
        let tunnels = configuration.tunnels.into_iter().map(start).collect();
        Ok(Daemon { runtime: runtime.clone(), file, tunnels, leaving: Vec::new(), signals })
    }

    /// Runs until SIGTERM or SIGINT, and then until everything is drained; a second one cuts that
    /// short.
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
            self.leave(tunnel, linger);
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

    fn leave(&mut self, mut tunnel: Tunnel, limit: Duration) {
        tunnel.stop_accepting();
        self.leaving.retain(|task| !task.is_finished());
        self.leaving.push(self.runtime.spawn(tunnel.drain(limit)));
    }

    /// Reads the file again. What is wrong in it is logged, and everything stays as it is.
    async fn reload(&mut self) {
        let Some(file) = &self.file else {
            log::info!("there is no file to read again");
            return;
        };
        match Configuration::read(file) {
            Ok(configuration) => self.change(configuration).await,
            Err(error) => log::error!("{error}; nothing is changed"),
        }
    }

    /// Stops the tunnels that are not in `configuration` as they are, then starts what is new.
    async fn change(&mut self, configuration: Configuration) {
        log::set_max_level(configuration.process.log_level);
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
                self.leave(tunnel, linger);
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

fn same_socket(a: &Settings, b: &Settings) -> bool {
    let is_server = |of: &Settings| matches!(of.role, Role::Server { .. });
    is_server(a) && is_server(b) && a.listen.is_same(&b.listen)
}
