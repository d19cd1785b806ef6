//! Keys of tunnels: where they are, what is made of them, and the commands that make them.

mod command;
mod files;
#[cfg(feature = "kcptun")]
mod kcptun;
mod keyring;
mod resolve;
#[cfg(test)]
mod tests;

pub use command::KeyCommand;
#[cfg(feature = "kcptun")]
pub(crate) use files::write as write_secret;
#[cfg(feature = "kcptun")]
pub use kcptun::KcptunKey;
pub(crate) use keyring::Keyring;
pub(crate) use resolve::{resolve, KeyFault, ENVIRONMENT};

use smol_kcp::secure::{Invitation, PublicKey};

use crate::HostPort;

/// What a client says where nobody answers: a key that is not right is met with silence.
pub(crate) const NO_ANSWER: &str = "no answer; is the server's key right?";

/// Says which keys a tunnel has and where they are, as its options do. What is read from there is in
/// `secure` of its [`kcp`](crate::Settings::kcp).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyOptions {
    /// Nothing is encrypted, and it is wanted so.
    pub insecure: bool,
    /// The file with the own secret key.
    pub secret_file: Option<String>,
    /// Client: the key of the server.
    pub server_key: Option<PublicKey>,
    /// Server: who may connect.
    pub allow: Vec<Client>,
    /// Server: those of them who have a target of their own, by name.
    pub client_targets: Vec<(String, HostPort)>,
    /// The file with a secret that both sides have beside their keys.
    pub psk_file: Option<String>,
    /// The file with the one secret of both sides.
    pub shared_secret_file: Option<String>,
    /// Client: the invitation itself.
    pub invite: Option<Invitation>,
    /// Client: the file with the invitation.
    pub invite_file: Option<String>,
    /// The file with kcptun's key, where the tunnel speaks as kcptun does.
    #[cfg(feature = "kcptun")]
    pub kcptun_key_file: Option<String>,
}

/// Describes somebody who may connect to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it is called in the log.
    pub name: String,
    /// What it is known by.
    pub key: PublicKey,
}

impl KeyOptions {
    /// Returns where the streams of a client go, if that is a place of its own.
    pub fn target_of(&self, client: &str) -> Option<&HostPort> {
        let own = self.client_targets.iter().find(|(name, _)| name == client);
        own.map(|(_, target)| target)
    }

    /// Returns the names of the options that are given, without `insecure`.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("invite", self.invite.is_some()),
            ("invite_file", self.invite_file.is_some()),
            ("shared_secret_file", self.shared_secret_file.is_some()),
            ("secret_file", self.secret_file.is_some()),
            ("server_key", self.server_key.is_some()),
            ("allow", !self.allow.is_empty()),
            ("client_target", !self.client_targets.is_empty()),
            ("psk_file", self.psk_file.is_some()),
        ];
        all.into_iter().filter_map(|(name, is_given)| is_given.then_some(name)).collect()
    }

    /// Returns the files that are named.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        let files =
            [&self.secret_file, &self.psk_file, &self.shared_secret_file, &self.invite_file];
        #[cfg(feature = "kcptun")]
        let files = files.into_iter().chain([&self.kcptun_key_file]);
        files.into_iter().filter_map(Option::as_deref)
    }
}
