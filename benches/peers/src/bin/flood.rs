//! An encrypted server under a flood of strangers: does it stay small, do its streams go on, do newcomers get in,
//! and what does it answer? `flood initiations` (forged ones, whose first mac is valid, from many addresses; 100,000 a
//! second) or `flood strangers` (a million datagrams of other kinds, none of which may be answered).
//!
//! The server is a process of its own, and so is the flood. One running stream is held at a rate (MB/s, an argument
//! more), so that on a machine with few cores it is the server that is measured and not who gets a core.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

use blake2::digest::consts::U16;
use blake2::digest::{Digest, KeyInit, Mac};
use blake2::{Blake2s256, Blake2sMac};
use peers::usage;
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{block_on, Timer};
use smol_kcp::secure::{random_key, PresharedKey, PublicKey, SecretKey, SecureConfig, SecurePeer};
use smol_kcp::{KcpConfig, KcpEndpoint, KcpListener, Rate, UdpTransport};

#[global_allocator]
static HEAP: usage::Counting = usage::Counting;

type Done<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Datagrams a second of the flood, and seconds that each part lasts.
const FLOOD: u64 = 100_000;
const SPAN: Duration = Duration::from_secs(10);
const STRANGERS: u64 = 1_000_000;

fn config(secure: SecureConfig) -> KcpConfig {
    KcpConfig { stream: true, secure: Some(secure), ..KcpConfig::wan() }
}

/// Sends back what it gets; tells at the end of its input how its heap has grown.
fn serve(secret: [u8; 32], psk: [u8; 32]) -> Done<()> {
    usage::count_heap();
    let secure = SecureConfig {
        anyone_with: Some(PresharedKey::from_bytes(psk)),
        ..SecureConfig::new(SecretKey::from_bytes(secret))
    };
    let config = config(secure);
    let transport = UdpTransport::bind(&config, (Ipv4Addr::LOCALHOST, 0).into())?;
    let (listener, driver) = KcpListener::with_driver(config, transport)?;
    smol::spawn(driver).detach();
    println!("addr {}", listener.local_addr()?);
    let endpoint = listener.endpoint();
    smol::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            smol::spawn(async move {
                let mut buf = [0; 16 * 1024];
                while let Ok(n @ 1..) = stream.read(&mut buf).await {
                    if stream.write_all(&buf[..n]).await.is_err() {
                        break;
                    }
                }
            })
            .detach();
        }
    })
    .detach();
    // A line asks for the figures.
    let mut asked = [0];
    while std::io::stdin().read(&mut asked)? > 0 {
        let stats = endpoint.stats();
        println!("heap {}", usage::heap());
        println!("streams {}", stats.memory_used);
        println!("sent {}", stats.datagrams_sent);
        println!("received {}", stats.datagrams_received);
        println!("end");
    }
    Ok(())
}

fn client(config: KcpConfig, at: Ipv4Addr) -> Done<KcpEndpoint> {
    let transport = UdpTransport::bind(&config, (at, 0).into())?;
    let (endpoint, driver) = KcpEndpoint::with_driver(config, transport)?;
    smol::spawn(driver).detach();
    Ok(endpoint)
}

