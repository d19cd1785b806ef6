//! A server that sends back what it receives, to any number of clients at a time.
//!
//! Shows: a listener, a task for each stream, `split` with `io::copy`, and how a stream ends well.
//!
//! ```sh
//! cargo run --release --example echo_server 127.0.0.1:4000
//! cargo run --release --example echo_client 127.0.0.1:4000 "hello"   # in another terminal
//! ```

use std::env;
use std::net::SocketAddr;
use std::process::ExitCode;

use futures_lite::io;
use smol_kcp::{KcpConfig, KcpError, KcpListener, KcpStream};

const USAGE: &str = "\
usage: echo_server ADDR
  ADDR  where to listen, such as 127.0.0.1:4000 or '[::]:4000'; port 0 lets the system choose";

fn main() -> ExitCode {
    if env::args().skip(1).any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = env::args().skip(1).collect();
    let addr = match &args[..] {
        [addr] if !addr.starts_with('-') => addr,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match smol::block_on(serve(addr)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: {addr}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(addr: &str) -> Result<(), KcpError> {
    // The profile for the Internet works everywhere; on a network of your own, `lan` is faster.
    let config = KcpConfig { stream: true, ..KcpConfig::wan() };
    let listener = KcpListener::bind(config, addr).await?;
    println!("listening on {}, Ctrl-C ends", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        smol::spawn(async move {
            match echo(stream, peer).await {
                Ok(bytes) => println!("{peer}: echoed {bytes} bytes, closed"),
                Err(error) => println!("{peer}: {error}"),
            }
        })
        .detach();
    }
}

/// Sends everything back until the client closes its side, then closes ours.
async fn echo(mut stream: KcpStream, peer: SocketAddr) -> io::Result<u64> {
    println!("{peer}: conversation {}", stream.conv());
    let (read, write) = stream.split();
    let bytes = io::copy(read, write).await?;
    stream.close().await?; // waits until the client has everything
    Ok(bytes)
}
