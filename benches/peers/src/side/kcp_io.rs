use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use kcp_io::core::KcpConfig;
use kcp_io::tokio_rt::{KcpListener, KcpSessionConfig, KcpStream};
use peers::peer::{other, Credit, Options, Peer, INTERVAL, MTU, RESEND, WINDOW};
use peers::runtime::{Bytes, Tokio};

pub struct KcpIo;

/// Bytes of one call, well below its limit of 127 segments.
const CHUNK: usize = 64 * 1024;

fn config() -> KcpSessionConfig {
    KcpSessionConfig {
        kcp_config: KcpConfig {
            nodelay: true,
            interval: INTERVAL,
            resend: RESEND as i32,
            nc: true,
            mtu: MTU as u32,
            snd_wnd: u32::from(WINDOW),
            rcv_wnd: u32::from(WINDOW),
            stream_mode: true,
            ..KcpConfig::default()
        },
        flush_interval: Duration::from_millis(u64::from(INTERVAL)),
        timeout: None,
        ..KcpSessionConfig::default()
    }
}

/// By its own calls: its `AsyncRead` spins, and on the server it reads the listener's socket.
pub struct Stream {
    kcp: KcpStream,
    /// A segment that was longer than what was asked for, and what is left of it.
    rest: Vec<u8>,
    left: Range<usize>,
}

impl Stream {
    fn new(kcp: KcpStream) -> Stream {
        Stream { kcp, rest: Vec::new(), left: 0..0 }
    }
}

impl Peer for KcpIo {
    // Its sending takes everything at once, whatever waits already.
    const CREDIT: Option<Credit> = Some(Credit { every: 256 << 10, ahead: 2 << 20 });

    type Runtime = Tokio;
    type Listener = KcpListener;
    type Stream = Stream;

    async fn bind(_: Options) -> io::Result<(KcpListener, SocketAddr)> {
        let listener = KcpListener::bind("127.0.0.1:0", config()).await.map_err(other)?;
        let addr = listener.local_addr();
        Ok((listener, addr))
    }

    async fn accept(listener: &mut KcpListener) -> io::Result<Stream> {
        Ok(Stream::new(listener.accept().await.map_err(other)?.0))
    }

    async fn connect(_: Options, addr: SocketAddr) -> io::Result<Stream> {
        Ok(Stream::new(KcpStream::connect(addr, config()).await.map_err(other)?))
    }
}

impl Bytes<Tokio> for Stream {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Stream { kcp, rest, left } = self;
        if left.start < left.end {
            let n = left.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[left.start..left.start + n]);
            left.start += n;
            return Ok(n);
        }
        // It hands over whole segments only, and never more than one.
        if buf.len() >= MTU {
            return kcp.recv_kcp_buf(buf).await.map_err(other);
        }
        rest.resize(MTU, 0);
        let len = kcp.recv_kcp_buf(rest).await.map_err(other)?;
        let n = len.min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        *left = n..len;
        Ok(n)
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            self.kcp.send_kcp(chunk).await.map_err(other)?;
        }
        Ok(())
    }
}
