//! Much data, and data whose sender does not stay.

mod common;

use common::{connected, lossy, pattern, read_pattern, run, stream};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpListener, KcpStream};

const MIB: usize = 1024 * 1024;

/// A mebibyte to an echo, all of it back, and the end.
fn echoed(config: KcpConfig) {
    run(async {
        let listener = KcpListener::bind(config.clone(), common::ANY).await.unwrap();
        let addr = common::echo(listener);
        let (mut read, mut write) = KcpStream::connect(&config, addr).await.unwrap().into_split();
        let writing = async {
            write.write_all(&pattern(MIB)).await.unwrap();
            write.close().await.unwrap();
        };
        let (_, len) = future::zip(writing, read_pattern(&mut read)).await;
        assert_eq!(len, MIB as u64);
    });
}

#[test]
fn bytes_come_back_and_then_the_end() {
    echoed(stream());
}

#[test]
fn bytes_come_back_although_a_tenth_is_lost_each_way() {
    echoed(lossy(stream(), 10, 3));
}

/// Writes 64 MiB in one call, closes, and reads them at the other end.
fn transfer(config: KcpConfig) {
    let is_lossy = config.netem.is_some();
    run(async {
        let (mut server, mut client) = connected(&config).await;
        let writing = async move {
            client.write_all(&pattern(64 * MIB)).await.unwrap();
            client.close().await.unwrap();
            assert_eq!(client.stats().bytes_sent, 64 * MIB as u64);
            let stats = client.stats();
            assert_eq!(stats.in_flight, 0, "closed is delivered");
            let again = stats.timeout_retransmits + stats.fast_retransmits;
            assert!(!is_lossy || again > stats.segments_sent / 20, "was anything lost? {again}");
        };
        let reading = async move {
            let len = read_pattern(&mut server).await;
            assert_eq!(server.stats().bytes_received, len);
            len
        };
        let ((), len) = future::zip(writing, reading).await;
        assert_eq!(len, 64 * MIB as u64);
    });
}

#[test]
fn sixty_four_mebibytes_arrive() {
    transfer(stream());
}

#[test]
fn sixty_four_mebibytes_arrive_although_a_tenth_is_lost() {
    // A segment is lost twice in a hundred times: the window must last for its second timeout.
    transfer(lossy(stream().with_wnd_size((1024, 1024)), 10, 1));
}

/// A stream is dropped right behind its last write; what was written arrives, and the end of it.
fn left_behind(config: KcpConfig) {
    run(async {
        let (mut server, mut client) = connected(&config).await;
        client.write_all(&pattern(200_000)).await.unwrap();
        drop(client);
        assert_eq!(read_pattern(&mut server).await, 200_000);
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0, "the end stays");
    });
}

#[test]
fn a_dropped_stream_delivers_what_was_written() {
    left_behind(stream());
}

#[test]
fn a_dropped_stream_delivers_what_was_written_although_some_is_lost() {
    for seed in 0..4 {
        left_behind(lossy(stream(), 5, seed));
    }
}
