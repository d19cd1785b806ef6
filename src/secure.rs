//! The encrypted mode: the keys of both sides, and how they are written. It is specified in docs/security.md.
//!
//! Two configurations that go together are in the example of [`SecureConfig`].

use std::io;

use crate::KcpError;
use smol_kcp_proto::router::Router;

pub use smol_kcp_proto::layer::crypto::secure::{
    Invitation, InvitationKeys, ParseInvitationError, ParseKeyError, PresharedKey, PublicKey,
    SecretKey, SecureStats, SharedSecret,
};
pub use smol_kcp_proto::{SecureConfig, SecurePeer};

/// Draws 32 bytes from the system's randomness: a [`SecretKey`], a [`PresharedKey`] or a
/// [`SharedSecret`]. On a machine that has just started it waits until there is randomness.
///
/// # Errors
/// Those of the system.
///
/// # Examples
///
/// ```
/// use smol_kcp::secure::{random_key, SecretKey};
///
/// # fn main() -> std::io::Result<()> {
/// let secret = SecretKey::from_bytes(random_key()?);
/// println!("{}", secret.public_key());
/// # Ok(())
/// # }
/// ```
pub fn random_key() -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    Ok(key)
}

/// Encrypts all that travels, if the configuration says so.
pub(super) fn encrypted(router: Router) -> Result<Router, KcpError> {
    if router.config().secure.is_none() {
        return Ok(router);
    }
    let mut seed = [0; 64];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(router.with_secure(seed))
}
