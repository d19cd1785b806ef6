//! Peers that are kcptun, or others that are made of kcp-go: its ciphers and its parity. What they are worth is in
//! docs/kcptun.md.
//!
//! A configuration for one is in the example of [`KcpGoConfig`]. What [`KcpStream`](crate::KcpStream) then carries is
//! what such a peer calls a UDP session; kcptun has its own multiplexer in it, the crate `smol-smux`.

pub use smol_kcp_proto::layer::crypto::kcp_go::{
    derive_key, Cipher, DerivedKey, PacketCipher, UnknownCipher,
};
pub use smol_kcp_proto::layer::fec::{
    FecConfig, FecDecoderStats, FecEncoderStats, FecMode, ParseFecError,
};
pub use smol_kcp_proto::router::KcpGoStats;
pub use smol_kcp_proto::KcpGoConfig;
