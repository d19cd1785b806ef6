//! A transport within one process.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use smol_kcp_proto::limits::MTU_MAX;

use super::{Datagram, Datagrams, Transport};

/// Hands datagrams over in memory to the other end of a pair: for tests, and for two parts of one
/// program.
///
/// The ends have the made-up addresses [`ADDRS`](MemoryTransport::ADDRS), those of every pair.
/// Each direction holds [`QUEUE`](MemoryTransport::QUEUE) datagrams; what comes on top, or is sent
/// to any address but the other end's, is dropped and counted by the end that sent it.
///
/// When one end is dropped, the other receives what was sent before; then receiving, and sending
/// at once, give errors of kind `BrokenPipe`.
///
/// ```
/// use smol_kcp::{Datagram, Datagrams, MemoryTransport, Transport};
/// use std::future::poll_fn;
///
/// # futures_lite::future::block_on(async {
/// let (mut here, mut there) = MemoryTransport::pair();
/// let mut batch = Datagrams::new(16);
/// batch.push(Datagram::new(there.local_addr()?, b"hello"));
/// poll_fn(|cx| here.poll_send(cx, &mut batch)).await?;
///
/// poll_fn(|cx| there.poll_recv(cx, &mut batch)).await?;
/// assert_eq!(batch.front(), Some(Datagram::new(here.local_addr()?, b"hello")));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct MemoryTransport {
    local: SocketAddr,
    peer: SocketAddr,
    inward: Arc<Mutex<Queue>>,
    outward: Arc<Mutex<Queue>>,
    dropped: u64,
}

/// Holds what is on its way in one direction.
#[derive(Debug)]
struct Queue {
    datagrams: Datagrams,
    /// The waker of the receiving end, while it waits.
    waker: Option<Waker>,
    /// One of the ends is gone.
    closed: bool,
}

impl MemoryTransport {
    /// The addresses of the first and the second end, from a block that no network uses (RFC 5737).
    pub const ADDRS: [SocketAddr; 2] = [
        SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 1)),
        SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 2)),
    ];

    /// Datagrams that each direction holds.
    pub const QUEUE: usize = 256;

    /// Bytes of the longest datagram, as with UDP over IPv4.
    pub const MAX_DATAGRAM: usize = MTU_MAX;

    /// Makes two connected ends.
    pub fn pair() -> (MemoryTransport, MemoryTransport) {
        let queue = || {
            let datagrams = Datagrams::new(Self::QUEUE);
            Arc::new(Mutex::new(Queue { datagrams, waker: None, closed: false }))
        };
        let (there, back) = (queue(), queue());
        let [first, second] = Self::ADDRS;
        let end = |local, peer, inward, outward| MemoryTransport {
            local,
            peer,
            inward,
            outward,
            dropped: 0,
        };
        (end(first, second, back.clone(), there.clone()), end(second, first, there, back))
    }
}

impl Transport for MemoryTransport {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        if batch.is_full() {
            return Poll::Ready(Ok(()));
        }
        let mut queue = lock(&self.inward);
        if queue.datagrams.is_empty() {
            if queue.closed {
                return Poll::Ready(Err(gone()));
            }
            let stale = queue.waker.replace(cx.waker().clone());
            drop(queue);
            // A waker is foreign code, its drop included: never under the lock.
            drop(stale);
            return Poll::Pending;
        }
        while let Some(datagram) = queue.datagrams.front() {
            if !batch.push(datagram) {
                break;
            }
            queue.datagrams.pop_front();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, _: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        let mut queue = lock(&self.outward);
        let mut result = Ok(());
        while let (Some(Datagram { peer, payload, .. }), Ok(())) = (batch.front(), &result) {
            if queue.closed {
                result = Err(gone());
            } else if payload.len() > Self::MAX_DATAGRAM {
                result = Err(too_long(payload.len()));
            } else if peer != self.peer || !queue.datagrams.push(Datagram::new(self.local, payload))
            {
                self.dropped += 1;
            }
            batch.pop_front();
        }
        let waker = if queue.datagrams.is_empty() { None } else { queue.waker.take() };
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        Poll::Ready(result)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        let own = {
            let mut inward = lock(&self.inward);
            inward.closed = true;
            inward.datagrams.release();
            inward.waker.take()
        };
        drop(own);
        let others = {
            let mut outward = lock(&self.outward);
            outward.closed = true;
            outward.waker.take()
        };
        if let Some(waker) = others {
            waker.wake();
        }
    }
}

/// Locks a queue, after a panic too: no step under the lock leaves it half changed.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other end was dropped")
}

