//! Sends a file to a receiver, which verifies its SHA-256 and answers.
//!
//! Shows: a small protocol on a stream, both halves at work at once (the receiver may refuse while
//! the sender still sends), files without blocking the executor, and a progress bar.
//!
//! ```sh
//! cargo run --release --example file_send receive 127.0.0.1:4000 inbox
//! cargo run --release --example file_send send 127.0.0.1:4000 photo.jpg    # in another terminal
//! ```
//!
//! Nothing is encrypted and nobody is authenticated: whoever reaches the port can put files into
//! the folder. Existing files are never touched, and a transfer that fails leaves nothing behind; only
//! a receiver that is killed meanwhile leaves `.NAME.*.part`.
//!
//! What is sent, numbers with the high byte first: length of the name (2 bytes), name (UTF-8),
//! length of the file (8 bytes), the file, its SHA-256 (32 bytes). The answer is `OK`, or the
//! reason why not.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures_lite::{future, io, AsyncReadExt, AsyncWriteExt};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use smol::fs;
use smol_kcp::{KcpConfig, KcpListener, KcpStream, WriteHalf};

const USAGE: &str = "\
usage: file_send receive ADDR DIR
       file_send send ADDR FILE
  ADDR  where to listen, or where to send to, such as 127.0.0.1:4000 or router.lan:4000
  DIR   where to put what is received
  FILE  what to send";

/// Bytes of the longest name: with what is added while a file is incomplete, less than 255.
const MAX_NAME: usize = 200;
/// Bytes of the longest file that is accepted.
const MAX_FILE: u64 = 4 << 30;
const CHUNK: usize = 64 * 1024;

/// The profile, except that a side that vanishes is given up after 30 s, and with it a partial file.
fn config() -> KcpConfig {
    KcpConfig {
        keep_alive: Some(Duration::from_secs(10)),
        session_expire: Some(Duration::from_secs(30)),
        ..KcpConfig::file_transfer()
    }
}

fn main() -> ExitCode {
    if env::args().skip(1).any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["receive", addr, dir] => smol::block_on(receive(addr, dir)),
        ["send", addr, file] => smol::block_on(send(addr, Path::new(file))),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("file_send: {error}");
            ExitCode::FAILURE
        }
    }
}

fn error(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}

async fn send(addr: &str, path: &Path) -> io::Result<()> {
    let no_file = || error(format!("{} is no file with a name in UTF-8", path.display()));
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(no_file)?;
    let cannot_read = |cause| error(format!("{}: {cause}", path.display()));
    let file = fs::File::open(path).await.map_err(cannot_read)?;
    let about = file.metadata().await?;
    if !about.is_file() {
        return Err(no_file());
    }

    let cannot_connect = |cause| error(format!("{addr}: {cause}"));
    let mut stream = KcpStream::connect(&config(), addr).await.map_err(cannot_connect)?;
    let (mut read, mut write) = stream.split();

    // The answer ends it, also while we are still sending: then it tells why the receiver refuses.
    let answered = async {
        let mut answer = String::new();
        (&mut read).take(1000).read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let sent = async {
        match send_file(&mut write, name, file, about.len()).await {
            // The receiver is gone. What it said before is still to be read, if it said anything.
            Err(cause) if cause.kind() == io::ErrorKind::ConnectionReset => {}
            done => done?,
        }
        future::pending().await
    };
    let answer = future::or(answered, sent).await?;
    if answer != "OK" {
        return Err(error(format!("refused: {}", answer.escape_debug())));
    }
    println!("{name}: {} bytes, SHA-256 verified by the receiver", about.len());
    Ok(())
}

async fn send_file(
    write: &mut WriteHalf<'_>,
    name: &str,
    mut file: fs::File,
    len: u64,
) -> io::Result<()> {
    let name_len = u16::try_from(name.len()).map_err(|_| error("the name is too long"))?;
    write.write_all(&name_len.to_be_bytes()).await?;
    write.write_all(name.as_bytes()).await?;
    write.write_all(&len.to_be_bytes()).await?;

    // Counts what the stream has taken; up to `send_budget` of it may still be on its way.
    let bar = bar(len);
    let mut hash = Sha256::new();
    let mut buf = vec![0; CHUNK];
    let mut left = len;
    while left > 0 {
        let n = file.read(&mut buf).await?.min(usize::try_from(left).unwrap_or(usize::MAX));
        if n == 0 {
            return Err(error("the file has become shorter meanwhile"));
        }
        hash.update(&buf[..n]);
        write.write_all(&buf[..n]).await?;
        left -= n as u64;
        bar.inc(n as u64);
    }
    write.write_all(&hash.finalize()).await?;
    write.close().await?;
    bar.finish();
    Ok(())
}

/// A bar on the terminal; nothing where there is none.
fn bar(len: u64) -> ProgressBar {
    let style = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len).with_style(style)
}

