//! Messages with their boundaries, and what does not wait.

mod common;

use common::{connected, messages, pattern, run, stream, until};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpError, Rate};

#[test]
fn messages_of_all_lengths_keep_their_boundaries() {
    let config = messages();
    let longest = 127 * (config.mtu - 24);
    run(async {
        let (mut server, mut client) = connected(&config).await;
        let lengths = [1, 2, config.mtu - 24, config.mtu - 23, 10_000, longest, 7];
        let sending = async {
            for len in lengths {
                assert_eq!(client.send(&pattern(len)).await.unwrap(), len);
            }
            client.close().await.unwrap();
        };
        let receiving = async {
            let mut buf = vec![0; longest];
            for len in lengths {
                assert_eq!(server.recv(&mut buf).await.unwrap(), len);
                assert!(buf[..len] == pattern(len));
            }
            assert_eq!(server.recv(&mut buf).await.unwrap(), 0);
        };
        future::zip(sending, receiving).await;
    });
}

#[test]
fn a_message_beyond_the_limit_is_refused_whole() {
    run(async {
        let (mut server, mut client) = connected(&messages().with_max_message(Some(1000))).await;
        let refused = client.send(&[1; 1001]).await;
        assert!(matches!(refused, Err(KcpError::MessageTooLarge { len: 1001, max: 1000 })));
        let refused = client.try_send(&[1; 1001]);
        assert!(matches!(refused, Err(KcpError::MessageTooLarge { len: 1001, max: 1000 })));
        client.send(&[2; 1000]).await.unwrap();
        let mut buf = [0; 1000];
        assert_eq!(server.recv(&mut buf).await.unwrap(), 1000);
        assert_eq!(buf, [2; 1000], "nothing of the refused ones");
    });
}

#[test]
fn bytes_of_any_length_are_cut_into_messages() {
    const LEN: usize = 1_000_003;
    run(async {
        // The send budget has room for a few messages only.
        let config = messages().with_max_message(Some(1000)).with_send_budget(16 * 1024);
        let (mut server, mut client) = connected(&config).await;
        assert_eq!(client.write(&pattern(1001)).await.unwrap(), 1000, "one message of what fits");
        let mut message = [0; 1001];
        assert_eq!(server.recv(&mut message).await.unwrap(), 1000);

        let data = pattern(LEN);
        let (read, mut write) = client.into_split();
        let writing = async {
            write.write_all(&data).await.expect("every byte");
            futures_lite::io::copy(&data[..], &mut write).await.expect("again");
            write.close().await.expect("arrived");
        };
        let reading = async {
            let mut bytes = Vec::new();
            server.read_to_end(&mut bytes).await.expect("to the end");
            assert!(bytes == [&data[..], &data].concat());
        };
        future::zip(writing, reading).await;
        drop(read);
    });
}

#[test]
fn a_short_buffer_leaves_the_message_where_it_is() {
    run(async {
        let (mut server, mut client) = connected(&messages()).await;
        client.send(b"hello there").await.unwrap();
        client.send(b"again").await.unwrap();
        let mut buf = [0; 11];
        let refused = server.recv(&mut buf[..4]).await;
        assert!(matches!(refused, Err(KcpError::BufferTooSmall { needed: 11, len: 4 })));
        let refused = server.try_recv(&mut buf[..4]);
        assert!(matches!(refused, Err(KcpError::BufferTooSmall { needed: 11, len: 4 })));
        assert_eq!(server.recv(&mut buf).await.unwrap(), 11);
        assert_eq!(&buf, b"hello there");

        // Bytes may be read out of messages; the rest of one is a message.
        server.read_exact(&mut buf[..2]).await.unwrap();
        assert_eq!(server.recv(&mut buf).await.unwrap(), 3);
        assert_eq!(&buf[..3], b"ain");
    });
}

