//! `smol-kcpd keygen`, `pubkey` and `invite`.

use std::io::{self, Read, Write};

use smol_kcp::secure::{
    random_key, Invitation, InvitationKeys, PresharedKey, SecretKey, SharedSecret,
};
use zeroize::Zeroizing;

use super::files;
use super::keyring::Keyring;
use crate::HostPort;

/// A command that makes keys, or says something of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyCommand {
    /// Makes a secret key, and prints it with its public key. With a file, the secret goes there.
    Keygen {
        /// A new file.
        secret_file: Option<String>,
    },
    /// Makes one secret for both sides, and prints it. With a file, it goes there.
    KeygenShared {
        /// A new file.
        shared_secret_file: Option<String>,
    },
    /// Prints the public key of a secret one.
    Pubkey {
        /// Where it is; `None`: on stdin.
        secret_file: Option<String>,
    },
    /// Makes the keys of a client, and prints the line that invites it and the one that allows it.
    Invite {
        /// The server, as the client is to write it.
        server: HostPort,
        /// The file with the secret key of the server.
        secret_file: String,
        /// The file with the preshared key, where the server has one.
        psk_file: Option<String>,
        /// What the client is to be called.
        name: String,
    },
    /// Prints the line that invites everybody who gets it.
    InviteShared {
        /// The server, as the clients are to write it.
        server: HostPort,
        /// The file with the secret of both sides.
        shared_secret_file: String,
    },
}

impl KeyCommand {
    /// Does it. `input` is where a secret key is read from that is in no file.
    ///
    /// # Errors
    /// A file cannot be read or written, or holds something else; those of `out`, and of the system's
    /// randomness.
    pub fn run(&self, input: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
        match self {
            KeyCommand::Keygen { secret_file } => keygen(secret_file.as_deref(), out),
            KeyCommand::KeygenShared { shared_secret_file } => {
                let secret = SharedSecret::from_bytes(random_key()?).to_text();
                match shared_secret_file {
                    Some(path) => files::write(path, &secret),
                    None => writeln!(out, "{}", *secret),
                }
            }
            KeyCommand::Pubkey { secret_file } => {
                let secret: SecretKey = match secret_file {
                    Some(path) => secret("--secret-file", path)?,
                    None => parse(
                        "stdin",
                        &files::read_from(input).map_err(|why| wrong("stdin", &why))?,
                    )?,
                };
                writeln!(out, "{}", secret.public_key())
            }
            KeyCommand::Invite { server, secret_file, psk_file, name } => {
                let server_key = secret::<SecretKey>("--secret-file", secret_file)?.public_key();
                let psk = psk_file.as_deref().map(|path| secret("--psk-file", path)).transpose()?;
                let own = SecretKey::from_bytes(random_key()?);
                let client = own.public_key();
                let psk = psk.unwrap_or_else(PresharedKey::none);
                let keys = InvitationKeys::Own { secret: own, server: server_key, psk };
                invite(server, keys, out)?;
                writeln!(out, "allow = {name}={client}")
            }
            KeyCommand::InviteShared { server, shared_secret_file } => {
                let secret = secret("--shared-secret-file", shared_secret_file)?;
                invite(server, InvitationKeys::Shared(secret), out)
            }
        }
    }
}

fn keygen(secret_file: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let secret = SecretKey::from_bytes(random_key()?);
    let public = secret.public_key();
    match secret_file {
        Some(path) => {
            files::write(path, &secret.to_text())?;
            writeln!(out, "{public}")
        }
        None => writeln!(out, "secret {}\npublic {public}", *secret.to_text()),
    }
}

fn invite(server: &HostPort, keys: InvitationKeys, out: &mut dyn Write) -> io::Result<()> {
    let invitation = Invitation { server: server.to_string(), keys };
    writeln!(out, "{}", *invitation.to_line())
}

/// Reads a secret from a file that an option names.
fn secret<T: std::str::FromStr>(option: &str, path: &str) -> io::Result<T> {
    let name = format!("{option} {path}");
    let text: Zeroizing<String> =
        Keyring::new(false).read(path).map_err(|why| wrong(&name, &why))?;
    parse(&name, &text)
}

fn parse<T: std::str::FromStr>(name: &str, text: &str) -> io::Result<T> {
    text.parse().map_err(|_| wrong(name, &format!("holds no key: {}", super::resolve::KEY)))
}

fn wrong(name: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {why}"))
}
