//! From options to keys: what goes together, what is missing, and what the files hold.

use zeroize::Zeroizing;

use smol_kcp::secure::{
    Invitation, PresharedKey, SecretKey, SecureConfig, SecurePeer, SharedSecret,
};

use super::keyring::Keyring;
use super::KeyOptions;
use crate::ends::Side;
use crate::HostPort;

/// Variables of the environment that stand for files with secrets, and the options for these.
pub(crate) const ENVIRONMENT: [(&str, &str); 4] = [
    ("SMOL_KCPD_INVITE", "invite_file"),
    ("SMOL_KCPD_SHARED_SECRET", "shared_secret_file"),
    ("SMOL_KCPD_SECRET", "secret_file"),
    ("SMOL_KCPD_PSK", "psk_file"),
];

/// What is accepted as a secret.
pub(super) const KEY: &str = "must be 44 characters of base64, as `smol-kcpd keygen` makes them";

/// What is wrong with the keys of a tunnel.
#[derive(Debug)]
pub(crate) enum KeyFault {
    /// An option has to be there too.
    Missing(&'static str),
    /// An option, and what is wrong with it.
    Option(&'static str, String),
    /// One item of an option that is a list, and what is wrong with it.
    Item(&'static str, String, String),
    /// There are none at all.
    NoKeys,
    /// Something else: a variable of the environment.
    Other(String),
}

/// What the keys of a tunnel are.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// `None`: nothing is encrypted.
    pub secure: Option<SecureConfig>,
    /// The server that an invitation names.
    pub server: Option<HostPort>,
    /// There are no keys, and the command line wants it so.
    pub insecure: bool,
}

/// Where a secret is.
#[derive(Clone, Copy)]
enum At<'a> {
    File(&'static str, &'a str),
    Environment(&'static str),
}

/// Reads the keys of one end.
pub(crate) fn resolve(
    keys: &KeyOptions,
    side: Side,
    keyring: &Keyring,
) -> Result<Resolved, KeyFault> {
    let given = keys.given();
    if keys.insecure {
        return match given.first() {
            Some(other) => {
                let why = format!("not together with `{other}`, which encrypts");
                Err(KeyFault::Option("insecure", why))
            }
            None => Ok(Resolved { insecure: true, ..Resolved::default() }),
        };
    }
    for whole in ["invite", "invite_file", "shared_secret_file"] {
        let other = given.iter().find(|&&other| other != whole);
        if let (true, Some(other)) = (given.contains(&whole), other) {
            let why = format!("stands for all keys: not together with `{other}`");
            return Err(KeyFault::Option(whole, why));
        }
    }
    if let Some(invitation) = &keys.invite {
        return invited(invitation).map_err(|why| KeyFault::Option("invite", why));
    }
    if let Some(path) = &keys.invite_file {
        return invited_at(At::File("invite_file", path), keyring);
    }
    if let Some(path) = &keys.shared_secret_file {
        return shared(At::File("shared_secret_file", path), side, keyring);
    }
    match given.is_empty() {
        true => from_environment(keys, side, keyring),
        false => own(keys, side, keyring),
    }
}

/// No option says anything of keys.
fn from_environment(
    keys: &KeyOptions,
    side: Side,
    keyring: &Keyring,
) -> Result<Resolved, KeyFault> {
    if keyring.insecure {
        return Ok(Resolved { insecure: true, ..Resolved::default() });
    }
    let fits = |name: &str| side == Side::Client || name != "SMOL_KCPD_INVITE";
    let set = ENVIRONMENT.iter().take(3).map(|&(name, _)| name);
    let mut set = set.filter(|name| fits(name) && (keyring.environment)(name).is_some());
    let Some(name) = set.next() else { return Err(KeyFault::NoKeys) };
    if let Some(other) = set.next() {
        return Err(KeyFault::Other(format!(
            "{name} stands for all keys: not together with {other}"
        )));
    }
    match name {
        "SMOL_KCPD_INVITE" => invited_at(At::Environment(name), keyring),
        "SMOL_KCPD_SHARED_SECRET" => shared(At::Environment(name), side, keyring),
        _ => own(keys, side, keyring),
    }
}

fn invited_at(at: At<'_>, keyring: &Keyring) -> Result<Resolved, KeyFault> {
    let line = text(at, keyring)?;
    let invitation =
        Invitation::parse(&line).map_err(|error| fault(at, format!("holds none: {error}")));
    invited(&invitation?).map_err(|why| fault(at, why))
}

fn invited(invitation: &Invitation) -> Result<Resolved, String> {
    let server = HostPort::parse(&invitation.server).ok_or_else(|| {
        format!(
            "the invitation is to {}, which is no name or address with a port",
            invitation.server
        )
    })?;
    let secure = Some(SecureConfig::invited(invitation));
    Ok(Resolved { secure, server: Some(server), ..Resolved::default() })
}

fn shared(at: At<'_>, side: Side, keyring: &Keyring) -> Result<Resolved, KeyFault> {
    let secret: SharedSecret = secret(at, keyring)?;
    let secure = match side {
        Side::Client => SecureConfig::shared_client(&secret),
        Side::Server => SecureConfig::shared_server(&secret),
    };
    Ok(Resolved { secure: Some(secure), ..Resolved::default() })
}

/// Each side has a key of its own.
fn own(keys: &KeyOptions, side: Side, keyring: &Keyring) -> Result<Resolved, KeyFault> {
    let at = place("secret_file", keys.secret_file.as_deref(), keyring);
    let own: SecretKey = secret(at.ok_or(KeyFault::Missing("secret_file"))?, keyring)?;
    let psk = place("psk_file", keys.psk_file.as_deref(), keyring);
    let psk: Option<PresharedKey> = psk.map(|at| secret(at, keyring)).transpose()?;
    let peer = |key| {
        let peer = SecurePeer::new(key);
        psk.iter().fold(peer, |peer, psk| peer.with_psk(psk.clone()))
    };
    let public = own.public_key();
    let secure = SecureConfig::new(own);
    let secure = match side {
        Side::Client => {
            let server = keys.server_key.ok_or(KeyFault::Missing("server_key"))?;
            if server == public {
                let why = "is the key of this side: must be that of the server";
                return Err(KeyFault::Option("server_key", why.into()));
            }
            secure.with_server(peer(server))
        }
        Side::Server => {
            check_clients(keys, &public)?;
            let named = |client: &super::Client| peer(client.key).with_name(&client.name);
            keys.allow.iter().map(named).fold(secure, SecureConfig::with_client)
        }
    };
    Ok(Resolved { secure: Some(secure), ..Resolved::default() })
}

fn check_clients(keys: &KeyOptions, own: &smol_kcp::secure::PublicKey) -> Result<(), KeyFault> {
    for (at, client) in keys.allow.iter().enumerate() {
        let before = keys.allow.iter().take(at);
        let why = if client.key == *own {
            "is the key of this side: must be that of a client".into()
        } else if before.clone().any(|other| other.name == client.name) {
            format!("{} is there twice", client.name)
        } else if let Some(other) = before.clone().find(|other| other.key == client.key) {
            format!("has the key of {}: each client has one of its own", other.name)
        } else {
            continue;
        };
        return Err(KeyFault::Item("allow", format!("{}={}", client.name, client.key), why));
    }
    for (at, (name, target)) in keys.client_targets.iter().enumerate() {
        let why = if !keys.allow.iter().any(|client| client.name == *name) {
            format!("`allow` names no {name}")
        } else if keys.client_targets.iter().take(at).any(|(other, _)| other == name) {
            format!("{name} is there twice")
        } else {
            continue;
        };
        return Err(KeyFault::Item("client_target", format!("{name}={target}"), why));
    }
    Ok(())
}

/// Where the secret of an option is: in the file that it names, or else in the environment.
fn place<'a>(option: &'static str, file: Option<&'a str>, keyring: &Keyring) -> Option<At<'a>> {
    if let Some(path) = file {
        return Some(At::File(option, path));
    }
    let (variable, _) = ENVIRONMENT.into_iter().find(|&(_, stands_for)| stands_for == option)?;
    (keyring.environment)(variable).map(|_| At::Environment(variable))
}

fn secret<T: std::str::FromStr>(at: At<'_>, keyring: &Keyring) -> Result<T, KeyFault> {
    text(at, keyring)?.parse().map_err(|_| fault(at, format!("holds no key: {KEY}")))
}

fn text(at: At<'_>, keyring: &Keyring) -> Result<Zeroizing<String>, KeyFault> {
    match at {
        At::File(_, path) => keyring.read(path).map_err(|why| fault(at, why)),
        At::Environment(name) => Ok((keyring.environment)(name).unwrap_or_default()),
    }
}

fn fault(at: At<'_>, why: String) -> KeyFault {
    match at {
        At::File(option, _) => KeyFault::Option(option, why),
        At::Environment(name) => KeyFault::Other(format!("{name} {why}")),
    }
}
