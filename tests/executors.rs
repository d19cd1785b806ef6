//! The same streams on every executor and over every transport.

mod common;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll, Waker};

use common::{lossy, messages, pattern, run, stream, within, Count, ANY};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol::LocalExecutor;
use smol_kcp::{
    Datagrams, Driver, FramedTransport, KcpConfig, KcpListener, KcpStream, MemoryTransport,
    Transport, UdpTransport,
};

const LEN: usize = 300_000;

/// What every executor is to run: a question, closed, and the same as the answer.
async fn ask(mut stream: KcpStream) {
    let question = pattern(LEN);
    stream.write_all(&question).await.unwrap();
    stream.close().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer == question);
}

async fn answer(listener: KcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut question = Vec::new();
    stream.read_to_end(&mut question).await.unwrap();
    stream.write_all(&question).await.unwrap();
    stream.close().await.unwrap();
}

/// Drives until the talk is over: who is done first takes the transport along.
async fn until_over(talk: impl Future, drivers: impl Future) {
    future::or(async { drop(talk.await) }, async {
        drop(drivers.await);
        future::pending().await
    })
    .await
}

type Sides<C> = ((KcpListener, Driver), (C, Driver));

/// Both sides over transports, not yet driven.
fn sides(
    config: &KcpConfig,
    server: impl Transport,
    client: impl Transport,
    peer: SocketAddr,
) -> Sides<impl Future<Output = Result<KcpStream, smol_kcp::KcpError>> + Send> {
    let server = KcpListener::with_driver(config.clone(), server).unwrap();
    (server, KcpStream::connect_with_driver(config, client, peer).unwrap())
}

fn over_udp(
    config: &KcpConfig,
) -> Sides<impl Future<Output = Result<KcpStream, smol_kcp::KcpError>> + Send> {
    let server = UdpTransport::bind(config, ANY.parse().unwrap()).unwrap();
    let addr = server.local_addr().unwrap();
    let client = UdpTransport::connect(config, addr).unwrap();
    sides(config, server, client, addr)
}

/// Plain futures, polled together; done when both sides and both drivers are.
async fn zipped<C>(((listener, driver), (connecting, other)): Sides<C>)
where
    C: Future<Output = Result<KcpStream, smol_kcp::KcpError>>,
{
    let asking = async { ask(connecting.await.unwrap()).await };
    let talking = future::zip(answer(listener), asking);
    let (_, (driven, other_driven)) = future::zip(talking, future::zip(driver, other)).await;
    driven.unwrap();
    other_driven.unwrap();
}

#[test]
fn on_the_global_executor() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let answering = smol::spawn(answer(listener));
        let asking =
            smol::spawn(
                async move { ask(KcpStream::connect(&stream(), addr).await.unwrap()).await },
            );
        future::zip(answering, asking).await;
    });
}

#[test]
fn on_a_local_executor_that_nobody_else_polls() {
    let local = LocalExecutor::new();
    let ((listener, driver), (connecting, other)) = over_udp(&stream());
    let (driver, other) = (local.spawn(driver), local.spawn(other));
    let answering = local.spawn(answer(listener));
    run(local.run(async {
        ask(connecting.await.unwrap()).await;
        answering.await;
        driver.await.unwrap();
        other.await.unwrap();
    }));
}

#[test]
fn without_any_executor_as_futures_polled_together() {
    run(zipped(over_udp(&stream())));
}

#[test]
fn without_any_executor_raced_until_the_talk_is_over() {
    let ((listener, driver), (connecting, other)) = over_udp(&stream());
    let talk = future::zip(answer(listener), async { ask(connecting.await.unwrap()).await });
    // A foreign block_on: nothing here needs smol's.
    let talk_first = until_over(talk, future::zip(driver, other));
    future::block_on(within(std::time::Duration::from_secs(60), talk_first));
}

#[test]
fn in_two_threads_with_an_executor_each() {
    let ((listener, driver), (connecting, other)) = over_udp(&stream());
    let server = std::thread::Builder::new().name("the server".into()).spawn(move || {
        run(future::zip(answer(listener), driver)).1.unwrap();
    });
    run(future::zip(async { ask(connecting.await.unwrap()).await }, other)).1.unwrap();
    server.unwrap().join().unwrap();
}

