//! Who may go first: listeners, endpoints, streams, drivers, transports.

mod common;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{Context, Waker};

use common::{chat, met, ms, pattern, read_pattern, run, stream, until, Count, ANY};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt, StreamExt};
use smol::LocalExecutor;
use smol_kcp::{Driver, KcpConfig, KcpEndpoint, KcpError, KcpListener, KcpStream, MemoryTransport};

/// Two endpoints with one transport between them, and nobody driving them yet.
fn in_memory(config: &KcpConfig) -> ((KcpEndpoint, Driver), (KcpEndpoint, Driver)) {
    let (here, there) = MemoryTransport::pair();
    (
        KcpEndpoint::with_driver(config.clone(), here).unwrap(),
        KcpEndpoint::with_driver(config.clone(), there).unwrap(),
    )
}

/// Polls once; the waker tells how often it was fired.
fn pending<F: Future>(future: Pin<&mut F>) -> Arc<Count> {
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
    count
}

#[test]
fn streams_outlive_their_listener_and_newcomers_are_refused() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut client = KcpStream::connect(&stream(), addr).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut waiting = KcpStream::connect(&stream(), addr).await.unwrap();
        drop(listener);

        // Who waited to be accepted will not be.
        let lost = waiting.recv(&mut [0; 9]).await;
        assert!(matches!(lost, Err(KcpError::Reset)), "{lost:?}");
        let newcomer = KcpStream::connect(&stream(), addr).await;
        assert!(matches!(newcomer, Err(KcpError::Reset)), "{newcomer:?}");

        let (mut read, mut write) = server.into_split();
        let echoing = smol::spawn(async move {
            futures_lite::io::copy(&mut read, &mut write).await.unwrap();
            write.close().await.unwrap();
        });
        chat(&mut client, &pattern(100_000)).await;
        client.close().await.unwrap();
        echoing.await;

        // With the last stream the socket goes too.
        until(|| std::net::UdpSocket::bind(addr).is_ok()).await;
    });
}

#[test]
fn of_several_listeners_the_last_one_closes_the_door() {
    run(async {
        let endpoint = KcpEndpoint::bind(stream(), ANY).await.unwrap();
        let addr = endpoint.local_addr().unwrap();
        let refused = KcpStream::connect(&stream(), addr).await;
        assert!(matches!(refused, Err(KcpError::Reset)), "nobody listens yet: {refused:?}");
        let (first, second) = (endpoint.listen(), endpoint.listen());
        drop(first);
        let config = stream();
        let (accepted, connected) =
            future::zip(second.accept(), KcpStream::connect(&config, addr)).await;
        accepted.unwrap();
        connected.unwrap();
        drop(second);
        let refused = KcpStream::connect(&stream(), addr).await;
        assert!(matches!(refused, Err(KcpError::Reset)), "{refused:?}");
        let third = endpoint.listen();
        let (accepted, connected) =
            future::zip(third.accept(), KcpStream::connect(&config, addr)).await;
        accepted.unwrap();
        connected.unwrap();
    });
}

#[test]
fn streams_outlive_their_endpoint() {
    run(async {
        let addr = common::echo(KcpListener::bind(stream(), ANY).await.unwrap());
        let endpoint = KcpEndpoint::bind(stream(), ANY).await.unwrap();
        let mut client = endpoint.connect(addr).await.unwrap();
        drop(endpoint);
        chat(&mut client, &pattern(100_000)).await;
        client.close().await.unwrap();
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    });
}

