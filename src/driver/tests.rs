use std::io;

use super::*;
use crate::transport::MemoryTransport;
use crate::{KcpConfig, KcpEndpoint};

#[test]
fn memory_for_datagrams_stays_while_there_is_traffic_and_goes_a_second_later() {
    let (transport, _other) = MemoryTransport::pair();
    let to = MemoryTransport::ADDRS[1];
    let (_endpoint, mut driver) =
        KcpEndpoint::with_driver(KcpConfig::default(), transport).unwrap();
    let second = |n: u64| Time::from_millis(1000 * n);
    let burst = |driver: &mut Driver, count| {
        assert!((0..count).all(|_| driver.transmits.push(Datagram::new(to, &[0; 1400]))));
        driver.transmits.clear();
        driver.had_traffic = true;
    };
    burst(&mut driver, 2);
    assert_eq!(driver.trim(second(0)), None, "a little may stay for good");
    burst(&mut driver, 50);
    assert_eq!(driver.trim(second(0)), Some(second(1)));
    burst(&mut driver, 50);
    assert_eq!(driver.trim(second(0)), Some(second(1)));
    assert_eq!(driver.trim(second(1)), Some(second(2)), "there was traffic since");
    assert!(driver.transmits.capacity() >= 50 * 1400);
    assert_eq!(driver.trim(second(2)), None);
    assert_eq!(driver.transmits.capacity(), 0);
    assert_eq!(driver.trim(second(3)), None);
}

/// Sends nothing anywhere, and notes how it would: datagrams and bytes of each GSO batch.
struct Notes(Arc<std::sync::Mutex<Vec<(usize, usize)>>>);

impl Transport for Notes {
    fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut Datagrams) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_send(&mut self, _: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        while let Some(gso) = batch.front_gso_batch(64, 65507) {
            let (count, bytes) = (gso.count, gso.bytes.len());
            self.0.lock().unwrap().push((count, bytes));
            batch.pop_segments(count);
        }
        Poll::Ready(Ok(()))
    }

    fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        Ok(MemoryTransport::ADDRS[0])
    }
}

#[test]
fn the_full_segments_of_one_flush_leave_in_gso_batches_of_at_most_64_kib() {
    let notes = Notes(Arc::default());
    let batches = Arc::clone(&notes.0);
    // Without waiting for an answer.
    let rate = crate::Rate::Off;
    let config = KcpConfig { stream: true, connect_timeout: None, rate, ..KcpConfig::default() };
    let (endpoint, mut driver) = KcpEndpoint::with_driver(config, notes).unwrap();
    let mut turn = || {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    };
    let peer = MemoryTransport::ADDRS[1];
    let mut stream = smol::block_on(endpoint.connect(peer)).unwrap();
    turn();
    batches.lock().unwrap().clear();
    for _ in 0..10 {
        stream.try_send(&[0; 10 * 1376]).unwrap();
    }
    turn();
    let batches = batches.lock().unwrap();
    assert_eq!(*batches, [(46, 46 * 1400), (46, 46 * 1400), (8, 8 * 1400)]);
}

/// Hands everything on, and counts the calls: receives, sends.
struct Counted(MemoryTransport, Arc<std::sync::Mutex<[usize; 2]>>);

impl Transport for Counted {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        self.1.lock().unwrap()[0] += 1;
        self.0.poll_recv(cx, batch)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        self.1.lock().unwrap()[1] += 1;
        self.0.poll_send(cx, batch)
    }

    fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.0.local_addr()
    }
}

fn poll(driver: &mut Driver) {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(Pin::new(driver).poll(&mut cx).is_pending());
}

#[test]
fn a_question_is_received_once_and_answered_once() {
    let (here, there) = MemoryTransport::pair();
    let calls = Arc::new(std::sync::Mutex::new([0; 2]));
    let config = KcpConfig { stream: true, connect_timeout: None, ..KcpConfig::default() };
    let (endpoint, mut client) = KcpEndpoint::with_driver(config.clone(), here).unwrap();
    let (listener, mut server) =
        crate::KcpListener::with_driver(config, Counted(there, Arc::clone(&calls))).unwrap();
    let mut asking = smol::block_on(endpoint.connect(MemoryTransport::ADDRS[1])).unwrap();
    for _ in 0..4 {
        poll(&mut client);
        poll(&mut server);
    }
    let (mut answering, _) = smol::block_on(listener.accept()).unwrap();
    let mut buf = [0; 8];
    for _ in 0..3 {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(answering.handle.poll_read(&mut cx, &mut buf, false).is_pending());
        *calls.lock().unwrap() = [0; 2];
        asking.try_send(b"question").unwrap();
        poll(&mut client);
        poll(&mut server);
        assert_eq!(*calls.lock().unwrap(), [1, 0], "the reader has its turn first");
        assert_eq!(answering.try_recv(&mut buf).unwrap(), 8);
        answering.try_send(b"answer").unwrap();
        poll(&mut server);
        assert_eq!(*calls.lock().unwrap(), [2, 1], "the answer, and the wait for more");
        poll(&mut client);
        assert_eq!(asking.try_recv(&mut buf).unwrap(), 6);
    }
}

