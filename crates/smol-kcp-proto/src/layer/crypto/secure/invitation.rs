//! One line that holds all that a client needs, to be pasted on the other side.

use std::fmt;

use zeroize::Zeroizing;

use super::base64;
use super::keys::{PresharedKey, PublicKey, SecretKey, SharedSecret};
use super::primitives::{hash, KEY_LEN};

const SCHEME: &str = "smol-kcp://";
const SUM_LEN: usize = 4;

/// What a server hands to somebody who is to be its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Host and port of the server, as the client is to write them.
    pub server: String,
    /// How the client proves itself.
    pub keys: InvitationKeys,
}

/// The keys of an [`Invitation`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvitationKeys {
    /// Keys of this client's own.
    Own {
        /// The client's secret key, which the server has made and then forgotten.
        secret: SecretKey,
        /// The server's public key.
        server: PublicKey,
        /// The preshared key of the two, or none.
        psk: PresharedKey,
    },
    /// One secret for both sides.
    Shared(SharedSecret),
}

/// Why a line is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseInvitationError {
    /// It does not have the form `smol-kcp://host:port/#…`.
    Form,
    /// A part of it was lost or changed.
    Damaged,
    /// A version to come has made it.
    Unknown,
}

impl Invitation {
    /// Writes the line, in memory that is erased.
    pub fn to_line(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + 3 * KEY_LEN + SUM_LEN));
        match &self.keys {
            InvitationKeys::Own { secret, server, psk } => {
                bytes.push(1);
                for key in [secret.as_bytes(), server.as_bytes(), psk.as_bytes()] {
                    bytes.extend_from_slice(key);
                }
            }
            InvitationKeys::Shared(secret) => {
                bytes.push(2);
                bytes.extend_from_slice(secret.as_bytes());
            }
        }
        let sum = sum(&self.server, &bytes);
        bytes.extend_from_slice(&sum);
        let text = base64::encode_url(&bytes);
        let len = SCHEME.len() + self.server.len() + 2 + text.len();
        let mut line = Zeroizing::new(String::with_capacity(len));
        [SCHEME, &self.server, "/#", &text].iter().for_each(|part| line.push_str(part));
        line
    }

    /// Reads a line; white space around it is ignored.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &str) -> Result<Invitation, ParseInvitationError> {
        let rest = line.trim().strip_prefix(SCHEME).ok_or(ParseInvitationError::Form)?;
        let (server, text) = rest.split_once("/#").ok_or(ParseInvitationError::Form)?;
        if server.is_empty() || server.contains(['/', '#', '?', '@']) {
            return Err(ParseInvitationError::Form);
        }
        let bytes = base64::decode_url(text).ok_or(ParseInvitationError::Damaged)?;
        let (bytes, found) =
            bytes.split_last_chunk::<SUM_LEN>().ok_or(ParseInvitationError::Damaged)?;
        if sum(server, bytes) != *found {
            return Err(ParseInvitationError::Damaged);
        }
        let keys = keys(bytes).ok_or(ParseInvitationError::Unknown)?;
        Ok(Invitation { server: server.to_owned(), keys })
    }
}

fn keys(bytes: &[u8]) -> Option<InvitationKeys> {
    let (kind, keys) = bytes.split_first()?;
    let (first, rest) = keys.split_first_chunk::<KEY_LEN>()?;
    match (kind, rest.len()) {
        (1, len) if len == 2 * KEY_LEN => {
            let (server, psk) = rest.split_first_chunk::<KEY_LEN>()?;
            Some(InvitationKeys::Own {
                secret: SecretKey::from_bytes(*first),
                server: PublicKey::from_bytes(*server),
                psk: PresharedKey::from_bytes(*psk.first_chunk()?),
            })
        }
        (2, 0) => Some(InvitationKeys::Shared(SharedSecret::from_bytes(*first))),
        _ => None,
    }
}

/// Finds what was lost in pasting; it proves nothing.
fn sum(server: &str, bytes: &[u8]) -> [u8; SUM_LEN] {
    let [a, b, c, d, ..] = hash(&[b"smol-kcp 1 invitation", server.as_bytes(), bytes]);
    [a, b, c, d]
}

impl fmt::Display for ParseInvitationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseInvitationError::Form => "an invitation looks like smol-kcp://host:port/#…",
            ParseInvitationError::Damaged => "a part of the invitation was lost or changed",
            ParseInvitationError::Unknown => "a newer version has made this invitation",
        })
    }
}

impl std::error::Error for ParseInvitationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let server = "router.example:29900".to_owned();
        let secret = SharedSecret::from_bytes([7; 32]);
        let own = InvitationKeys::Own {
            secret: SecretKey::from_bytes([1; 32]),
            server: PublicKey::from_bytes([2; 32]),
            psk: PresharedKey::none(),
        };
        for keys in [own, InvitationKeys::Shared(secret)] {
            let invitation = Invitation { server: server.clone(), keys };
            let line = invitation.to_line();
            assert_eq!(Invitation::parse(&format!(" {}\n", *line)), Ok(invitation.clone()));
            for cut in 0..line.len() {
                assert!(Invitation::parse(&line[..cut]).is_err(), "{cut}");
            }
            let other = line.replace("29900", "29901");
            assert_eq!(Invitation::parse(&other), Err(ParseInvitationError::Damaged));
            assert!(!format!("{invitation:?}").contains("[1"), "no secret is shown");
        }
        assert_eq!(Invitation::parse("https://a/#b"), Err(ParseInvitationError::Form));
    }
}