#[test]
fn without_its_driver_everything_fails_and_every_waiter_learns_it() {
    let config = stream().with_send_budget(2000).with_recv_budget(2000);
    // The drivers run only where the test waits, so that what is full stays full.
    let local = LocalExecutor::new();
    run(local.run(async {
        let ((here, driver), (there, other)) = in_memory(&config);
        let (driving, _other) = (local.spawn(driver), local.spawn(other));
        let (door, other_door) = (here.listen(), there.listen());
        let peer = there.local_addr().unwrap();
        let (stream, _accepted) = future::zip(here.connect(peer), other_door.accept()).await;
        let (mut reader, mut writer) = stream.unwrap().into_split();
        let (mut closing, _accepted) =
            match future::zip(here.connect(peer), other_door.accept()).await {
                (Ok(connected), Ok((accepted, _))) => (connected, accepted),
                failed => panic!("{failed:?}"),
            };
        // Full to the brim, with nobody reading at the other end.
        let mut quiet = 0;
        while quiet < 20 {
            quiet = if writer.try_send(&[1; 1000]).is_err() { quiet + 1 } else { 0 };
            smol::Timer::after(ms(2)).await;
        }
        while closing.try_send(&[1; 1000]).is_ok() {}

        let mut buf = [0; 9];
        let mut reading = pin!(reader.recv(&mut buf));
        let mut writing = pin!(writer.send(&[1; 1000]));
        let mut closing = pin!(closing.close());
        let mut accepting = pin!(door.accept());
        let mut incoming = pin!(door.incoming());
        // Nobody answers there.
        let mut connecting = pin!(here.connect("192.0.2.77:7"));
        let counts = [
            pending(reading.as_mut()),
            pending(writing.as_mut()),
            pending(closing.as_mut()),
            pending(accepting.as_mut()),
            pending(pin!(incoming.next())),
            pending(connecting.as_mut()),
        ];
        driving.cancel().await;
        for (waiter, count) in counts.iter().enumerate() {
            assert!(count.get() > 0, "waiter {waiter} was not woken");
        }
        assert!(matches!(reading.await, Err(KcpError::Closed)));
        assert!(matches!(writing.await, Err(KcpError::Closed)));
        assert!(matches!(closing.await, Err(KcpError::Closed)));
        assert!(matches!(accepting.await, Err(KcpError::Closed)));
        assert!(matches!(incoming.next().await, Some(Err(KcpError::Closed))));
        assert!(incoming.next().await.is_none());
        assert!(matches!(connecting.await, Err(KcpError::Closed)));

        // And whoever comes later.
        assert!(matches!(here.connect(peer).await, Err(KcpError::Closed)));
        assert!(matches!(here.listen().accept().await, Err(KcpError::Closed)));
    }));
}

#[test]
fn with_all_handles_gone_and_everything_delivered_the_driver_is_done() {
    run(async {
        let ((here, driver), (there, other)) = in_memory(&stream());
        let (driving, other) = (smol::spawn(driver), smol::spawn(other));
        let door = there.listen();
        let (mut client, mut server) = met(&here, &door).await;
        client.write_all(&pattern(200_000)).await.unwrap();
        drop((client, here));
        assert_eq!(read_pattern(&mut server).await, 200_000);
        assert!(!driving.is_finished(), "the peer has not closed yet");
        drop(server);
        driving.await.unwrap();
        drop((there, door));
        // Its transport has ended by now, or it was done before: it does end.
        let _ = other.await;
    });
}

#[test]
fn a_driver_that_nobody_needs_is_done_at_once() {
    run(async {
        let ((here, driver), (_there, _other)) = in_memory(&stream());
        drop(here);
        future::poll_once(driver).await.expect("without waiting").unwrap();
    });
}

#[test]
fn when_the_transport_ends_everybody_sees_the_same_cause() {
    run(async {
        let ((here, driver), (there, other)) = in_memory(&stream());
        let (driving, other) = (smol::spawn(driver), smol::spawn(other));
        let (door, other_door) = (here.listen(), there.listen());
        let (mut streams, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let connecting = here.connect(there.local_addr().unwrap());
            let (client, accepted) = future::zip(connecting, other_door.accept()).await;
            streams.push(client.unwrap());
            peers.push(accepted.unwrap());
        }
        let accepting = smol::spawn(async move { door.accept().await.unwrap_err() });
        let reading: Vec<_> = streams
            .into_iter()
            .map(|mut stream| {
                smol::spawn(async move { stream.recv(&mut [0; 9]).await.unwrap_err() })
            })
            .collect();
        other.cancel().await;

        let ended = driving.await.unwrap_err();
        let KcpError::Io(cause) = &ended else { panic!("{ended:?}") };
        assert_eq!(cause.kind(), std::io::ErrorKind::BrokenPipe);
        let same = |error: &KcpError| match error {
            KcpError::Io(other) => Arc::ptr_eq(cause, other),
            _ => false,
        };
        let accepting = accepting.await;
        assert!(same(&accepting), "{accepting:?}");
        for reading in reading {
            let error = reading.await;
            assert!(same(&error), "{error:?}");
        }
        let later = here.connect(there.local_addr().unwrap()).await.unwrap_err();
        assert!(same(&later), "{later:?}");
    });
}

