//! The first words of a connection, while it is not known whether the server still knows its session.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use async_channel::Receiver;
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_kcp::KcpError;

use super::session::ClientSession;
use super::slots::Slots;
use crate::relay::{RelayError, Tcp};
use crate::runtime::within;

/// Bytes that are kept, to be said again: a request and more.
const KEPT: usize = 16 * 1024;

/// Opens a stream for a connection.
///
/// It is used at once, and the server is asked beside that: nobody waits for a round trip. If it turns out that the
/// server knows nothing of the session, then nothing that was said has gotten beyond it, and it is said again in
/// another session.
///
/// # Errors
/// [`KcpError::TimedOut`] if no session is there within `limit`, and what ends a session or the connection.
pub(super) async fn open(
    slots: &Slots,
    tcp: &Tcp,
    limit: Duration,
) -> Result<smol_smux::Stream, RelayError> {
    let (session, stream) = open_in(slots, limit).await?;
    let (Some(answer), Some(mut tcp)) = (session.question(), tcp.stream()) else {
        return Ok(stream);
    };
    let (mut stream, mut said, mut buf) = (stream, Vec::new(), vec![0; KEPT]);
    let (mut session, mut answer) = (session, answer);
    let mut ended = false;
    loop {
        let read = async {
            match ended || said.len() >= KEPT {
                true => future::pending().await,
                false => Some(tcp.read(&mut buf[..KEPT - said.len()]).await),
            }
        };
        let answered = async {
            session.answered(&answer).await;
            None
        };
        match future::or(answered, read).await {
            None if session.is_forgotten().await => {
                (session, stream) = open_in(slots, limit).await?;
                stream.write_all(&said).await.map_err(RelayError::Kcp)?;
                match session.question() {
                    Some(again) => answer = again,
                    None => return Ok(stream),
                }
            }
            None => return Ok(stream),
            // The relay meets the end again.
            Some(Ok(0)) => ended = true,
            Some(Ok(n)) => {
                said.extend_from_slice(&buf[..n]);
                write(&session, &answer, &mut stream, &buf[..n]).await?;
            }
            Some(Err(error)) => return Err(RelayError::Tcp(error)),
        }
    }
}

/// Writes, unless the session turns out to be forgotten: then all of it is said again.
async fn write(
    session: &Rc<ClientSession>,
    answer: &Receiver<()>,
    stream: &mut smol_smux::Stream,
    bytes: &[u8],
) -> Result<(), RelayError> {
    let written = stream.write_all(bytes).await;
    if written.is_err() {
        session.answered(answer).await;
    }
    match written {
        Err(_) if session.is_forgotten().await => Ok(()),
        written => written.map_err(RelayError::Kcp),
    }
}

async fn open_in(
    slots: &Slots,
    limit: Duration,
) -> Result<(Rc<ClientSession>, smol_smux::Stream), RelayError> {
    let opened = within(limit, slots.open()).await.unwrap_or(Err(KcpError::TimedOut));
    opened.map_err(|error| RelayError::Kcp(io::Error::from(error)))
}
