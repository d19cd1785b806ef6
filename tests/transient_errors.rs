//! Errors of a transport that are not its end.

mod common;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use common::{chat, pattern, read_pattern, run, stream};
use futures_lite::{future, AsyncWriteExt};
use smol_kcp::{Datagrams, KcpEndpoint, KcpError, MemoryTransport, Transport};

/// Fails at every third call of either direction; a datagram that failed to be sent is lost.
struct Flaky {
    inner: MemoryTransport,
    receives: usize,
    sends: usize,
}

/// What systems say when routes change, networks go down, or memory is short.
const TRANSIENT: [ErrorKind; 6] = [
    ErrorKind::NetworkUnreachable,
    ErrorKind::HostUnreachable,
    ErrorKind::NetworkDown,
    ErrorKind::ConnectionReset,
    ErrorKind::PermissionDenied,
    ErrorKind::OutOfMemory,
];

/// The error of every third call.
fn next_error(calls: &mut usize) -> Option<io::Error> {
    *calls += 1;
    let kind = TRANSIENT[*calls / 3 % TRANSIENT.len()];
    (*calls % 3 == 0).then(|| kind.into())
}

impl Transport for Flaky {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        match next_error(&mut self.receives) {
            Some(error) => Poll::Ready(Err(error)),
            None => self.inner.poll_recv(cx, batch),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        match next_error(&mut self.sends) {
            Some(error) => {
                batch.pop_front();
                Poll::Ready(Err(error))
            }
            None => self.inner.poll_send(cx, batch),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

#[test]
fn a_transport_that_fails_now_and_then_loses_no_stream() {
    run(async {
        let (here, there) = MemoryTransport::pair();
        let flaky = |inner| Flaky { inner, receives: 0, sends: 0 };
        let (endpoint, driver) = KcpEndpoint::with_driver(stream(), flaky(here)).unwrap();
        let (other, other_driver) = KcpEndpoint::with_driver(stream(), flaky(there)).unwrap();
        let _driving = [smol::spawn(driver), smol::spawn(other_driver)];
        let door = other.listen();
        let connecting = endpoint.connect(other.local_addr().unwrap());
        let (client, accepted) = future::zip(connecting, door.accept()).await;
        let (mut client, (mut server, _)) = (client.unwrap(), accepted.unwrap());
        let writing = async {
            client.write_all(&pattern(300_000)).await.unwrap();
            client.close().await.unwrap();
        };
        let (_, len) = future::zip(writing, read_pattern(&mut server)).await;
        assert_eq!(len, 300_000);
        for stats in [endpoint.stats(), other.stats()] {
            assert!(stats.transport_errors > 2, "{stats:?}");
        }
    });
}

#[test]
fn only_a_refusal_ends_a_connect_and_it_ends_nothing_else() {
    /// Says once that nobody listens.
    struct Refusing {
        inner: MemoryTransport,
        refusals: async_channel::Receiver<()>,
    }

    impl Transport for Refusing {
        fn poll_recv(
            &mut self,
            cx: &mut Context<'_>,
            batch: &mut Datagrams,
        ) -> Poll<io::Result<()>> {
            match self.refusals.try_recv() {
                Ok(()) => Poll::Ready(Err(ErrorKind::ConnectionRefused.into())),
                Err(_) => self.inner.poll_recv(cx, batch),
            }
        }

        fn poll_send(
            &mut self,
            cx: &mut Context<'_>,
            batch: &mut Datagrams,
        ) -> Poll<io::Result<()>> {
            self.inner.poll_send(cx, batch)
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            self.inner.local_addr()
        }
    }

    run(async {
        let (inner, there) = MemoryTransport::pair();
        let (refuse, refusals) = async_channel::unbounded();
        let (endpoint, driver) =
            KcpEndpoint::with_driver(stream(), Refusing { inner, refusals }).unwrap();
        let (other, other_driver) = KcpEndpoint::with_driver(stream(), there).unwrap();
        let _driving = [smol::spawn(driver), smol::spawn(other_driver)];
        let addr = other.local_addr().unwrap();
        common::echo(other.listen());
        let mut client = endpoint.connect(addr).await.unwrap();
        chat(&mut client, b"before").await;

        refuse.try_send(()).unwrap();
        let refused = endpoint.connect("192.0.2.77:7").await;
        assert!(matches!(refused, Err(KcpError::Refused)), "{refused:?}");
        chat(&mut client, b"after").await;
    });
}
