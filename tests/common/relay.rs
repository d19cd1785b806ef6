//! A NAT between clients and a server.

use std::net::{SocketAddr, UdpSocket};

use async_channel::{Receiver, Sender};
use futures_lite::future;
use smol::{Async, Task};

/// Passes datagrams between one client and one server, under an address of its own to each. It can
/// forget, go deaf and fall silent.
pub struct Relay {
    /// Where the client finds the server.
    pub addr: SocketAddr,
    commands: Sender<Command>,
    _task: Task<()>,
}

enum Command {
    /// A fresh port towards the server.
    Rebind,
    /// Nothing to or from the client's present port any more; a fresh one of it gets a fresh port
    /// towards the server.
    Deafen,
    /// Nothing to or from anybody any more, or until it resumes.
    Silence,
    Resume,
}

enum Event {
    Command(Command),
    Outward(usize, SocketAddr),
    Inward(usize),
}

fn socket() -> Async<UdpSocket> {
    Async::<UdpSocket>::bind(([127, 0, 0, 1], 0)).expect("a port for the relay")
}

impl Relay {
    pub fn to(server: SocketAddr) -> Relay {
        let front = socket();
        let addr = front.get_ref().local_addr().expect("the relay's address");
        let (commands, received) = async_channel::unbounded();
        Relay { addr, commands, _task: smol::spawn(run(front, server, received)) }
    }

    pub fn rebind(&self) {
        self.commands.try_send(Command::Rebind).expect("the relay runs");
    }

    pub fn deafen(&self) {
        self.commands.try_send(Command::Deafen).expect("the relay runs");
    }

    pub fn silence(&self) {
        self.commands.try_send(Command::Silence).expect("the relay runs");
    }

    pub fn resume(&self) {
        self.commands.try_send(Command::Resume).expect("the relay runs");
    }
}

async fn run(front: Async<UdpSocket>, server: SocketAddr, commands: Receiver<Command>) {
    let mut back = socket();
    let (mut client, mut deaf) = (None, None);
    let (mut outward, mut inward) = (vec![0; 2048], vec![0; 2048]);
    let mut silent = false;
    loop {
        let command = async { Some(Event::Command(commands.recv().await.ok()?)) };
        let from_client = async {
            let (len, from) = front.recv_from(&mut outward).await.ok()?;
            Some(Event::Outward(len, from))
        };
        let from_server = async { Some(Event::Inward(back.recv(&mut inward).await.ok()?)) };
        let event = future::or(command, future::or(from_client, from_server)).await;
        // A full socket loses what is sent, as networks do.
        match event {
            None => return,
            Some(Event::Command(Command::Rebind)) => back = socket(),
            Some(Event::Command(Command::Deafen)) => deaf = client.take(),
            Some(Event::Command(Command::Silence)) => silent = true,
            Some(Event::Command(Command::Resume)) => silent = false,
            Some(Event::Outward(..) | Event::Inward(..)) if silent => {}
            Some(Event::Outward(_, from)) if Some(from) == deaf => {}
            Some(Event::Outward(len, from)) => {
                if deaf.is_some() && client != Some(from) {
                    back = socket();
                }
                client = Some(from);
                let _ = back.send_to(&outward[..len], server).await;
            }
            Some(Event::Inward(len)) => {
                if let Some(client) = client {
                    let _ = front.send_to(&inward[..len], client).await;
                }
            }
        }
    }
}
