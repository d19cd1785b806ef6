//! Parity, as kcp-go has it: of each group of datagrams some may get lost, and the rest tells what they said.
//!
//! Reed–Solomon over bytes, equal to kcp-go's to the bit, so that kcptun at the other end understands it. The two
//! directions are independent: each side sends parity as it likes, or none, and finds out what the other sends.
//!
//! ```
//! use smol_kcp_proto::layer::fec::*;
//! use smol_kcp_proto::time::Time;
//!
//! let now = Time::ZERO;
//! let mut encoder = FecEncoder::new(FecConfig::low_latency()).unwrap();
//! let mut sent = Vec::new();
//! for text in [&b"one of two"[..], b"another"] {
//!     let mut buf = [0; 64];
//!     buf[HEADROOM..][..text.len()].copy_from_slice(text);
//!     let len = encoder.seal(now, &mut buf, text.len()).unwrap();
//!     sent.push(buf[..len].to_vec());
//! }
//! let mut buf = [0; 64];
//! let len = encoder.parity(&mut buf).unwrap();
//! sent.push(buf[..len].to_vec());
//!
//! let mut decoder = FecDecoder::new(FecConfig::low_latency());
//! let mut received = Vec::new();
//! for datagram in &sent[1..] {
//!     assert!(is_fec(datagram));
//!     decoder.decode(now, datagram, &mut |origin, content| received.push((origin, content.to_vec())));
//! }
//! assert_eq!(received[0], (Origin::Arrived, b"another".to_vec()));
//! assert_eq!(received[1], (Origin::Recovered, b"one of two".to_vec()));
//! ```

mod config;
mod decoder;
mod encoder;
mod group;
mod header;
mod learner;
#[cfg(test)]
mod tests;

pub use config::{FecConfig, FecMode, ParseFecError};
pub use decoder::{FecDecoder, FecDecoderStats, Origin};
pub use encoder::{FecEncoder, FecEncoderStats};
pub use header::{data_content, is_fec, DATAGRAM_MAX, HEADROOM};