fn too_long(len: usize) -> io::Error {
    let max = MemoryTransport::MAX_DATAGRAM;
    let text = format!("datagram of {len} bytes, at most {max} are accepted");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use futures_lite::future::block_on;

    use super::*;

    const SECOND: SocketAddr = MemoryTransport::ADDRS[1];

    fn batch(to: SocketAddr, datagrams: &[&[u8]]) -> Datagrams {
        let mut batch = Datagrams::new(datagrams.len());
        assert!(datagrams.iter().all(|datagram| batch.push(Datagram::new(to, datagram))));
        batch
    }

    fn send(from: &mut MemoryTransport, batch: &mut Datagrams) -> io::Result<()> {
        block_on(poll_fn(|cx| from.poll_send(cx, batch)))
    }

    fn recv(to: &mut MemoryTransport, max: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut batch = Datagrams::new(max);
        block_on(poll_fn(|cx| to.poll_recv(cx, &mut batch)))?;
        let from = to.peer;
        assert!(batch.iter().all(|datagram| datagram.peer == from));
        Ok(batch.iter().map(|datagram| datagram.payload.to_vec()).collect())
    }

    /// Counts its wakes, and takes the lock of a direction to prove that nobody else holds it.
    struct Count(AtomicUsize, Arc<Mutex<Queue>>);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            assert!(self.1.try_lock().is_ok(), "woken under the lock");
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn datagrams_arrive_in_order_and_no_more_than_the_batch_takes() {
        let (mut a, mut b) = MemoryTransport::pair();
        send(&mut a, &mut batch(SECOND, &[b"1", b"", b"3"])).unwrap();
        assert_eq!(recv(&mut b, 2).unwrap(), [b"1".to_vec(), b"".to_vec()]);
        assert_eq!(recv(&mut b, 2).unwrap(), [b"3".to_vec()]);
        let back = b.peer;
        send(&mut b, &mut batch(back, &[b"back"])).unwrap();
        assert_eq!(recv(&mut a, 2).unwrap(), [b"back".to_vec()]);
    }

    #[test]
    fn what_finds_the_queue_full_or_nobody_there_is_dropped_and_counted() {
        let (mut a, mut b) = MemoryTransport::pair();
        let full = vec![&b"x"[..]; MemoryTransport::QUEUE + 3];
        send(&mut a, &mut batch(SECOND, &full)).unwrap();
        assert_eq!(a.dropped(), 3);
        assert_eq!(recv(&mut b, 1000).unwrap().len(), MemoryTransport::QUEUE);
        let nobody = ([192, 0, 2, 9], 9).into();
        send(&mut a, &mut batch(nobody, &[b"lost"])).unwrap();
        assert_eq!((a.dropped(), b.dropped()), (4, 0));

        let long = vec![0; MemoryTransport::MAX_DATAGRAM + 1];
        let mut mixed = batch(SECOND, &[&long, b"next"]);
        let error = send(&mut a, &mut mixed).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        send(&mut a, &mut mixed).unwrap();
        assert_eq!(recv(&mut b, 9).unwrap(), [b"next".to_vec()]);
    }

    #[test]
    fn the_waiting_end_is_woken_once_by_data_and_by_the_drop_of_the_other() {
        let (mut a, mut b) = MemoryTransport::pair();
        let count = Arc::new(Count(AtomicUsize::new(0), b.inward.clone()));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let mut got = Datagrams::new(4);
        assert!(b.poll_recv(&mut cx, &mut got).is_pending());
        assert!(b.poll_recv(&mut cx, &mut got).is_pending());
        send(&mut a, &mut batch(SECOND, &[b"1", b"2"])).unwrap();
        send(&mut a, &mut batch(SECOND, &[b"3"])).unwrap();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(b.poll_recv(&mut cx, &mut got).is_ready());
        assert_eq!(got.len(), 3);
        assert!(b.poll_recv(&mut cx, &mut got).is_pending());
        drop(a);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_end_that_is_left_drains_its_queue_and_then_learns_of_the_end() {
        let (mut a, mut b) = MemoryTransport::pair();
        send(&mut a, &mut batch(SECOND, &[b"last"])).unwrap();
        drop(a);
        assert_eq!(recv(&mut b, 4).unwrap(), [b"last".to_vec()]);
        assert_eq!(recv(&mut b, 4).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let back = b.peer;
        let mut out = batch(back, &[b"too", b"late"]);
        assert_eq!(send(&mut b, &mut out).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(out.len(), 1, "the failed one has been removed");
    }
}
