//! The control socket of a process: a few visitors at a time, each with one line and little time.

use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol::Task;

use super::request::{Asker, Request};
use super::{sockets, Control};
use crate::runtime::{within, Runtime};

/// Visitors at once; others wait in the system.
const VISITORS: usize = 4;

/// Time that a visitor has to ask, and again to take the answer.
const TIME: Duration = Duration::from_secs(5);

/// Bytes of a request.
const LONGEST: usize = 256;

/// Rest after accepting failed, mostly for want of descriptors.
const REST: Duration = Duration::from_secs(1);

/// Answers at the control socket, whose file goes with it.
#[derive(Debug)]
pub(crate) struct ControlListener {
    path: PathBuf,
    _visitors: Vec<Task<()>>,
}

impl ControlListener {
    /// Makes the socket. `None`: there is to be none.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn start(
        runtime: &Runtime,
        control: &Control,
        asker: &Asker,
    ) -> io::Result<Option<ControlListener>> {
        let Some((listener, path)) = sockets::bind(control)? else { return Ok(None) };
        let listener = Rc::new(Async::new(listener)?);
        let visitor = |_| runtime.spawn(serve(Rc::clone(&listener), asker.clone()));
        Ok(Some(ControlListener { path, _visitors: (0..VISITORS).map(visitor).collect() }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlListener {
    fn drop(&mut self) {
        // Without the rights that it was made with it stays, until the next process finds it dead.
        let _ = fs::remove_file(&self.path);
    }
}

/// Serves one visitor after the other.
async fn serve(listener: Rc<Async<UnixListener>>, asker: Asker) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = answer(stream, &asker).await {
                    log::debug!("control socket: {error}");
                }
            }
            Err(error) => {
                log::warn!("control socket: {error}");
                Timer::after(REST).await;
            }
        }
    }
}

async fn answer(mut stream: Async<UnixStream>, asker: &Asker) -> io::Result<()> {
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let line = within(TIME, read_line(&mut stream)).await.ok_or_else(late)??;
    let reply = match Request::parse(&line) {
        Some(request) => {
            log::debug!("control socket: {request}");
            asker.ask(request).await
        }
        None => Err("not a request".into()),
    };
    let text = match reply {
        Ok(text) => format!("ok\n{text}"),
        Err(error) => format!("error\n{error}"),
    };
    within(TIME, stream.write_all(text.as_bytes())).await.ok_or_else(late)?
}

/// Reads a line without its end.
async fn read_line(stream: &mut Async<UnixStream>) -> io::Result<String> {
    let (mut buf, mut filled) = ([0; LONGEST], 0);
    loop {
        let n = match buf.get_mut(filled..) {
            Some(room) if !room.is_empty() => stream.read(room).await?,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a request is too long")),
        };
        filled += n;
        let read = buf.get(..filled).unwrap_or_default();
        if let Some(end) = read.iter().position(|&byte| byte == b'\n') {
            return Ok(String::from_utf8_lossy(read.get(..end).unwrap_or_default()).into_owned());
        }
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
