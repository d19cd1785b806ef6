//! What makes datagrams unreadable to others.

#[cfg(feature = "kcptun")]
pub use smol_kcp_crypto::kcp_go;
#[cfg(feature = "secure")]
pub mod secure;