/// Fails at every call.
struct Broken;

impl Transport for Broken {
    fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut Datagrams) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("broken")))
    }

    fn poll_send(&mut self, _: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        batch.pop_front();
        Poll::Ready(Err(io::Error::other("broken")))
    }

    fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        Ok(MemoryTransport::ADDRS[0])
    }
}

#[test]
fn a_transport_that_always_fails_has_ended() {
    let (endpoint, mut driver) = KcpEndpoint::with_driver(KcpConfig::default(), Broken).unwrap();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut polls = 0;
    let end = loop {
        polls += 1;
        match Pin::new(&mut driver).poll(&mut cx) {
            Poll::Pending => assert!(polls < 100),
            Poll::Ready(end) => break end,
        }
    };
    assert!(matches!(end, Err(KcpError::Io(_))), "{end:?}");
    let connected = smol::block_on(endpoint.connect(MemoryTransport::ADDRS[1]));
    assert!(matches!(connected, Err(KcpError::Io(_))), "{connected:?}");
}

/// Receives one datagram, and then only what it drops.
struct Leaky {
    calls: u64,
}

impl Transport for Leaky {
    fn poll_recv(&mut self, _: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        self.calls += 1;
        if self.calls > 1 {
            return Poll::Pending;
        }
        batch.push(Datagram::new(MemoryTransport::ADDRS[1], b"noise"));
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, _: &mut Context<'_>, _: &mut Datagrams) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        Ok(MemoryTransport::ADDRS[0])
    }

    fn dropped(&self) -> u64 {
        u64::from(self.calls > 1)
    }
}

#[test]
fn what_is_dropped_while_nothing_arrives_is_counted_before_the_driver_waits() {
    let (endpoint, mut driver) =
        KcpEndpoint::with_driver(KcpConfig::default(), Leaky { calls: 0 }).unwrap();
    poll(&mut driver);
    let stats = endpoint.stats();
    assert_eq!((stats.malformed, stats.receive_dropped), (1, 1));
}

/// Fails to send every other datagram, and counts the others.
struct Flaky(Arc<std::sync::Mutex<usize>>);

impl Transport for Flaky {
    fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut Datagrams) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_send(&mut self, _: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        if batch.len() > 1 {
            *self.0.lock().unwrap() += 1;
            batch.pop_front();
        }
        batch.pop_front();
        Poll::Ready(Err(io::ErrorKind::HostUnreachable.into()))
    }

    fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        Ok(MemoryTransport::ADDRS[0])
    }
}

#[test]
fn what_is_behind_a_failed_datagram_leaves_all_the_same() {
    let sent = Arc::new(std::sync::Mutex::new(0));
    let config = KcpConfig { stream: true, connect_timeout: None, ..KcpConfig::default() };
    let (endpoint, mut driver) =
        KcpEndpoint::with_driver(config, Flaky(Arc::clone(&sent))).unwrap();
    let mut stream = smol::block_on(endpoint.connect(MemoryTransport::ADDRS[1])).unwrap();
    poll(&mut driver);
    *sent.lock().unwrap() = 0;
    stream.try_send(&[0; 6 * 1376]).unwrap();
    poll(&mut driver);
    assert_eq!((*sent.lock().unwrap(), driver.transmits.len()), (3, 0));
}

#[cfg(feature = "netem")]
#[test]
fn counters_of_a_bad_network_are_there_before_the_first_turn() {
    let config = KcpConfig::default().with_netem(Some(crate::NetemConfig::default()));
    let (transport, _other) = MemoryTransport::pair();
    let (endpoint, _driver) = KcpEndpoint::with_driver(config, transport).unwrap();
    assert_eq!(endpoint.stats().netem, Some(Default::default()));
}