#[test]
fn what_had_arrived_can_be_read_after_the_transport_has_ended() {
    run(async {
        let ((here, driver), (there, other)) = in_memory(&stream());
        let (driving, other) = (smol::spawn(driver), smol::spawn(other));
        let door = there.listen();
        let (mut client, mut server) = met(&here, &door).await;
        client.write_all(&pattern(5000)).await.unwrap();
        until(|| server.stats().receive_queue == 5000).await;
        driving.cancel().await;
        other.await.unwrap_err();
        let mut heard = vec![0; 5000];
        server.read_exact(&mut heard).await.unwrap();
        assert!(heard == pattern(5000));
        assert!(matches!(server.recv(&mut heard).await, Err(KcpError::Io(_))));
    });
}

#[test]
fn a_closed_endpoint_delivers_what_was_written_and_is_idle_then() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let endpoint = KcpEndpoint::bind(stream(), ANY).await.unwrap();
        let mut own = Vec::new();
        for _ in 0..2 {
            let mut client = endpoint.connect(addr).await.unwrap();
            client.write_all(&pattern(100_000)).await.unwrap();
            own.push((client, listener.accept().await.unwrap().0));
        }
        let mut idle = pin!(endpoint.wait_idle());
        let woken = pending(idle.as_mut());

        let accepting = endpoint.listen();
        endpoint.close();
        assert!(matches!(endpoint.connect(addr).await, Err(KcpError::Closed)));
        assert!(matches!(accepting.accept().await, Err(KcpError::Closed)));
        for (mut client, mut server) in own {
            assert!(matches!(client.send(b"late").await, Err(KcpError::Closed)));
            assert_eq!(read_pattern(&mut server).await, 100_000);
            assert_eq!(woken.get(), 0, "a stream is left");
            server.close().await.unwrap();
            assert_eq!(client.recv(&mut [0; 9]).await.unwrap(), 0);
        }
        idle.await;
        assert!(endpoint.sessions().is_empty());
        endpoint.wait_idle().await;
    });
}

#[test]
fn who_waits_for_idleness_is_woken_when_the_driver_goes() {
    run(async {
        let ((endpoint, driver), _there) = in_memory(&stream());
        let mut connecting = pin!(endpoint.connect(SocketAddr::from(([10, 0, 0, 9], 9))));
        pending(connecting.as_mut());
        let mut idle = pin!(endpoint.wait_idle());
        let woken = pending(idle.as_mut());
        drop(driver);
        assert_eq!(woken.get(), 1);
        idle.await;
    });
}

#[test]
fn a_closed_endpoint_accepts_nobody_whatever_is_asked_of_it() {
    run(async {
        let endpoint = KcpEndpoint::bind(stream(), ANY).await.unwrap();
        let addr = endpoint.local_addr().unwrap();
        let listener = endpoint.listen();
        // One has proved its address and waits to be accepted, the other may have to prove it yet.
        let proven = KcpStream::connect(&stream(), addr).await.unwrap();
        until(|| endpoint.stats().accepted == 1).await;
        let fresh = KcpStream::connect(&stream(), addr).await.unwrap();
        endpoint.close();
        for mut waiting in [proven, fresh] {
            let lost = waiting.recv(&mut [0; 9]).await;
            assert!(matches!(lost, Err(KcpError::Reset)), "{lost:?}");
        }
        let again = endpoint.listen();
        for listener in [&listener, &again] {
            assert!(matches!(listener.accept().await, Err(KcpError::Closed)));
        }
        let newcomer = KcpStream::connect(&stream(), addr).await;
        assert!(matches!(newcomer, Err(KcpError::Reset)), "{newcomer:?}");
        endpoint.wait_idle().await;
    });
}
