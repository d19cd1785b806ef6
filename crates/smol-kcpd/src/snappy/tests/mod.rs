//! Streams of others and of any content, through decoder, encoder and the stream around them.

use std::io::{IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_lite::{future, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use proptest::prelude::*;
use snap::read::FrameDecoder;
use snap::write::FrameEncoder;

use super::decoder::ChunkDecoder;
use super::encoder::ChunkEncoder;
use super::*;

/// Decodes input that arrives in pieces of these lengths, one after the other again and again.
fn decode(input: &[u8], pieces: &[usize]) -> Result<Vec<u8>, SnappyError> {
    let mut decoder = ChunkDecoder::new();
    let (mut all, mut left) = (Vec::new(), input);
    for &piece in pieces.iter().cycle() {
        if left.is_empty() {
            break;
        }
        let (mut arrived, rest) = left.split_at(piece.clamp(1, left.len()));
        left = rest;
        while !arrived.is_empty() {
            let mut output = Vec::new();
            let taken = decoder.decode(arrived, &mut output)?;
            assert!(taken > 0 && output.len() <= CONTENT_MAX);
            arrived = &arrived[taken..];
            all.extend(output);
        }
    }
    match decoder.is_within_chunk() {
        true => Err(SnappyError::Truncated),
        false => Ok(all),
    }
}

fn encode(writes: &[Vec<u8>]) -> Vec<u8> {
    let (mut encoder, mut output) = (ChunkEncoder::new(), Vec::new());
    for write in writes {
        let mut left = &write[..];
        while !left.is_empty() {
            left = &left[encoder.encode(left, &mut output)..];
        }
    }
    output
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits");
    (0..hex.len()).step_by(2).map(digits).collect()
}

#[test]
fn what_kcptun_compressed_comes_apart() {
    let mut lines = include_str!("recorded.txt").lines().filter(|line| !line.starts_with('#'));
    let mut streams = 0;
    while let Some(name) = lines.find(|line| !line.is_empty()) {
        let (raw, content) = (bytes(lines.next().unwrap()), bytes(lines.next().unwrap()));
        for pieces in [&[usize::MAX][..], &[1], &[3, 50]] {
            assert_eq!(decode(&raw, pieces).as_ref(), Ok(&content), "{name}");
        }
        streams += 1;
    }
    assert_eq!(streams, 4);
}

#[test]
fn short_frames_are_written_as_kcptun_writes_them() {
    // The first word of a session: a stream is opened.
    let written = encode(&[vec![1, 0, 0, 0, 3, 0, 0, 0]]);
    assert_eq!(written, bytes("ff060000734e61507059010c00004439ac2f0100000003000000"));
}

#[test]
fn what_is_no_compressed_stream_is_named() {
    let error = |chunk: &[u8]| decode(&[&STREAM_IDENTIFIER, chunk].concat(), &[7]).unwrap_err();
    // A peer with nocomp begins with a frame of smux.
    assert_eq!(decode(&[1, 0, 0, 0, 3, 0, 0, 0], &[8]), Err(SnappyError::Identifier));
    assert_eq!(decode(b"\xff\x06\0\0SnApPy", &[8]), Err(SnappyError::Identifier));
    assert_eq!(error(&[2, 1, 0, 0, 0]), SnappyError::Chunk(2));
    assert_eq!(error(&[1, 3, 0, 0]), SnappyError::Length(1, 3));
    assert_eq!(error(&[1, 5, 0, 1]), SnappyError::Length(1, 65_541));
    assert_eq!(error(&[0, 0xff, 0xff, 0xff]), SnappyError::Length(0, 0xff_ffff));
    assert_eq!(error(&[1, 5, 0, 0, 0, 0, 0, 0, 9]), SnappyError::Checksum);
    // One that would be four thousand million bytes.
    let bomb = error(&[0, 9, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(bomb, SnappyError::Content);
    assert_eq!(error(&[1, 5, 0]), SnappyError::Truncated);
    let said = SnappyError::Identifier.to_string();
    assert!(said.contains("do both sides have the same nocomp?"), "{said}");
}

#[test]
fn chunks_that_need_not_be_understood_are_left_out() {
    let mut stream = encode(&[vec![5; 100]]);
    let rest = stream.split_off(STREAM_IDENTIFIER.len());
    let padding = [0xfe, 3, 0, 0, 1, 2, 3];
    let all = [&stream[..], &padding, &rest, &STREAM_IDENTIFIER, &padding, &rest].concat();
    assert_eq!(decode(&all, &[5]), Ok(vec![5; 200]));
}

/// A stream that takes and gives little at a time, and often nothing.
#[derive(Default)]
struct Narrow {
    bytes: Vec<u8>,
    read: usize,
    turns: usize,
}

impl Narrow {
    fn is_busy(&mut self, cx: &mut Context<'_>) -> bool {
        self.turns += 1;
        let busy = self.turns % 3 == 0;
        if busy {
            cx.waker().wake_by_ref();
        }
        busy
    }
}

impl AsyncRead for Narrow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.is_busy(cx) {
            return Poll::Pending;
        }
        let n = (self.bytes.len() - self.read).min(buf.len()).min(700);
        buf[..n].copy_from_slice(&self.bytes[self.read..self.read + n]);
        self.read += n;
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.is_busy(cx) {
            return Poll::Pending;
        }
        let n = buf.len().min(900);
        self.bytes.extend_from_slice(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn every_write_is_on_its_way_at_once() {
    let mut stream = SnappyStream::new(Vec::new());
    let cx = &mut Context::from_waker(Waker::noop());
    for word in [&b"hello"[..], b"again and again and again and again"] {
        assert!(Pin::new(&mut stream).poll_write(cx, word).is_ready());
    }
    let slices = [&b"two "[..], b"", b"words"].map(IoSlice::new);
    let taken = Pin::new(&mut stream).poll_write_vectored(cx, &slices);
    assert!(matches!(taken, Poll::Ready(Ok(9))));
    // Nobody has flushed.
    let written = stream.into_inner();
    let words = b"helloagain and again and again and againtwo words";
    assert_eq!(decode(&written, &[usize::MAX]).unwrap(), words);
    assert_eq!(written.windows(4).filter(|w| w[0] == 1 && w[1..] == [13, 0, 0]).count(), 1);
}

#[test]
fn a_stream_that_ends_too_early_says_so() {
    let mut written = encode(&[vec![7; 50]]);
    written.pop();
    let mut stream = SnappyStream::new(Narrow { bytes: written, ..Narrow::default() });
    let error = future::block_on(stream.read(&mut [0; 100])).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

/// Content of all kinds: what compresses well, what does not, and what is longer than a chunk.
fn writes() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let write = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2000),
        (any::<u8>(), 0usize..150_000).prop_map(|(byte, len)| vec![byte; len]),
        (1u32..1000, 0usize..100_000)
            .prop_map(|(n, len)| (0..len as u32).map(|at| (at / n * 31) as u8).collect()),
    ];
    prop::collection::vec(write, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn snaps_reader_reads_what_is_written(writes in writes()) {
        let mut read = Vec::new();
        FrameDecoder::new(&encode(&writes)[..]).read_to_end(&mut read).unwrap();
        prop_assert!(read == writes.concat());
    }

    #[test]
    fn what_snaps_writer_writes_is_read(
        writes in writes(), pieces in prop::collection::vec(1usize..5000, 1..8),
    ) {
        let mut writer = FrameEncoder::new(Vec::new());
        for write in &writes {
            writer.write_all(write).unwrap();
            writer.flush().unwrap();
        }
        let written = writer.into_inner().unwrap();
        prop_assert!(decode(&written, &pieces) == Ok(writes.concat()));
    }

    #[test]
    fn whatever_arrives_is_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..3, piece in 1usize..50,
    ) {
        let chunk = [&STREAM_IDENTIFIER[..], &[kind, bytes.len() as u8, 0, 0], &bytes].concat();
        let _ = decode(&chunk, &[piece]);
        let _ = decode(&[&STREAM_IDENTIFIER[..], &bytes].concat(), &[piece]);
        let _ = decode(&bytes, &[piece]);
    }

    #[test]
    fn a_stream_gives_back_what_was_written(writes in writes(), len in 1usize..9000) {
        future::block_on(async {
            let mut stream = SnappyStream::new(Narrow::default());
            for write in &writes {
                stream.write_all(write).await.unwrap();
            }
            stream.close().await.unwrap();
            let mut reader = SnappyStream::new(stream.into_inner());
            let (mut back, mut buf) = (Vec::new(), vec![0; len]);
            loop {
                match reader.read(&mut buf).await.unwrap() {
                    0 => break,
                    n => back.extend_from_slice(&buf[..n]),
                }
            }
            assert!(back == writes.concat());
        });
    }
}
