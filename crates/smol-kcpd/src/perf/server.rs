//! The end that is measured against.

use std::cell::Cell;
use std::time::Duration;

use super::load::{block, Count, Event, Load};
use super::wire::{Answer, Request, LEN};
use super::{Direction, BLOCK, GRACE, LAST, MORE};
use crate::figures::PathLine;
use crate::runtime::{now, within};
use smol_kcp::{KcpConfig, KcpError, KcpStream};

/// Answers measurements, one at a time.
///
/// What a stranger can cause is finite: one measurement of at most [`MAX_TIME`](super::MAX_TIME),
/// the time for what waits in queues at its end, and an answer of 8 bytes for everybody who comes
/// meanwhile.
#[derive(Debug, Default)]
pub struct PerfServer {
    busy: Cell<bool>,
}

/// The one place, given back when dropped.
struct Permit<'a>(&'a Cell<bool>);

impl<'a> Permit<'a> {
    fn take(busy: &'a Cell<bool>) -> Option<Permit<'a>> {
        (!busy.replace(true)).then(|| Permit(busy))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl PerfServer {
    /// With nothing to do.
    pub fn new() -> PerfServer {
        PerfServer::default()
    }

    /// Answers one stream of a [conversation that measures](crate::is_perf_conv), opened under
    /// `config`; returns what was measured and how fast, in words for a log. The client is told
    /// where it is refused.
    ///
    /// # Errors
    /// [`KcpError::TimedOut`] where the client is too slow; [`KcpError::Closed`] where it leaves
    /// early; what ended the stream. The stream is aborted.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the measurement ends.
    pub async fn answer(&self, stream: KcpStream, config: &KcpConfig) -> Result<String, KcpError> {
        let mut load = Load::new(stream, config);
        let mut request = [0; LEN];
        let asked = match load.read_exact(&mut request, GRACE).await {
            Ok(()) => Request::decode(&request),
            Err(error) => {
                load.stream.abort();
                return Err(error);
            }
        };
        let request = match asked {
            Ok(request) => request,
            Err(answer) => {
                refuse(load.stream, answer).await?;
                return Ok("refused: not a request that is understood".into());
            }
        };
        // The place is for who has asked, not for who keeps silent.
        let Some(permit) = Permit::take(&self.busy) else {
            refuse(load.stream, Answer::Busy).await?;
            return Ok("refused: one is under way".into());
        };
        let measured = match request.direction {
            Direction::Upload => upload(&mut load, request.time, permit).await,
            Direction::Download => download(&mut load, request.time, permit).await,
        };
        match measured {
            // Dropped, the stream delivers the report.
            Ok(bytes) => Ok(format!("{} of {bytes} bytes", request.direction)),
            Err(error) => {
                load.stream.abort();
                Err(error)
            }
        }
    }
}

async fn refuse(mut stream: KcpStream, answer: Answer) -> Result<(), KcpError> {
    let say = async {
        let answer = answer.encode();
        let mut rest = &answer[..];
        while !rest.is_empty() {
            let n = stream.send(rest).await?;
            rest = rest.get(n..).unwrap_or_default();
        }
        stream.close().await
    };
    within(GRACE, say).await.unwrap_or(Err(KcpError::TimedOut))
}

/// The client may begin its next measurement when it has the report, so the place is free before.
async fn upload(load: &mut Load, time: Duration, permit: Permit<'_>) -> Result<u64, KcpError> {
    load.write_all(&Answer::Accepted.encode(), GRACE).await?;
    let (began, mut count) = (now(), Count::new(time));
    while !count.is_over() {
        match load.next(&[]).await? {
            Event::Read(0) => return Err(KcpError::Closed),
            Event::Read(n) => count.add(n as u64),
            Event::Wrote(_) | Event::Tick => {}
        }
        if !count.has_begun() && began.elapsed() > GRACE {
            return Err(KcpError::TimedOut);
        }
    }
    drop(permit);
    load.write_all(&count.received().encode(), GRACE).await?;
    Ok(count.bytes)
}

async fn download(load: &mut Load, time: Duration, permit: Permit<'_>) -> Result<u64, KcpError> {
    load.write_all(&Answer::Accepted.encode(), GRACE).await?;
    let mut block = block();
    block[0] = MORE;
    let (began, mut at) = (now(), 0);
    while at > 0 || began.elapsed() < time {
        match load.next(&block[at..]).await? {
            Event::Wrote(n) => at = (at + n) % BLOCK,
            // There is nothing to say yet.
            Event::Read(_) => return Err(KcpError::Closed),
            Event::Tick => {}
        }
        if began.elapsed() > time + GRACE {
            return Err(KcpError::TimedOut);
        }
    }
    // While there is something under way.
    log::debug!("conversation {}: path: {}", load.stream.conv(), PathLine(&load.stream.stats()));
    load.write_all(&[LAST], GRACE).await?;
    load.read_exact(&mut [0], GRACE).await?;
    drop(permit);
    let sent = load.sent();
    load.write_all(&sent.encode(), GRACE).await?;
    if let Some(path) = &sent.path {
        // An older client has left by then; it has all that it wanted.
        let _ = load.write_all(&path.encode(), GRACE).await;
    }
    Ok(sent.payload)
}
