//! The control socket of a process: one visitor after the other, each with one line and little time.

use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol::Task;

use super::request::{Form, Mailbox, Request};
use super::sockets;
use crate::limits::is_exhaustion;
use crate::running::Running;
use crate::runtime::{within, Runtime};
use crate::status::{as_json, as_table};
use crate::Control;

/// Time that a visitor has to ask and to take the answer, while others wait in the system.
const TIME: Duration = Duration::from_secs(5);

/// Bytes of a request.
const LONGEST: usize = 256;

/// Rest after accepting failed, mostly for want of descriptors.
const REST: Duration = Duration::from_secs(1);

/// Answers at the control socket, whose file goes with it.
#[derive(Debug)]
pub(crate) struct ControlListener {
    path: PathBuf,
    _serving: Task<()>,
}

impl ControlListener {
    /// Makes the socket. `None`: there is to be none.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn start(
        runtime: &Runtime,
        control: &Control,
        running: Rc<Running>,
        mailbox: Rc<Mailbox>,
    ) -> io::Result<Option<ControlListener>> {
        let Some((listener, path)) = sockets::bind(control)? else { return Ok(None) };
        let serving = runtime.spawn(serve(Async::new(listener)?, running, mailbox));
        Ok(Some(ControlListener { path, _serving: serving }))
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
async fn serve(listener: Async<UnixListener>, running: Rc<Running>, mailbox: Rc<Mailbox>) {
    loop {
        let visit = async {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => return Err(error),
            };
            let late = || Err(io::ErrorKind::TimedOut.into());
            within(TIME, answer(stream, &running, &mailbox)).await.unwrap_or_else(late)
        };
        if let Err(error) = visit.await {
            log::debug!("control socket: {error}");
            if is_exhaustion(&error) {
                Timer::after(REST).await;
            }
        }
    }
}

async fn answer(
    mut stream: Async<UnixStream>,
    running: &Running,
    mailbox: &Mailbox,
) -> io::Result<()> {
    let line = read_line(&mut stream).await?;
    let reply = match Request::parse(&line) {
        Some(request) => {
            log::debug!("control socket: {request}");
            match request {
                Request::Status { form: Form::Json, streams } => {
                    Ok(as_json(&running.status(streams)))
                }
                Request::Status { form: Form::Table, streams } => {
                    Ok(as_table(&running.status(streams)))
                }
                order => mailbox.ask(order).await,
            }
        }
        None => Err("not a request".into()),
    };
    let text = match reply {
        Ok(text) => ["ok\n", &text].concat(),
        Err(error) => ["error\n", &error].concat(),
    };
    stream.write_all(text.as_bytes()).await
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
