//! One script for both sides of a conversation, whoever plays them.

use futures_lite::future::zip;
use smol_kcp::{KcpStream, OwnedReadHalf, OwnedWriteHalf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{assert_same, messages};

/// Longer than any message here.
const BUFFER: usize = 256 * 1024;

/// Questions and answers before the bulk.
const PINGS: u32 = 8;

pub trait Peer {
    type Reader: Reader;
    type Writer: Writer;
    fn halves(self) -> (Self::Reader, Self::Writer);
}

pub trait Reader {
    /// A message, or some bytes.
    async fn receive(&mut self, buf: &mut [u8]) -> usize;
}

pub trait Writer {
    async fn say(&mut self, part: &[u8]);
}

impl Peer for KcpStream {
    type Reader = OwnedReadHalf;
    type Writer = OwnedWriteHalf;
    fn halves(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.into_split()
    }
}

impl Reader for OwnedReadHalf {
    async fn receive(&mut self, buf: &mut [u8]) -> usize {
        self.recv(buf).await.unwrap()
    }
}

impl Writer for OwnedWriteHalf {
    async fn say(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let taken = self.send(part).await.unwrap();
            part = &part[taken..];
        }
    }
}

type TheirReader = tokio::io::ReadHalf<tokio_kcp::KcpStream>;
type TheirWriter = tokio::io::WriteHalf<tokio_kcp::KcpStream>;

impl Peer for tokio_kcp::KcpStream {
    type Reader = TheirReader;
    type Writer = TheirWriter;
    fn halves(self) -> (TheirReader, TheirWriter) {
        tokio::io::split(self)
    }
}

impl Reader for TheirReader {
    async fn receive(&mut self, buf: &mut [u8]) -> usize {
        self.read(buf).await.unwrap()
    }
}

impl Writer for TheirWriter {
    async fn say(&mut self, part: &[u8]) {
        self.write_all(part).await.unwrap();
    }
}

/// Says all parts.
pub async fn say_all(writer: &mut impl Writer, parts: &[Vec<u8>]) {
    for part in parts {
        writer.say(part).await;
    }
}

/// Listens until `len` bytes are there; what came, as it came. Of a stream not one byte more is
/// taken: it may belong to what is said next.
pub async fn hear(reader: &mut impl Reader, stream: bool, len: usize) -> Vec<Vec<u8>> {
    let (mut buf, mut got, mut missing) = (vec![0; BUFFER], Vec::new(), len);
    while missing > 0 {
        let most = if stream { missing.min(BUFFER) } else { BUFFER };
        let n = reader.receive(&mut buf[..most]).await;
        assert!(n > 0, "the end, {missing} bytes early");
        got.push(buf[..n].to_vec());
        missing = missing.checked_sub(n).expect("not more than was sent");
    }
    got
}

fn ping(i: u32) -> Vec<u8> {
    crate::support::pattern(i + 100, 10 + 7 * i as usize)
}

/// The side that opens: small questions, each answered by an echo, then `total` bytes both ways at
/// the same time. Returns the halves, still open.
pub async fn open<P: Peer>(peer: P, stream: bool, total: usize) -> (P::Reader, P::Writer) {
    let (mut reader, mut writer) = peer.halves();
    for i in 0..PINGS {
        let question = ping(i);
        writer.say(&question).await;
        assert_same(stream, &hear(&mut reader, stream, question.len()).await, &[question]);
    }
    bulk(&mut reader, &mut writer, stream, (1, 2), total).await;
    (reader, writer)
}

/// The side that answers.
pub async fn answer<P: Peer>(peer: P, stream: bool, total: usize) -> (P::Reader, P::Writer) {
    let (mut reader, mut writer) = peer.halves();
    for i in 0..PINGS {
        let question = hear(&mut reader, stream, ping(i).len()).await.concat();
        writer.say(&question).await;
    }
    bulk(&mut reader, &mut writer, stream, (2, 1), total).await;
    (reader, writer)
}

async fn bulk(
    reader: &mut impl Reader,
    writer: &mut impl Writer,
    stream: bool,
    (own, other): (u32, u32),
    total: usize,
) {
    let parts = messages(own, total);
    let (got, ()) = zip(hear(reader, stream, total), say_all(writer, &parts)).await;
    assert_same(stream, &got, &messages(other, total));
}
