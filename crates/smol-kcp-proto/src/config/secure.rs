//! With whom an endpoint speaks, and by which keys: the encrypted mode of docs/security.md.

use std::sync::Arc;

use super::check::refused;
use crate::error::KcpError;
use crate::layer::crypto::secure::{
    Invitation, InvitationKeys, PresharedKey, PublicKey, SecretKey, SharedSecret,
};

/// More hides no more, and costs the line.
const PAD_MAX: usize = 1024;

/// The keys of an endpoint: its own, and those of whom it speaks with. All that its streams carry is
/// encrypted and authenticated both ways; strangers get no answer.
///
/// One key may belong to several running programs: the other side tells them apart.
///
/// # Examples
///
/// A server that takes one client, and that client:
///
/// ```
/// use smol_kcp::secure::{random_key, SecretKey, SecureConfig, SecurePeer};
/// use smol_kcp::KcpConfig;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let of_server = SecretKey::from_bytes(random_key()?);
/// let of_client = SecretKey::from_bytes(random_key()?);
/// let (server, alice) = (of_server.public_key(), of_client.public_key());
///
/// let at_server = SecureConfig::new(of_server).with_client(SecurePeer::new(alice).with_name("alice"));
/// let at_client = SecureConfig::new(of_client).with_server(SecurePeer::new(server));
/// let config = KcpConfig { secure: Some(at_client), ..KcpConfig::wan() };
/// config.check()?;
/// # drop(at_server);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecureConfig {
    /// The own secret key; `None`: each endpoint draws one, which is right for a client that is known by a
    /// preshared key. Default `None`.
    pub own_key: Option<SecretKey>,
    /// Whom `connect` means, whatever the address. Default `None`: nobody can be connected to.
    pub server: Option<SecurePeer>,
    /// Whose streams are accepted. Default: nobody's. A running endpoint takes others by
    /// `KcpEndpoint::set_clients`.
    pub clients: Vec<SecurePeer>,
    /// Streams of anybody who proves to have this are accepted too. Default `None`.
    pub anyone_with: Option<PresharedKey>,
    /// Datagrams are padded to a multiple of so many bytes, as far as they fit into the
    /// [`mtu`](crate::KcpConfig::mtu), 0 to 1024; 0: their length tells that of what they carry. Default 0.
    pub pad_to: usize,
}

/// One that an endpoint speaks with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SecurePeer {
    /// Its public key: what it is known by.
    pub key: PublicKey,
    /// A secret that both have beside their keys, and that protects what is recorded today from who breaks
    /// X25519 one day; `None`: none.
    pub psk: Option<PresharedKey>,
    /// What it is called in logs and statistics.
    pub name: Option<Arc<str>>,
}

impl SecurePeer {
    /// Begins with a key alone.
    pub fn new(key: PublicKey) -> SecurePeer {
        SecurePeer { key, psk: None, name: None }
    }

    /// Sets what it is called.
    pub fn with_name(self, name: &str) -> SecurePeer {
        SecurePeer { name: Some(name.into()), ..self }
    }

    /// Sets the preshared key.
    pub fn with_psk(self, psk: PresharedKey) -> SecurePeer {
        SecurePeer { psk: Some(psk).filter(|psk| !psk.is_none()), ..self }
    }
}

impl SecureConfig {
    /// Begins with the own key, and nobody to speak with.
    pub fn new(own_key: SecretKey) -> SecureConfig {
        SecureConfig { own_key: Some(own_key), ..SecureConfig::default() }
    }

    /// Sets whom `connect` means.
    pub fn with_server(self, server: SecurePeer) -> SecureConfig {
        SecureConfig { server: Some(server), ..self }
    }

    /// Accepts one more.
    pub fn with_client(mut self, client: SecurePeer) -> SecureConfig {
        self.clients.push(client);
        self
    }

    /// Makes the server's side of one secret that both sides have.
    pub fn shared_server(secret: &SharedSecret) -> SecureConfig {
        let anyone_with = Some(secret.preshared_key());
        SecureConfig { anyone_with, ..SecureConfig::new(secret.server_key()) }
    }

    /// Makes a client's side of one secret that both sides have. Its own key is another one in each run.
    pub fn shared_client(secret: &SharedSecret) -> SecureConfig {
        let server = SecurePeer::new(secret.server_key().public_key());
        SecureConfig::default().with_server(server.with_psk(secret.preshared_key()))
    }

    /// Makes the side of a client that was invited.
    pub fn invited(invitation: &Invitation) -> SecureConfig {
        match &invitation.keys {
            InvitationKeys::Own { secret, server, psk } => SecureConfig::new(secret.clone())
                .with_server(SecurePeer::new(*server).with_psk(psk.clone())),
            InvitationKeys::Shared(secret) => SecureConfig::shared_client(secret),
        }
    }

    /// Checks every field, as [`KcpConfig::check`](crate::KcpConfig::check) does.
    pub(super) fn check(&self) -> Result<(), KcpError> {
        if self.pad_to > PAD_MAX {
            return Err(refused("secure.pad_to", self.pad_to, format!("0 to {PAD_MAX}")));
        }
        let own = self.own_key.as_ref().map(SecretKey::public_key);
        if let Some(server) = &self.server {
            check_key("secure.server", own.as_ref(), &server.key)?;
        }
        check_clients(own.as_ref(), &self.clients)
    }
}

/// Checks those who are to be accepted.
pub(crate) fn check_clients(
    own: Option<&PublicKey>,
    clients: &[SecurePeer],
) -> Result<(), KcpError> {
    let mut keys: Vec<&PublicKey> = clients.iter().map(|client| &client.key).collect();
    for key in &keys {
        check_key("secure.clients", own, key)?;
    }
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(refused("secure.clients", pair[0], "each key once".into())),
        None => Ok(()),
    }
}

fn check_key(
    field: &'static str,
    own: Option<&PublicKey>,
    key: &PublicKey,
) -> Result<(), KcpError> {
    let accepted = match own {
        _ if key.as_bytes() == &[0; 32] => "the public key of the other side: no key is all zeros",
        Some(own) if own == key => "the public key of the other side: this is the own one",
        _ => return Ok(()),
    };
    Err(refused(field, key, accepted.into()))
}