async fn receive(addr: &str, dir: &str) -> io::Result<()> {
    let dir = PathBuf::from(dir);
    if !dir.is_dir() {
        return Err(error(format!("{}: no such folder", dir.display())));
    }
    let cannot_listen = |cause| error(format!("{addr}: {cause}"));
    let listener = KcpListener::bind(config(), addr).await.map_err(cannot_listen)?;
    println!("listening on {}, Ctrl-C ends", listener.local_addr()?);
    loop {
        let (mut stream, peer) = listener.accept().await?;
        let dir = dir.clone();
        smol::spawn(async move {
            let (answer, told) = match receive_file(&mut stream, &dir).await {
                Ok(told) => ("OK".to_string(), told),
                Err(cause) => (cause.to_string(), format!("failed: {cause}")),
            };
            println!("{peer}: {told}");
            // If the stream itself has failed, nobody is there to be told.
            if stream.write_all(answer.as_bytes()).await.is_ok() {
                let _ = stream.close().await;
            }
        })
        .detach();
    }
}

/// Receives one file. Returns what to say about it.
async fn receive_file(stream: &mut KcpStream, dir: &Path) -> io::Result<String> {
    let (name, len) = receive_header(stream).await?;
    let target = dir.join(&name);
    if target.symlink_metadata().is_ok() {
        return Err(error("a file of this name exists"));
    }
    let part = Part(dir.join(format!(".{name}.{:08x}.part", stream.conv())));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&part.0).await?;

    let mut hash = Sha256::new();
    let mut buf = vec![0; CHUNK];
    let mut left = len;
    while left > 0 {
        let most = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        let n = stream.read(&mut buf[..most]).await?;
        if n == 0 {
            return Err(error("the file is incomplete"));
        }
        hash.update(&buf[..n]);
        file.write_all(&buf[..n]).await?;
        left -= n as u64;
    }
    let mut sum = [0; 32];
    stream.read_exact(&mut sum).await?;
    if sum != hash.finalize()[..] {
        return Err(error("SHA-256 differs"));
    }
    file.sync_all().await?;

    // To create it is to own the name: nobody else's file is replaced by what follows.
    fs::OpenOptions::new().write(true).create_new(true).open(&target).await?;
    if let Err(cause) = fs::rename(&part.0, &target).await {
        let _ = fs::remove_file(&target).await;
        return Err(cause);
    }
    Ok(format!("{name}: {len} bytes, SHA-256 equal"))
}

async fn receive_header(stream: &mut KcpStream) -> io::Result<(String, u64)> {
    let mut name_len = [0; 2];
    stream.read_exact(&mut name_len).await?;
    let name_len = usize::from(u16::from_be_bytes(name_len));
    if name_len > MAX_NAME {
        return Err(error(format!("a name of {name_len} bytes, at most {MAX_NAME} are accepted")));
    }
    let mut name = vec![0; name_len];
    stream.read_exact(&mut name).await?;
    let name = String::from_utf8(name).ok().filter(|name| is_plain(name));
    let name = name.ok_or_else(|| error("the name is not that of a plain file"))?;
    let mut len = [0; 8];
    stream.read_exact(&mut len).await?;
    let len = u64::from_be_bytes(len);
    if len > MAX_FILE {
        return Err(error(format!("a file of {len} bytes, at most {MAX_FILE} are accepted")));
    }
    Ok((name, len))
}

/// No path, on no system; nothing hidden, which `.` and `..` would be; nothing that upsets a terminal.
fn is_plain(name: &str) -> bool {
    let bad = |c: char| c.is_control() || ['/', '\\', ':'].contains(&c);
    !name.is_empty() && !name.starts_with('.') && !name.contains(bad)
}

/// The path of a file that is not complete yet. Dropped, it removes the file, if it is still there.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
