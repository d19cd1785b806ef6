//! What makes datagrams unreadable to others.

#[cfg(feature = "kcptun")]
pub mod kcp_go;
#[cfg(feature = "secure")]
pub mod secure;
