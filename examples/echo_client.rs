//! Sends a message to an echo server a few times, and shows how long each round trip took.
//!
//! Shows: connecting by name or address, bytes through `AsyncRead` and `AsyncWrite`, closing, and
//! the statistics of a stream.
//!
//! ```sh
//! cargo run --release --example echo_client 127.0.0.1:4000 "hello"   # while echo_server runs
//! ```
#![allow(clippy::disallowed_methods)] // the library itself reads clocks in one place only

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_lite::{io, AsyncReadExt, AsyncWriteExt};
use smol::Timer;
use smol_kcp::{KcpConfig, KcpStream};

const USAGE: &str = "\
usage: echo_client ADDR [MESSAGE]
  ADDR     of an echo_server, such as 127.0.0.1:4000 or router.lan:4000
  MESSAGE  what to send; without it, a greeting";

const ROUNDS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    if env::args().skip(1).any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = env::args().skip(1).collect();
    let (addr, message) = match &args[..] {
        [addr] if !addr.starts_with('-') => (addr, "Hello, KCP!"),
        [addr, message] if !message.is_empty() => (addr, message.as_str()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match smol::block_on(run(addr, message)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_client: {addr}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(addr: &str, message: &str) -> io::Result<()> {
    let config = KcpConfig { stream: true, ..KcpConfig::wan() };
    let began = Instant::now();
    let mut stream = KcpStream::connect(&config, addr).await?;
    println!("connected to {} in {:.1?}", stream.peer_addr()?, began.elapsed());

    for round in 1..=ROUNDS {
        let sent = Instant::now();
        // One task writes first and reads then, which works as long as the message fits into the
        // buffers on the way; for more, `split` the stream and do both at the same time.
        stream.write_all(message.as_bytes()).await?;
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo).await?;
        if echo != message.as_bytes() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the echo differs"));
        }
        println!("{round}: {} bytes came back after {:.1?}", echo.len(), sent.elapsed());
        Timer::after(PAUSE).await;
    }

    // Closes our side and waits until the server has everything; then the server closes its own.
    stream.close().await?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await?;

    let stats = stream.stats();
    println!();
    match stats.srtt.as_millis() {
        0 => println!("round-trip time  below 1 ms, smoothed"), // KCP's clock ticks in ms
        ms => println!("round-trip time  {ms} ms, smoothed"),
    }
    println!("payload          {} bytes sent, {} received", stats.bytes_sent, stats.bytes_received);
    println!(
        "on the wire      {} bytes in {} datagrams sent, {} in {} received",
        stats.wire_bytes_sent,
        stats.datagrams_sent,
        stats.wire_bytes_received,
        stats.datagrams_received
    );
    println!(
        "sent again       {} after a timeout, {} after later acknowledgements",
        stats.timeout_retransmits, stats.fast_retransmits
    );
    Ok(())
}
