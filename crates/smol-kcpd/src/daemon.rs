//! The daemon: several tunnels, controlled by signals.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use futures_lite::{future, StreamExt};
use smol::Task;

use super::clients::{differ_in_clients_only, difference};
#[cfg(unix)]
use super::control::ControlListener;
use super::control::{Mailbox, Reply, Request};
use super::kept::KeptFile;
use super::keys::Keyring;
use super::machine::Machine;
use super::running::Running;
use super::runtime::Runtime;
use super::{ConfigError, ConfigFile, Configuration, Process, Role, Settings, Tunnel};

/// Runs the tunnels of a process, controlled by signals: SIGHUP reads the file again and restarts
/// what has changed, SIGTERM and SIGINT drain, SIGUSR1 logs statistics.
#[derive(Debug)]
pub struct Daemon {
    runtime: Runtime,
    file: Option<Source>,
    process: Process,
    running: Rc<Running>,
    /// Tunnels that are no longer configured and drain.
    leaving: Vec<Task<()>>,
    signals: Signals,
    mailbox: Rc<Mailbox>,
    #[cfg(unix)]
    control: Option<ControlListener>,
    #[cfg(any(feature = "http", feature = "metrics"))]
    _web: Vec<Task<()>>,
}

/// What a daemon acts on.
enum Event {
    Signal(io::Result<Signal>),
    Order(u32, Request),
}

