//! Connecting to a peer with several addresses (RFC 8305).

use std::future::{poll_fn, Future};
use std::io;
use std::net::SocketAddr;
use std::pin::{pin, Pin};
use std::task::Poll;
use std::time::Duration;

use async_io::Timer;

/// Time from the beginning of one attempt to that of the next (RFC 8305, section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to one of several addresses by RFC 8305: the families alternate; after 250 ms an
/// attempt to the next address joins one that has not ended, after a failure it begins at once. The
/// first connection is returned, and the other attempts are dropped.
///
/// There is no limit in time: the caller sets one.
///
/// # Errors
/// That of the attempt that failed last; `NotFound` without an address.
///
/// # Cancel safety
/// Dropped before it is done, every attempt is dropped.
///
/// # Examples
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// use smol::net::{resolve, TcpStream};
///
/// let addrs = resolve("server.example:80").await?;
/// let (addr, stream) = smol_kcp::happy_eyeballs(&addrs, TcpStream::connect).await?;
/// # Ok(())
/// # }
/// ```
pub async fn happy_eyeballs<T, E, F>(
    addrs: &[SocketAddr],
    mut connect: impl FnMut(SocketAddr) -> F,
) -> Result<(SocketAddr, T), E>
where
    E: From<io::Error>,
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = interleave(addrs).into_iter();
    let mut attempts: Vec<(SocketAddr, Pin<Box<F>>)> = Vec::new();
    let mut failed: E = io::Error::new(io::ErrorKind::NotFound, "the name has no address").into();
    let mut timer = pin!(Timer::after(Duration::ZERO));
    poll_fn(|cx| loop {
        let mut begins = attempts.is_empty();
        let mut at = 0;
        while let Some((addr, attempt)) = attempts.get_mut(at) {
            match attempt.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(connected)) => return Poll::Ready(Ok((*addr, connected))),
                Poll::Ready(Err(error)) => {
                    failed = error;
                    begins = true;
                    drop(attempts.remove(at));
                }
            }
        }
        if waiting.len() > 0 && timer.as_mut().poll(cx).is_ready() {
            begins = true;
        }
        match if begins { waiting.next() } else { None } {
            Some(addr) => {
                timer.set(Timer::after(ATTEMPT_DELAY));
                attempts.push((addr, Box::pin(connect(addr))));
            }
            None if attempts.is_empty() => {
                let none = io::Error::from(io::ErrorKind::NotFound).into();
                return Poll::Ready(Err(std::mem::replace(&mut failed, none)));
            }
            None => return Poll::Pending,
        }
    })
    .await
}

/// Orders addresses so that the families alternate, beginning with that of the first; within a
/// family the order stays (RFC 8305, section 4).
fn interleave(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addrs.first().map(SocketAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) =
        addrs.iter().copied().partition(|addr| Some(addr.is_ipv6()) == first);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut mixed = Vec::with_capacity(addrs.len());
    while mixed.len() < addrs.len() {
        mixed.extend(same.next());
        mixed.extend(other.next());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures_lite::future;

    use super::*;

    fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// What an attempt to the address of each port does.
    async fn attempt(addr: SocketAddr, begun: &RefCell<Vec<u16>>) -> io::Result<&'static str> {
        begun.borrow_mut().push(addr.port());
        match addr.port() {
            1 => future::pending().await,
            2 => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => Ok("connected"),
        }
    }

    fn race(texts: &[&str]) -> (io::Result<u16>, Vec<u16>) {
        let begun = RefCell::default();
        let addrs = addrs(texts);
        let raced = happy_eyeballs(&addrs, |addr| attempt(addr, &begun));
        let raced = future::block_on(raced).map(|(addr, _)| addr.port());
        (raced, begun.into_inner())
    }

    #[test]
    fn families_alternate_and_keep_their_order() {
        let six = addrs(&["[::1]:1", "[::1]:2", "[::1]:3", "1.1.1.1:4", "1.1.1.1:5"]);
        let ports: Vec<u16> = interleave(&six).iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [1, 4, 2, 5, 3]);
        assert_eq!(interleave(&[]), []);
    }

    #[test]
    fn a_silent_address_and_one_that_refuses_are_followed_by_the_next() {
        let (raced, begun) = race(&["1.1.1.1:1", "1.1.1.1:2", "[::1]:2", "1.1.1.1:7", "1.1.1.1:8"]);
        assert_eq!((raced.unwrap(), begun), (7, vec![1, 2, 2, 7]));
    }

    #[test]
    fn where_all_fail_the_last_error_is_told_and_none_is_an_error_too() {
        let (raced, begun) = race(&["1.1.1.1:2", "[::1]:2"]);
        assert_eq!(raced.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(begun, [2, 2]);
        assert_eq!(race(&[]).0.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