/// A process that floods until it is killed, or until it has sent all that it should.
fn flood(kind: &str, to: SocketAddr, server: &[u8; 32]) -> Done<()> {
    let sockets = (0..64).map(|n| UdpSocket::bind((Ipv4Addr::new(127, 1, n, 1), 0)));
    let sockets = sockets.collect::<Result<Vec<_>, _>>()?;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = |len: usize| {
        let mut out = Vec::with_capacity(len + 8);
        while out.len() < len {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            out.extend_from_slice(&random.to_le_bytes());
        }
        out.truncate(len);
        out
    };
    let mac1_key =
        Blake2s256::new().chain_update(b"smol-kcp 1 mac1").chain_update(server).finalize();
    let initiation = |bytes: &mut dyn FnMut(usize) -> Vec<u8>| -> Done<Vec<u8>> {
        let mut datagram = bytes(164);
        let mac = <Blake2sMac<U16> as KeyInit>::new_from_slice(&mac1_key)?;
        datagram.extend_from_slice(&mac.chain_update(&datagram).finalize().into_bytes());
        datagram.extend(bytes(16));
        Ok(datagram)
    };
    let plain_kcp =
        |conv: Vec<u8>| [&conv[..], &[81, 0, 128, 0], &[0; 12], &[4, 0, 0, 0], b"spam"].concat();
    let of_strangers = |number: u64, bytes: &mut dyn FnMut(usize) -> Vec<u8>| -> Done<Vec<u8>> {
        Ok(match number % 4 {
            0 => bytes(1 + (number as usize * 7) % 1400),
            1 => plain_kcp(bytes(4)),
            2 => {
                let mut cut = initiation(bytes)?;
                cut.truncate(100 + number as usize % 95);
                cut
            }
            _ => {
                let mut flipped = initiation(bytes)?;
                flipped[number as usize % 180] ^= 1 << (number % 8);
                flipped
            }
        })
    };
    let began = Instant::now();
    for number in 0.. {
        if kind == "strangers" && number == STRANGERS {
            break;
        }
        let datagram = match kind {
            "strangers" => of_strangers(number, &mut bytes)?,
            _ => initiation(&mut bytes)?,
        };
        let _ = sockets[number as usize % sockets.len()].send_to(&datagram, to);
        let ahead =
            Duration::from_micros(number * 1_000_000 / FLOOD).saturating_sub(began.elapsed());
        if ahead > Duration::from_millis(1) {
            std::thread::sleep(ahead);
        }
    }
    let mut answers = 0;
    for socket in &sockets {
        socket.set_nonblocking(true)?;
        while socket.recv(&mut [0; 2048]).is_ok() {
            answers += 1;
        }
    }
    println!(
        "{answers} answers to {STRANGERS} datagrams in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a client sees during a span: bytes a second that came back, and of the newcomers how many got an answer
/// within a second.
async fn span(
    endpoint: &KcpEndpoint,
    to: SocketAddr,
    newcomer: impl Fn() -> KcpConfig,
) -> Done<(f64, u32, u32)> {
    let mut stream = endpoint.connect_to(to, None).await?;
    stream.write_all(b"?").await?;
    stream.read_exact(&mut [0]).await?;
    let (mut reader, mut writer) = stream.into_split();
    let back = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&back);
    let reading = smol::spawn(async move {
        let mut buf = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = reader.read(&mut buf).await {
            counted.fetch_add(n as u64, Relaxed);
        }
    });
    let writing =
        smol::spawn(async move { while writer.write_all(&[0; 64 * 1024]).await.is_ok() {} });
    let (mut came, mut got_in) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < SPAN {
        // Of one address the server takes twenty a second.
        let (config, at) = (newcomer(), Ipv4Addr::new(127, 2, (came % 250) as u8, 1));
        let comes = async {
            let endpoint = client(config, at)?;
            let mut stream = endpoint.connect_to(to, None).await?;
            stream.write_all(b"hello").await?;
            stream.read_exact(&mut [0; 5]).await?;
            stream.abort();
            Done::Ok(true)
        };
        let late = async {
            Timer::after(Duration::from_secs(1)).await;
            Ok(false)
        };
        came += 1;
        got_in += u32::from(or(comes, late).await?);
        Timer::after(Duration::from_millis(20)).await;
    }
    let rate = back.load(Relaxed) as f64 / began.elapsed().as_secs_f64();
    drop((reading, writing));
    Ok((rate, came, got_in))
}

/// The server, as its client knows it.
struct Server {
    _child: Killed,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(mut command: Command) -> Done<Server> {
        let mut child = Killed(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let (stdin, stdout) = (child.0.stdin.take(), child.0.stdout.take());
        let stdout = BufReader::new(stdout.ok_or("no output")?);
        Ok(Server { _child: child, stdin: stdin.ok_or("no input")?, stdout })
    }

    fn line(&mut self) -> Done<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn figures(&mut self) -> Done<BTreeMap<String, f64>> {
        self.stdin.write_all(b"?")?;
        let mut figures = BTreeMap::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(' ') else { return Ok(figures) };
            figures.insert(name.to_owned(), value.parse()?);
        }
    }
}

fn main() -> Done<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let key = |text: &String| text.parse::<SecretKey>().map(|key| *key.as_bytes());
    match &args[..] {
        [role, secret, psk] if role == "serve" => return serve(key(secret)?, key(psk)?),
        [role, kind, to, server] if role == "flood" => {
            return flood(kind, to.parse()?, server.parse::<PublicKey>()?.as_bytes())
        }
        _ => {}
    }
    let kind = args.first().map_or("initiations", |kind| kind);
    let megabytes: u64 = args.get(1).map_or(Ok(5), |text| text.parse())?;
    let (secret, psk) = (SecretKey::from_bytes(random_key()?), random_key()?);
    let program = std::env::current_exe()?;
    let texts = [secret.to_text().to_string(), SecretKey::from_bytes(psk).to_text().to_string()];
    let mut serving = Command::new(&program);
    serving.arg("serve").args(texts);
    let mut server = Server::start(serving)?;
    let to: SocketAddr = server.line()?.trim_start_matches("addr ").parse()?;
    let newcomer = || {
        let peer = SecurePeer::new(secret.public_key()).with_psk(PresharedKey::from_bytes(psk));
        let rate = Rate::Fixed(megabytes * 8_000_000);
        KcpConfig { rate, ..config(SecureConfig::default().with_server(peer)) }
    };
    let endpoint = client(newcomer(), Ipv4Addr::LOCALHOST)?;
    let quiet = block_on(span(&endpoint, to, newcomer))?;
    let before = server.figures()?;
    let mut flooding = Command::new(&program);
    flooding.args(["flood", kind, &to.to_string(), &secret.public_key().to_string()]);
    let mut flooding = Killed(flooding.stdout(Stdio::piped()).spawn()?);
    let under = block_on(span(&endpoint, to, newcomer))?;
    let after = server.figures()?;
    if kind == "strangers" {
        let mut said = String::new();
        flooding.0.stdout.take().ok_or("no output")?.read_to_string(&mut said)?;
        print!("{said}");
    }
    let grown = |what: &str| after[what] - before[what];
    for (when, (rate, came, got_in)) in [("quiet", quiet), ("flooded", under)] {
        println!(
            "{when}: {:.2} MB/s echoed, {got_in} of {came} newcomers within a second",
            rate / 1e6
        );
    }
    let received = grown("received") / SPAN.as_secs_f64();
    println!(
        "the server: {received:.0} datagrams a second, heap {:+.0} bytes, its streams {:+.0}",
        grown("heap"),
        grown("streams")
    );
    Ok(())
}
