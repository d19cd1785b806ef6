use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpListener, KcpStream};
fn main() {
    smol::block_on(async {
        let config = KcpConfig { stream: true, ..KcpConfig::lan() };
        let listener = KcpListener::bind(config.clone(), "127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr();
        let ep = listener.endpoint();
        smol::spawn(async move {
            for _ in 0..3 { smol::Timer::after(std::time::Duration::from_secs(1)).await;
            println!("{:?}", ep.stats()); for s in ep.sessions() { println!("{s:?}"); } }
        }).detach();
        let server = smol::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            println!("accepted {stream:?}");
            let mut all = Vec::new();
            let mut buf = [0;65536];
            loop { let n = stream.read(&mut buf).await.unwrap(); if n==0 {break} all.extend_from_slice(&buf[..n]);}
            println!("server eof {}", all.len());
            stream.write_all(&all).await.unwrap();
            println!("server wrote");
            stream.close().await.unwrap();
            println!("server closed");
        });
        let mut stream = KcpStream::connect(&config, addr).await.unwrap();
        println!("connected");
        let sent: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
        stream.write_all(&sent).await.unwrap();
        println!("written {:?}", stream.stats());
        stream.close().await.unwrap();
        println!("closed");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.unwrap();
        println!("read");
        assert!(back == sent);
        server.await;
    });
}
