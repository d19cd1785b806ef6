use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use peers::peer::{Options, Peer};
use peers::tokio_runtime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub struct Tcp;

impl Peer for Tcp {
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn run(future: impl Future<Output = ()> + Send + 'static) {
        tokio_runtime::run(future);
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        tokio_runtime::spawn(future);
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn bind(_: Options) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn connect(_: Options, addr: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn read(stream: &mut TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        stream.read(buf).await
    }

    async fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes).await
    }
}
