//! The runtimes that the peers are made for, one thread each, and how connections carry bytes there.

use std::future::Future;
use std::io;
use std::time::Duration;

use smol::LocalExecutor;

pub trait Runtime: 'static {
    /// Runs it as a task, and all that it spawns, on this thread.
    fn run(future: impl Future<Output = ()> + Send + 'static);
    fn spawn(future: impl Future<Output = ()> + Send + 'static);
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;
}

/// A connection. Of a runtime, since tokio's and smol's streams are of different traits, and one
/// type might be of both.
pub trait Bytes<R>: Send + 'static {
    /// Some bytes.
    fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;

    /// All of them, on their way at once.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// Fills `buf`.
    fn read_exact(&mut self, buf: &mut [u8]) -> impl Future<Output = io::Result<()>> + Send {
        async move {
            let mut filled = 0;
            while filled < buf.len() {
                match self.read(&mut buf[filled..]).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    n => filled += n,
                }
            }
            Ok(())
        }
    }
}

/// Tokio's current-thread runtime.
pub struct Tokio;

impl Runtime for Tokio {
    fn run(future: impl Future<Output = ()> + Send + 'static) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        runtime.block_on(runtime.spawn(future)).expect("the task");
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(future));
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl<S> Bytes<Tokio> for S
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        tokio::io::AsyncReadExt::read(self, buf).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        tokio::io::AsyncWriteExt::write_all(self, bytes).await
    }
}

/// Smol with a local executor.
pub struct Smol;

thread_local! {
    static EXECUTOR: &'static LocalExecutor<'static> = Box::leak(Box::default());
}

impl Runtime for Smol {
    fn run(future: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.with(|executor| smol::block_on(executor.run(executor.spawn(future))));
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.with(|executor| executor.spawn(future).detach());
    }

    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }
}

impl<S> Bytes<Smol> for S
where
    S: smol::io::AsyncRead + smol::io::AsyncWrite + Send + Unpin + 'static,
{
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        smol::io::AsyncReadExt::read(self, buf).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        smol::io::AsyncWriteExt::write_all(self, bytes).await
    }
}
