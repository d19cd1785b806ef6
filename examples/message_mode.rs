//! Messages: each `recv` returns what one `send` was given, whole and in order.
//!
//! Shows also what happens to a message that is too long to be sent, and to one that is longer than
//! the buffer it is to be received into: a typed error with the figures, and nothing is lost.
//!
//! ```sh
//! cargo run --release --example message_mode
//! ```

use std::env;
use std::error::Error;
use std::process::ExitCode;

use smol_kcp::{KcpConfig, KcpError, KcpListener, KcpStream};

const USAGE: &str = "usage: message_mode";

fn main() -> ExitCode {
    if env::args().skip(1).any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    if env::args().len() > 1 {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    match smol::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("message_mode: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    // Messages are what `stream: false` means, the default. `max_message` is the longest one that
    // we send; a peer may send longer ones.
    let config = KcpConfig { max_message: Some(4000), ..KcpConfig::gaming() };
    let listener = KcpListener::bind(config.clone(), "127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let server = smol::spawn(async move {
        let (stream, _) = listener.accept().await?;
        receive(stream).await
    });

    let mut stream = KcpStream::connect(&config, addr).await?;
    for message in ["one", "two", "three"] {
        stream.send(message.as_bytes()).await?;
        println!("sent       {message:?}");
    }

    match stream.send(&[0; 5000]).await {
        Err(KcpError::MessageTooLarge { len, max }) => {
            println!("not sent   {len} bytes: too large, at most {max} are accepted");
        }
        other => return Err(format!("5000 bytes: {other:?}").into()),
    }

    // The refusal changed nothing. 3000 bytes are three datagrams, and one message.
    stream.send(&[7; 3000]).await?;
    println!("sent       3000 bytes");
    stream.close().await?; // everything has arrived

    for line in server.await? {
        println!("{line}");
    }
    Ok(())
}

/// Receives until the peer closes. Returns what there is to tell.
async fn receive(mut stream: KcpStream) -> Result<Vec<String>, KcpError> {
    let mut told = Vec::new();
    let mut buf = vec![0; 64];
    loop {
        match stream.recv(&mut buf).await {
            Ok(0) => break,
            Ok(n) if n <= 64 => {
                let text = String::from_utf8_lossy(&buf[..n]);
                told.push(format!("received   {text:?}"));
            }
            Ok(n) => told.push(format!("received   {n} bytes")),
            Err(KcpError::BufferTooSmall { needed, len }) => {
                told.push(format!("           {needed} bytes wait, the buffer has {len}: grow it"));
                buf.resize(needed, 0); // the message is still there
            }
            Err(error) => return Err(error),
        }
    }
    told.push("           the end: the peer has closed".into());
    stream.close().await?;
    Ok(told)
}
