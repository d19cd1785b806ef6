//! The first thing to try: a file through a bad network, and what KCP does to bring it across.
//!
//! A client and a server in one process talk over real UDP sockets, through a network that loses 5 %
//! of all datagrams and takes 20 ms each way. It is made by `KcpConfig::netem`, on the client's side
//! for both directions. Three profiles take their turn; a table shows them side by side.
//!
//! Then the same file goes through an ordinary line of 10 Mbit/s that nobody told them of, 25 ms each way,
//! whose queue is short: once with `rate = auto`, which finds out what the line carries, and once with
//! `rate = off`, as KCP is elsewhere.
//!
//! ```sh
//! cargo run --release --example demo
//! cargo run --release --example demo -- photo.jpg --loss 10 --delay 50 --seed 7
//! ```
//!
//! The same seed draws the same row of losses. Which datagram meets which of them depends on when it
//! leaves, so the figures differ a little from run to run.
#![allow(clippy::disallowed_methods)] // the library itself reads clocks in one place only

mod table;

use std::env;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use sha2::{Digest, Sha256};
use smol::Timer;
use smol_kcp::{KcpConfig, KcpListener, KcpStream, LinkConfig, NetemConfig, Probability, Rate};
use table::Column;

const USAGE: &str = "\
usage: demo [FILE] [--loss PERCENT] [--delay MS] [--seed N]
  FILE            what is sent; without it, the sources of smol-kcp, repeated up to 4 MiB
  --loss PERCENT  datagrams lost, in each direction: 0 to 50, such as 0.5; default 5
  --delay MS      milliseconds on the way, in each direction: 0 to 1000; default 20
  --seed N        what the losses are drawn from; default 1";

/// Bytes of the default file.
const ENOUGH: usize = 4 << 20;

/// Bytes that wait before the slow line: those of one round trip, 10 Mbit/s × 50 ms.
const SHORT_QUEUE: usize = 62_500;

/// A transfer that takes longer is stopped; the legend says so.
const LONGEST: Duration = Duration::from_secs(5);

struct Options {
    file: Option<PathBuf>,
    loss_percent: f64,
    delay_ms: u64,
    seed: u64,
}

fn main() -> ExitCode {
    if env::args().skip(1).any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("demo: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match smol::block_on(run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { file: None, loss_percent: 5.0, delay_ms: 20, seed: 1 };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--loss" => options.loss_percent = number(&arg, &value()?, 0.0, 50.0)?,
            "--delay" => options.delay_ms = number(&arg, &value()?, 0, 1000)?,
            "--seed" => options.seed = number(&arg, &value()?, 0, u64::MAX)?,
            option if option.starts_with('-') => return Err(format!("{option}: no such option")),
            path if options.file.is_none() => options.file = Some(path.into()),
            path => return Err(format!("{path}: one file only")),
        }
    }
    Ok(options)
}

fn number<T: FromStr + PartialOrd + Display>(
    option: &str,
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    match text.parse() {
        Ok(value) if least <= value && value <= most => Ok(value),
        _ => Err(format!("{option} {text}: must be {least} to {most}")),
    }
}

async fn run(options: &Options) -> io::Result<()> {
    let Options { loss_percent, delay_ms, seed, .. } = *options;
    let (name, file) = match &options.file {
        Some(path) => (path.display().to_string(), read(path)?),
        None => ("Cargo.lock and src/, repeated".into(), sources(ENOUGH)?),
    };
    if file.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is empty")));
    }
    let hash: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("file     {name}: {} bytes", file.len());
    println!("SHA-256  {hash}");
    println!("network  {loss_percent} % loss, {delay_ms} ms of delay each way, seed {seed}\n");

    let profiles = [
        ("wan", KcpConfig::wan()),
        ("high_latency", KcpConfig::high_latency()),
        ("file_transfer", KcpConfig::file_transfer()),
    ];
    let link = LinkConfig {
        loss: Probability::per_million((loss_percent * 10_000.0).round() as u32),
        delay: Duration::from_millis(delay_ms),
        ..LinkConfig::default()
    };
    let network = NetemConfig { seed, send: link.clone(), receive: link };
    let mut columns = Vec::new();
    for (name, profile) in profiles {
        eprintln!("sending with {name} ...");
        columns
            .push((name, transfer(KcpConfig { stream: true, ..profile }, &network, &file).await?));
    }
    println!();
    table::print(&columns, loss_percent, 2 * delay_ms);

    println!(
        "\nnetwork  10 Mbit/s with a short queue of {SHORT_QUEUE} bytes, 25 ms of delay each way\n"
    );
    let network = short_queue(seed);
    let mut rates = Vec::new();
    for rate in [Rate::Auto, Rate::Off] {
        eprintln!("sending with wan, rate = {rate} ...");
        let config = KcpConfig { stream: true, rate, ..KcpConfig::wan() };
        rates.push((rate.to_string(), transfer(config, &network, &file).await?));
    }
    println!();
    table::print_rates(&rates);
    table::print_legend();
    if columns.iter().any(|(_, column)| column.intact) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("none was done in {LONGEST:?}")))
}

