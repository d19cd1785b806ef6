//! What the sides of a measurement share: a process for the server, one for the client, each with one
//! thread, each told by its arguments what to do.
//!
//! A binary per crate (`src/bin/side_*.rs`), since two of them bring the same C symbols in different
//! versions and must not meet in one.

pub mod peer;
pub mod runtime;
pub mod scenario;
pub mod usage;

use peer::Peer;
use runtime::{Bytes, Runtime};

/// The least that echoes: what the `echo_*` binaries are.
pub fn echo_server<P: Peer>() {
    P::Runtime::run(async {
        let (mut listener, addr) = P::bind(peer::Options::default()).await.unwrap();
        println!("{addr}");
        loop {
            let stream = P::accept(&mut listener).await.unwrap();
            P::Runtime::spawn(echo::<P>(stream));
        }
    });
}

/// Sends back what comes, until it ends.
pub(crate) async fn echo<P: Peer>(mut stream: P::Stream) {
    let mut buf = [0; 2048];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        if stream.write(&buf[..n]).await.is_err() {
            break;
        }
    }
}
