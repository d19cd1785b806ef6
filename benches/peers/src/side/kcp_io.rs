use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use kcp_io::core::KcpConfig;
use kcp_io::tokio_rt::{KcpListener, KcpSessionConfig, KcpStream};
use peers::peer::{other, Credit, Options, Peer, INTERVAL, MTU, RESEND, WINDOW};
use peers::tokio_runtime;

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
impl Peer for KcpIo {
    // Its sending takes everything at once, whatever waits already.
    const CREDIT: Option<Credit> = Some(Credit { every: 256 << 10, ahead: 2 << 20 });

    type Listener = KcpListener;
    type Stream = (KcpStream, Vec<u8>, std::ops::Range<usize>);

    fn run(future: impl Future<Output = ()> + Send + 'static) {
        tokio_runtime::run(future);
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        tokio_runtime::spawn(future);
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn bind(_: Options) -> io::Result<(KcpListener, SocketAddr)> {
        let listener = KcpListener::bind("127.0.0.1:0", config()).await.map_err(other)?;
        let addr = listener.local_addr();
        Ok((listener, addr))
    }

    async fn accept(listener: &mut KcpListener) -> io::Result<Self::Stream> {
        Ok((listener.accept().await.map_err(other)?.0, Vec::new(), 0..0))
    }

    async fn connect(_: Options, addr: SocketAddr) -> io::Result<Self::Stream> {
        Ok((KcpStream::connect(addr, config()).await.map_err(other)?, Vec::new(), 0..0))
    }

    async fn read((stream, rest, left): &mut Self::Stream, buf: &mut [u8]) -> io::Result<usize> {
        if left.start < left.end {
            let n = left.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[left.start..left.start + n]);
            left.start += n;
            return Ok(n);
        }
        // It hands over whole segments only, and never more than one.
        if buf.len() >= MTU {
            return stream.recv_kcp_buf(buf).await.map_err(other);
        }
        rest.resize(MTU, 0);
        let len = stream.recv_kcp_buf(rest).await.map_err(other)?;
        let n = len.min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        *left = n..len;
        Ok(n)
    }

    async fn write((stream, ..): &mut Self::Stream, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            stream.send_kcp(chunk).await.map_err(other)?;
        }
        Ok(())
    }
}
