//! What goes wrong in silence is said in the log, on the side that can mend it.

use std::net::UdpSocket;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;

use crate::program::{Daemon, File};
use crate::support::*;

#[test]
fn an_mtu_that_the_other_side_does_not_take_in_is_said_and_found_out() {
    run(|_, _| async move {
        let target = echo_server().await;
        let listen = UdpSocket::bind(ANY).expect("a port").local_addr().expect("its address");
        let file = File::new(&format!(
            "[far]\ninsecure = yes\nrole = server\nlisten = {listen}\ntarget = {target}\nmtu = 1400\n"
        ));
        let mut server = Daemon::start(&["--config", file.path()]);
        server.address("far");
        let file = File::new(&format!(
            "[near]\ninsecure = yes\nrole = client\nlisten = 127.0.0.1:0\nserver = {listen}\nmtu = 9000\n"
        ));
        let mut client = Daemon::start(&["--config", file.path()]);
        let mut tcp = TcpStream::connect(client.address("near")).await.expect("connecting");
        chat(&mut tcp, b"short").await.expect("what is short arrives");
        tcp.write_all(&pattern(20_000)).await.expect("the tunnel takes it");
        let line = server.says("dropped on arrival");
        assert!(
            line.contains("longer than 2047 bytes, which is what mtu = 1400 takes in"),
            "{line}"
        );
        // The client finds out what passes, and sends in pieces what had its number.
        let mut echoed = vec![0; 20_000];
        tcp.read_exact(&mut echoed).await.expect("the echo");
        assert!(echoed == pattern(20_000));
    });
}