#[test]
fn over_memory() {
    let [_, there] = MemoryTransport::ADDRS;
    for config in [stream(), lossy(stream(), 3, 5)] {
        let (client, server) = MemoryTransport::pair();
        let ((listener, driver), (connecting, other)) = sides(&config, server, client, there);
        let talk = future::zip(answer(listener), async { ask(connecting.await.unwrap()).await });
        run(until_over(talk, future::zip(driver, other)));
    }
}

/// Takes datagrams at one call and sends them at the next, as a slow line does.
struct Holding {
    inner: MemoryTransport,
    held: Datagrams,
}

impl Holding {
    fn pair() -> (Holding, Holding) {
        let (here, there) = MemoryTransport::pair();
        let holding = |inner| Holding { inner, held: Datagrams::new(1000) };
        (holding(here), holding(there))
    }
}

impl Transport for Holding {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        self.inner.poll_recv(cx, batch)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            ready!(self.inner.poll_send(cx, &mut self.held))?;
        }
        while let Some(datagram) = batch.front() {
            if !self.held.push(datagram) {
                break;
            }
            batch.pop_front();
        }
        if self.held.is_empty() {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

#[test]
fn what_a_transport_holds_is_asked_for_again() {
    let (here, Holding { inner: mut peer, .. }) = Holding::pair();
    let there = MemoryTransport::ADDRS[1];
    let (connecting, driver) = KcpStream::connect_with_driver(&stream(), here, there).unwrap();
    let (mut connecting, mut driver) = (pin!(connecting), pin!(driver));
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(connecting.as_mut().poll(&mut cx).is_pending());
    // The driver is polled as often as it asks for, and no timer is waited for.
    loop {
        let before = count.get();
        assert!(driver.as_mut().poll(&mut cx).is_pending());
        if count.get() == before {
            break;
        }
    }
    let mut hello = Datagrams::new(9);
    assert!(peer.poll_recv(&mut cx, &mut hello).is_ready(), "the first words were left lying");
    assert_eq!(hello.len(), 1);
}

#[test]
fn over_a_transport_that_holds_on() {
    let (client, server) = Holding::pair();
    let there = MemoryTransport::ADDRS[1];
    let ((listener, driver), (connecting, other)) = sides(&stream(), server, client, there);
    let talk = future::zip(answer(listener), async { ask(connecting.await.unwrap()).await });
    run(until_over(talk, future::zip(driver, other)));
}

#[test]
fn over_tcp_with_a_length_before_each_datagram() {
    for config in [stream(), messages()] {
        run(async {
            let tcp = smol::net::TcpListener::bind(ANY).await.unwrap();
            let addr = tcp.local_addr().unwrap();
            let (client, accepted) =
                future::zip(smol::net::TcpStream::connect(addr), tcp.accept()).await;
            let (client, (server, peer)) = (client.unwrap(), accepted.unwrap());
            let server = FramedTransport::new(&config, server, addr, peer);
            let client = FramedTransport::new(&config, client, peer, addr);
            let ((listener, driver), (connecting, other)) = sides(&config, server, client, addr);
            if !config.stream {
                return one_message(listener, driver, connecting, other).await;
            }
            let asking = async { ask(connecting.await.unwrap()).await };
            let (_, driven) =
                future::zip(future::zip(answer(listener), asking), future::zip(driver, other))
                    .await;
            // Whoever ends first ends the TCP connection, which may end the other.
            assert!(driven.0.is_ok() || driven.1.is_ok(), "{driven:?}");
        });
    }
}

/// One message over a transport that has taken it and still has to write it.
async fn one_message<C>(listener: KcpListener, driver: Driver, connecting: C, other: Driver)
where
    C: Future<Output = Result<KcpStream, smol_kcp::KcpError>>,
{
    let asking = async {
        let mut stream = connecting.await.unwrap();
        stream.send(&pattern(100_000)).await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(stream.recv(&mut buf).await.unwrap(), 6);
        assert_eq!(&buf[..6], b"thanks");
        stream.close().await.unwrap();
    };
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buf = vec![0; 100_000];
        assert_eq!(stream.recv(&mut buf).await.unwrap(), 100_000);
        assert!(buf == pattern(100_000));
        stream.send(b"thanks").await.unwrap();
        assert_eq!(stream.recv(&mut buf).await.unwrap(), 0);
        stream.close().await.unwrap();
        drop((stream, listener));
    };
    let (_, driven) = future::zip(future::zip(answering, asking), future::zip(driver, other)).await;
    assert!(driven.0.is_ok() || driven.1.is_ok(), "{driven:?}");
}
