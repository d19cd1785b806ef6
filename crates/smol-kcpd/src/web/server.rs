//! Connections: a few at a time, each with one short request and little time.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol::Task;

use super::find::{answer_to, Offer};
use crate::listen::listen;
use crate::running::Running;
use crate::runtime::{within, Runtime};
use crate::Process;

/// Connections at once; others wait in the system. A browser opens six.
const CONNECTIONS: usize = 16;

/// Time of a connection.
const TIME: Duration = Duration::from_secs(10);

/// Bytes of a head.
const LONGEST: usize = 4096;

/// Time before binding is tried again, and accepting after it failed.
const REST: Duration = Duration::from_secs(2);

/// Serves what the settings of the process want, where they want it. What cannot be bound is tried again for ever.
pub(crate) fn serve_all(
    runtime: &Runtime,
    process: &Process,
    running: &Rc<Running>,
) -> Vec<Task<()>> {
    let (http, metrics) = (process.http, process.metrics);
    let mut tasks = Vec::new();
    let mut start = |addr: Option<SocketAddr>, page, metrics| {
        let Some(addr) = addr else { return };
        let offer = Offer { page, metrics, is_loopback: addr.ip().is_loopback() };
        // The first time with the rights that the process was started with.
        let bound = listen(addr);
        let running = Rc::clone(running);
        tasks.push(runtime.spawn(serve(runtime.clone(), addr, bound, offer, running)));
    };
    match http == metrics {
        true => start(http, true, true),
        false => {
            start(http, true, false);
            start(metrics, false, true);
        }
    }
    tasks
}

async fn serve(
    runtime: Runtime,
    addr: SocketAddr,
    mut bound: io::Result<Async<TcpListener>>,
    offer: Offer,
    running: Rc<Running>,
) {
    let listener = loop {
        match bound {
            Ok(listener) => break listener,
            Err(error) => log::error!("http: cannot listen at {addr}: {error}; will try again"),
        }
        Timer::after(REST).await;
        bound = listen(addr);
    };
    let at = listener.get_ref().local_addr().unwrap_or(addr);
    if offer.page {
        log::info!("http: the page is at http://{at}/");
    }
    if offer.metrics {
        log::info!("http: metrics are at http://{at}/metrics");
    }
    // A place for each connection.
    let (places, taken) = async_channel::bounded(CONNECTIONS);
    loop {
        let _ = places.send(()).await; // both ends are here
        match listener.accept().await {
            Ok((stream, _)) => {
                let (running, taken) = (Rc::clone(&running), taken.clone());
                let connection = async move {
                    if let Some(Err(error)) = within(TIME, answer(stream, offer, &running)).await {
                        log::debug!("http: {error}");
                    }
                    let _ = taken.try_recv(); // its own
                };
                runtime.spawn(connection).detach();
            }
            Err(error) => {
                let _ = taken.try_recv();
                log::warn!("http: {error}");
                Timer::after(REST).await;
            }
        }
    }
}

async fn answer(mut stream: Async<TcpStream>, offer: Offer, running: &Running) -> io::Result<()> {
    let head = read_head(&mut stream).await?;
    let answer = answer_to(&head, &offer, running);
    stream.write_all(&answer).await?;
    stream.close().await
}

/// Reads a head without the empty line behind it.
async fn read_head(stream: &mut Async<TcpStream>) -> io::Result<Vec<u8>> {
    let (mut buf, mut filled) = (vec![0; LONGEST], 0);
    loop {
        let n = match buf.get_mut(filled..) {
            Some(room) if !room.is_empty() => stream.read(room).await?,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a head is too long")),
        };
        filled += n;
        let read = buf.get(..filled).unwrap_or_default();
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            buf.truncate(end);
            return Ok(buf);
        }
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