impl Daemon {
    /// Begins to listen for signals, and starts every tunnel. `file` is where the configuration came
    /// from; it and the keys that it names are kept open, so that they can be read again with fewer rights.
    ///
    /// # Errors
    /// Signals cannot be listened for.
    pub fn start(
        runtime: &Runtime,
        configuration: Configuration,
        file: Option<ConfigFile>,
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
        let file = file.map(|file| Source::new(file, &configuration));
        let start = |settings| Tunnel::start(runtime, settings);
        let (running, mailbox) = (Rc::new(Running::new(runtime)), Rc::new(Mailbox::new()));
        #[cfg(unix)]
        let control = control(runtime, process, &running, &mailbox);
        running.tunnels.replace(configuration.tunnels.into_iter().map(start).collect());
        Ok(Daemon {
            #[cfg(unix)]
            control,
            #[cfg(any(feature = "http", feature = "metrics"))]
            _web: super::web::serve_all(runtime, &configuration.process, &running),
            mailbox,
            runtime: runtime.clone(),
            file,
            process: configuration.process,
            running,
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
            match self.next_event().await {
                Event::Order(number, order) => {
                    let reply = self.obey(order).await;
                    self.mailbox.answer(number, reply);
                }
                Event::Signal(signal) => match signal? {
                    Signal::Hup => drop(self.obey(Request::Reload).await),
                    Signal::Usr1 => {
                        self.running.tunnels.borrow().iter().for_each(Tunnel::log_stats)
                    }
                    _ => break,
                },
            }
        }
        log::info!("ending");
        self.mailbox.close();
        #[cfg(unix)]
        drop(self.control.take());
        let tunnels = self.running.tunnels.take();
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

    async fn next_event(&mut self) -> Event {
        let mailbox = Rc::clone(&self.mailbox);
        let order = async {
            let (number, order) = mailbox.next().await;
            Event::Order(number, order)
        };
        future::or(async { Event::Signal(self.next_signal().await) }, order).await
    }

    async fn obey(&mut self, order: Request) -> Reply {
        match order {
            Request::Reload => self.reload().await.map(|()| "the configuration is read\n".into()),
            Request::Stop(name) => self.stop(&name).await,
            Request::LogLevel(level) => {
                log::set_max_level(level);
                Ok(format!("{} and worse is logged\n", level.as_str().to_lowercase()))
            }
            Request::Status { .. } => Err("not an order".into()),
        }
    }

    /// Ends one tunnel. It begins again when the file is read again.
    async fn stop(&mut self, name: &str) -> Reply {
        let named = |tunnel: &Tunnel| tunnel.settings().name == name;
        let at = self.running.tunnels.borrow().iter().position(named);
        let Some(at) = at else { return Err(format!("there is no tunnel {name}")) };
        let tunnel = self.running.tunnels.borrow_mut().remove(at);
        log::info!("{name}: stopped");
        let linger = tunnel.settings().kcp.linger;
        self.leave(tunnel, linger).await;
        Ok(format!("{name} accepts nothing more, and what is open ends within {linger:?}\n"))
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
    async fn reload(&mut self) -> Result<(), String> {
        let Some(file) = &self.file else {
            log::info!("there is no file to read again");
            return Err("there is no file to read again".into());
        };
        match file.read() {
            Ok(configuration) => {
                self.change(configuration).await;
                Ok(())
            }
            Err(error) => {
                log::error!("{error}; nothing is changed");
                Err(format!("{error}; nothing is changed"))
            }
        }
    }

    /// Stops the tunnels that are not in `configuration` as they are, then starts what is new.
    async fn change(&mut self, configuration: Configuration) {
        log::set_max_level(configuration.process.log_level);
        if configuration.process.user != self.process.user {
            log::warn!("user is changed in the file: that needs a restart of smol-kcpd");
        }
        let Process { control, http, metrics, .. } = &configuration.process;
        if (control, http, metrics)
            != (&self.process.control, &self.process.http, &self.process.metrics)
        {
            log::warn!(
                "control, http or metrics is changed in the file: that needs a restart of smol-kcpd"
            );
        }
        self.runtime.memory_budget().set_limit(configuration.process.memory_budget);
        let (mut kept, mut others) = (Vec::new(), Vec::new());
        for tunnel in self.running.tunnels.take() {
            match configuration.tunnels.iter().any(|new| becomes(&tunnel, new)) {
                true => kept.push(tunnel),
                false => others.push(tunnel),
            }
        }
        // Who looks meanwhile sees these.
        self.running.tunnels.replace(kept);
        for tunnel in others {
            log::info!("{}: stopped", tunnel.settings().name);
            // The socket of a server is that of its streams too: it cannot be had twice.
            let needed =
                configuration.tunnels.iter().any(|new| same_socket(new, &tunnel.settings()));
            if needed {
                tunnel.drain(Duration::ZERO).await;
            } else {
                let linger = tunnel.settings().kcp.linger;
                self.leave(tunnel, linger).await;
            }
        }
        let mut tunnels = self.running.tunnels.borrow_mut();
        let mut kept = std::mem::take(&mut *tunnels);
        for settings in configuration.tunnels {
            let kept = kept
                .iter()
                .position(|tunnel| *tunnel.settings() == settings)
                .map(|at| kept.swap_remove(at));
            tunnels.push(kept.unwrap_or_else(|| Tunnel::start(&self.runtime, settings)));
        }
        log::info!("the configuration is read");
    }
}

/// Makes the control socket. Tunnels do without, too.
#[cfg(unix)]
fn control(
    runtime: &Runtime,
    process: &Process,
    running: &Rc<Running>,
    mailbox: &Rc<Mailbox>,
) -> Option<ControlListener> {
    let (running, mailbox) = (Rc::clone(running), Rc::clone(mailbox));
    match ControlListener::start(runtime, &process.control, running, mailbox) {
        Ok(control) => {
            if let Some(control) = &control {
                log::debug!("control socket {}", control.path().display());
            }
            control
        }
        Err(error) => {
            log::info!("there is no control socket: {error}");
            None
        }
    }
}

/// Reads the file of the configuration, with the keys that it names.
#[derive(Debug)]
struct Source {
    file: KeptFile,
    keyring: Keyring,
}

impl Source {
    fn new(file: ConfigFile, configuration: &Configuration) -> Source {
        let mut keyring = Keyring::new(file.insecure);
        keyring.keep(configuration.tunnels.iter().flat_map(|tunnel| tunnel.keys.files()));
        Source { file: KeptFile::new(file.path), keyring }
    }

    fn read(&self) -> Result<Configuration, ConfigError> {
        let name = self.file.path().display().to_string();
        match self.file.open() {
            Ok(file) => Configuration::read_from(&file, &name, &self.keyring),
            Err(error) => Err(ConfigError::of_file(&name, &format!("cannot be read: {error}"))),
        }
    }
}

/// Makes a tunnel one of these settings if that needs no restart. Returns whether it is one now.
fn becomes(tunnel: &Tunnel, new: &Settings) -> bool {
    let present = tunnel.settings();
    if *present == *new {
        return true;
    }
    if !differ_in_clients_only(&present, new) {
        return false;
    }
    match tunnel.set_clients(new.clone()) {
        Ok(()) => {
            log::info!("{}: {}", new.name, difference(&present, new));
            true
        }
        Err(error) => {
            log::warn!("{}: {error}; it is restarted", new.name);
            false
        }
    }
}

fn same_socket(a: &Settings, b: &Settings) -> bool {
    let is_server = |of: &Settings| matches!(of.role, Role::Server { .. });
    let same = a.listen.as_ref().zip(b.listen.as_ref()).is_some_and(|(a, b)| a.is_same(b));
    is_server(a) && is_server(b) && same
}
