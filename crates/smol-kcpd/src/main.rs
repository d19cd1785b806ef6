//! TCP over KCP: a tunnel for programs that speak TCP. See `smol-kcpd --help`.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use smol_kcpd::{Command, ConfigFile, Configuration, Daemon, KeyCommand, Logger, Runtime};

/// The exit status for wrong arguments or a wrong configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut args = env::args_os();
    let command = match Command::parse_as(args.next(), args) {
        Ok(command) => command,
        Err(error) => return fail(USAGE, error),
    };
    match command {
        Command::Help => print(&smol_kcpd::help()),
        Command::Options { json: true } => print(&smol_kcpd::options_as_json()),
        Command::Options { json: false } => print(&smol_kcpd::options_as_text()),
        Command::Version => print(concat!("smol-kcpd ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Check(file) => check(&file),
        Command::Keys(command) => keys(&command),
        Command::Control(command) => match command.run(&mut io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, error),
        },
        Command::Ping(ping) => {
            measure(|runtime| runtime.block_on(ping.run(runtime, &mut io::stdout())))
        }
        Command::Perf(perf) => measure(|runtime| runtime.block_on(perf.run(runtime))),
        Command::Run { configuration, file } => run(configuration, file, &[]),
        #[cfg(feature = "kcptun")]
        Command::Kcptun { configuration, notes } => run(configuration, None, &notes),
        #[cfg(feature = "kcptun")]
        Command::Import(import) => match import.run(&mut io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, error),
        },
        #[cfg(feature = "kcptun")]
        Command::Text(text) => print(&text),
    }
}

fn fail(code: u8, error: impl std::fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "smol-kcpd: {error}");
    ExitCode::from(code)
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, error),
    }
}

fn keys(command: &KeyCommand) -> ExitCode {
    match command.run(&mut io::stdin(), &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, error),
    }
}

fn check(file: &ConfigFile) -> ExitCode {
    match file.read() {
        Ok(configuration) => print(&configuration.to_string()),
        Err(error) => fail(USAGE, error),
    }
}

/// Exits with success if anything was answered.
fn measure(run: impl FnOnce(&Runtime) -> io::Result<bool>) -> ExitCode {
    match smol_kcpd::check_timers() {
        Ok(()) => {}
        Err(error) if error.is_fatal() => return fail(1, error),
        Err(error) => drop(writeln!(io::stderr(), "smol-kcpd: {error}")),
    }
    match run(&Runtime::new()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(1, error),
    }
}

/// `notes` are for the log.
fn run(configuration: Configuration, file: Option<ConfigFile>, notes: &[String]) -> ExitCode {
    Logger::install(configuration.process.log_level);
    for note in notes {
        log::info!("{note}");
    }
    let runtime = Runtime::new();
    let user = configuration.process.user.clone();
    // Signals are listened for before anything takes time, and sockets are bound with the rights
    // that the process was started with.
    let daemon = match Daemon::start(&runtime, configuration, file) {
        Ok(daemon) => daemon,
        Err(error) => return fail(1, format_args!("signals: {error}")),
    };
    match smol_kcpd::check_timers() {
        Ok(()) => {}
        Err(error) if error.is_fatal() => return fail(1, error),
        Err(error) => log::warn!("{error}"),
    }
    if let Some(user) = user {
        if let Err(error) = smol_kcpd::drop_to(&user) {
            return fail(1, format_args!("user {user}: {error}"));
        }
    }
    match runtime.block_on(daemon.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, format_args!("signals: {error}")),
    }
}
