//! What the sides of a measurement share: a process for the server, one for the client, each with one
//! thread, each told by its arguments what to do.
//!
//! A binary per crate (`src/bin/side_*.rs`), since two of them bring the same C symbols in different
//! versions and must not meet in one.

pub mod peer;
pub mod scenario;
pub mod tokio_runtime;
pub mod usage;

/// The least that echoes: what the `echo_*` binaries are.
pub fn echo_server<P: peer::Peer>() {
    P::run(async {
        let (mut listener, addr) = P::bind(peer::Options::default()).await.unwrap();
        println!("{addr}");
        loop {
            let mut stream = P::accept(&mut listener).await.unwrap();
            P::spawn(async move {
                let mut buf = [0; 1400];
                while let Ok(n @ 1..) = P::read(&mut stream, &mut buf).await {
                    if P::write(&mut stream, &buf[..n]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
}