/// A line as many homes have it: what does not fit into the queue before it is lost.
fn short_queue(seed: u64) -> NetemConfig {
    let delay = Duration::from_millis(25);
    let send = LinkConfig {
        delay,
        rate: Some(10_000_000),
        queue_bytes: Some(SHORT_QUEUE),
        overhead: 28,
        ..LinkConfig::default()
    };
    NetemConfig { seed, send, receive: LinkConfig { delay, ..LinkConfig::default() } }
}

async fn transfer(config: KcpConfig, network: &NetemConfig, file: &[u8]) -> io::Result<Column> {
    let listener = KcpListener::bind(config.clone(), "127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let bad = config.clone().with_netem(Some(network.clone()));

    let began = Instant::now();
    let (mut client, (mut server, _)) =
        future::try_zip(KcpStream::connect(&bad, addr), listener.accept()).await?;
    let send_and_receive = async {
        let (answer, end) = future::try_zip(send(&mut client, file), receive(&mut server)).await?;
        io::Result::Ok(Some((answer, end)))
    };
    let stop = async {
        Timer::at(began + LONGEST).await;
        Ok(None)
    };
    let outcome = future::or(send_and_receive, stop).await?;
    let time = outcome.as_ref().map_or(LONGEST, |(_, end)| *end - began);
    let intact = match outcome {
        Some((answer, _)) if answer[..] == Sha256::digest(file)[..] => true,
        Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "damaged on the way")),
        None => false,
    };

    // What has been sent by now has arrived, or never will, when the delay has passed.
    let sent = (client.stats(), server.stats());
    Timer::after(network.send.delay + Duration::from_millis(2)).await;
    let received = (client.stats(), server.stats());
    let lost = |sent: u64, received: u64| (1.0 - received as f64 / sent as f64).max(0.0) * 100.0;
    let lost = (
        lost(sent.0.datagrams_sent, received.1.datagrams_received),
        lost(sent.1.datagrams_sent, received.0.datagrams_received),
    );

    // A stopped transfer would go on in the background, beside the next one.
    client.abort();
    server.abort();
    Ok(Column { config, len: file.len(), intact, time, client: sent.0, server: sent.1, lost })
}

/// Sends the file and receives the hash of what has arrived.
async fn send(stream: &mut KcpStream, file: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(file).await?;
    stream.close().await?;
    let mut hash = Vec::new();
    stream.read_to_end(&mut hash).await?;
    Ok(hash)
}

/// Receives a file and sends its hash back. Returns when the last byte was there.
async fn receive(stream: &mut KcpStream) -> io::Result<Instant> {
    let mut hash = Sha256::new();
    let mut buf = vec![0; 64 * 1024];
    while let n @ 1.. = stream.read(&mut buf).await? {
        hash.update(&buf[..n]);
    }
    let end = Instant::now();
    stream.write_all(&hash.finalize()).await?;
    stream.close().await?;
    Ok(end)
}

/// Cargo.lock and everything below src/, repeated to `len` bytes.
fn sources(len: usize) -> io::Result<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("Cargo.lock"), root.join("src")];
    let mut text = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                paths.push(entry?.path());
            }
            paths.sort();
        } else {
            text.extend(read(&path)?);
        }
    }
    Ok(text.iter().copied().cycle().take(len).collect())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    fs::read(path).map_err(named)
}
