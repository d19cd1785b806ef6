//! Everything on an executor of one's own: nothing is spawned behind the caller's back.
//!
//! `with_driver` hands out the future that does all the work of a socket, the `Driver`. Here two of
//! them, a server and a client share one thread, on a `LocalExecutor`; any other executor does as
//! well, since a driver is a plain future. smol's global executor is never started.
//!
//! ```sh
//! cargo run --release --example own_executor
//! ```

use std::env;
use std::process::ExitCode;
use std::rc::Rc;

use futures_lite::{future, io, AsyncReadExt, AsyncWriteExt};
use smol::LocalExecutor;
use smol_kcp::{KcpConfig, KcpError, KcpListener, KcpStream, UdpTransport};

const USAGE: &str = "usage: own_executor";

fn main() -> ExitCode {
    if env::args().skip(1).any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    if env::args().len() > 1 {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let executor = Rc::new(LocalExecutor::new());
    // `future::block_on` knows nothing of smol; `smol::block_on` would save a thread here, the one
    // that otherwise waits for the sockets.
    match future::block_on(executor.run(run(&executor))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("own_executor: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(executor: &Rc<LocalExecutor<'static>>) -> io::Result<()> {
    let config = KcpConfig { stream: true, ..KcpConfig::lan() };

    // A socket, a listener on it, and the driver that does the work of both.
    let transport = UdpTransport::bind(&config, ([127, 0, 0, 1], 0).into())?;
    let (listener, driver) = KcpListener::with_driver(config.clone(), transport)?;
    let addr = listener.local_addr()?;
    let server_driver = executor.spawn(driver);

    // Tasks of a LocalExecutor stay on this thread, so they may hold what is not `Send`.
    let spawner = Rc::clone(executor);
    let server = executor.spawn(async move {
        let (stream, peer) = listener.accept().await?;
        // A task for each stream, as a server of many clients has it.
        spawner.spawn(async move { shout(stream).await }).await?;
        println!("server: {peer} is done");
        Ok::<(), KcpError>(())
    });

    // The client's connecting future gets somewhere only while its driver is polled.
    let transport = UdpTransport::connect(&config, addr)?;
    let (connect, driver) = KcpStream::connect_with_driver(&config, transport, addr)?;
    let client_driver = executor.spawn(driver);
    let mut stream = connect.await?;
    println!("client: {} is connected to {}", stream.local_addr()?, stream.peer_addr()?);
    stream.write_all(b"all of this runs on one thread").await?;
    stream.close().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("client: the answer is {answer:?}");

    // A driver ends when the last handle is gone and everything has been delivered. Waiting for it
    // is how a program knows that nothing of what it sent is left behind.
    drop(stream);
    client_driver.await?;
    println!("client: its driver has ended");
    server.await?;
    server_driver.await?;
    println!("server: its driver has ended");
    Ok(())
}

/// Reads a text to its end and sends it back in capitals.
async fn shout(mut stream: KcpStream) -> Result<(), KcpError> {
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    stream.write_all(text.to_uppercase().as_bytes()).await?;
    stream.close().await
}
