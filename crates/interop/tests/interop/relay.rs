//! A NAT between one client and a server, which can forget.

use std::io;
use std::net::SocketAddr;

use async_channel::{Receiver, Sender};
use futures_lite::future;
use smol::net::UdpSocket;
use smol::Task;

/// Carries datagrams between one client and `server` until it is dropped.
pub struct Relay {
    pub addr: SocketAddr,
    rebind: Sender<Sender<SocketAddr>>,
    _task: Task<io::Result<()>>,
}

impl Relay {
    pub async fn to(server: SocketAddr) -> Relay {
        let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = front.local_addr().unwrap();
        let (rebind, rebinds) = async_channel::unbounded();
        Relay { addr, rebind, _task: smol::spawn(carry(front, server, rebinds)) }
    }

    /// The NAT forgets: from now on the server sees the client at another port, and what it sends
    /// to the former one is lost. Returns the new address.
    pub async fn rebind(&self) -> SocketAddr {
        let (tell, told) = async_channel::bounded(1);
        self.rebind.send(tell).await.unwrap();
        told.recv().await.unwrap()
    }
}

enum Event {
    Up(usize, SocketAddr),
    Down(usize),
    Rebind(Sender<SocketAddr>),
}

async fn carry(
    front: UdpSocket,
    server: SocketAddr,
    rebinds: Receiver<Sender<SocketAddr>>,
) -> io::Result<()> {
    let mut back = UdpSocket::bind("127.0.0.1:0").await?;
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    let mut client = None;
    loop {
        let from_client = async {
            let (n, from) = front.recv_from(&mut up).await?;
            io::Result::Ok(Event::Up(n, from))
        };
        let from_server = async { Ok(Event::Down(back.recv_from(&mut down).await?.0)) };
        let orders = async {
            match rebinds.recv().await {
                Ok(tell) => Ok(Event::Rebind(tell)),
                // Nobody will ask any more; the task ends with its relay.
                Err(_) => future::pending().await,
            }
        };
        // A client that is gone makes the socket fail once (ICMP); that is transient.
        match future::race(orders, future::race(from_client, from_server)).await {
            Ok(Event::Up(n, from)) => {
                client = Some(from);
                let _ = back.send_to(&up[..n], server).await;
            }
            Ok(Event::Down(n)) => {
                if let Some(client) = client {
                    let _ = front.send_to(&down[..n], client).await;
                }
            }
            Ok(Event::Rebind(tell)) => {
                let next = UdpSocket::bind("127.0.0.1:0").await?;
                assert!(next.local_addr()? != back.local_addr()?);
                back = next;
                let _ = tell.send(back.local_addr()?).await;
            }
            Err(_) => {}
        }
    }
}