#[test]
fn an_empty_message_is_not_mistaken_for_the_end() {
    run(async {
        let (mut server, mut client) = connected(&messages()).await;
        assert_eq!(client.send(b"").await.unwrap(), 0);
        client.send(b"after nothing").await.unwrap();
        let mut buf = [0; 64];
        assert_eq!(server.recv(&mut buf).await.unwrap(), 13);
    });
}

#[test]
fn what_does_not_wait_says_that_it_would_have_to() {
    let config = messages().with_send_budget(20_000).with_recv_budget(20_000);
    run(async {
        let (mut server, mut client) = connected(&config).await;
        let mut buf = vec![0; 10_000];
        assert!(matches!(server.try_recv(&mut buf), Err(KcpError::WouldBlock)));

        // Fills what lies between the two, until nothing fits for good.
        let (mut sent, mut full) = (0usize, 0);
        while full < 50 {
            match client.try_send(&pattern(10_000)) {
                Ok(len) => {
                    assert_eq!(len, 10_000, "whole or not at all");
                    sent += 1;
                    full = 0;
                }
                Err(KcpError::WouldBlock) => {
                    full += 1;
                    smol::Timer::after(common::ms(2)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        let (mut read, mut write) = server.into_split();
        assert!(write.try_send(b"the other way is free").is_ok());
        for _ in 0..sent {
            until(|| match read.try_recv(&mut buf) {
                Ok(len) => {
                    assert!(buf[..len] == pattern(10_000));
                    true
                }
                Err(KcpError::WouldBlock) => false,
                Err(error) => panic!("{error}"),
            })
            .await;
        }
        assert!(matches!(read.try_recv(&mut buf), Err(KcpError::WouldBlock)));
    });
}

#[test]
fn in_stream_mode_send_and_recv_carry_bytes() {
    run(async {
        let (mut server, mut client) = connected(&stream()).await;
        client.send(b"abc").await.unwrap();
        client.send(b"def").await.unwrap();
        client.close().await.unwrap();
        let (mut heard, mut buf) = (Vec::new(), [0; 2]);
        loop {
            match server.recv(&mut buf).await.unwrap() {
                0 => break,
                n => heard.extend_from_slice(&buf[..n]),
            }
        }
        assert_eq!(heard, b"abcdef");
    });
}

#[test]
fn cancelled_sends_and_receives_lose_no_message_and_cut_none() {
    // No window grows, so that both sides have to wait.
    let small = messages().with_send_budget(20_000).with_wnd_size((4, 128)).with_rate(Rate::Off);
    run(async {
        let (mut server, mut client) = connected(&small).await;
        let lengths: Vec<usize> = (0..400usize).map(|n| 1 + n * 2_011 % 9_000).collect();
        let mut cancelled = (0, 0);
        let sending = async {
            let mut left = lengths.iter().peekable();
            while let Some(&&len) = left.peek() {
                match future::poll_once(client.send(&pattern(len))).await {
                    Some(sent) => {
                        assert_eq!(sent.unwrap(), len);
                        left.next();
                    }
                    None => {
                        cancelled.0 += 1;
                        smol::Timer::after(common::ms(1)).await;
                    }
                }
            }
            client.close().await.unwrap();
        };
        let receiving = async {
            let (mut heard, mut buf) = (Vec::new(), vec![0; 9_000]);
            loop {
                match future::poll_once(server.recv(&mut buf)).await {
                    Some(Ok(0)) => return heard,
                    Some(received) => {
                        let len = received.unwrap();
                        assert!(buf[..len] == pattern(len));
                        heard.push(len);
                    }
                    None => {
                        cancelled.1 += 1;
                        smol::Timer::after(common::ms(1)).await;
                    }
                }
            }
        };
        let (_, heard) = future::zip(sending, receiving).await;
        assert_eq!(heard, lengths);
        assert!(cancelled.0 > 10 && cancelled.1 > 10, "{cancelled:?}");
    });
}
