//! Files with secrets: only their owner may read them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use zeroize::Zeroizing;

/// Longest file that is read: an invitation with the longest name there is has half of it.
const LONGEST: u64 = 1024;

/// Reads what is in an open file, which `path` has led to.
///
/// # Errors
/// What is wrong with it, in words that follow its name.
pub(super) fn read(file: &File, path: &str) -> Result<Zeroizing<String>, String> {
    check_mode(file, path)?;
    read_from(file)
}

/// Reads a secret, from a file or whatever else.
pub(super) fn read_from(from: impl Read) -> Result<Zeroizing<String>, String> {
    // As long as it may become: what grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST as usize + 1));
    let read = from.take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    match text.len() as u64 > LONGEST {
        true => Err(format!("longer than {LONGEST} bytes: it is no secret of smol-kcpd")),
        false => Ok(text),
    }
}

#[cfg(unix)]
fn check_mode(file: &File, path: &str) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;

    let file = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    let mode = file.mode() & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        0o040 if is_credential(&file, path) => Ok(()),
        _ => Err(format!(
            "has the mode {mode:04o}, so that others may read the secret: must be one that only its \
             owner may read (chmod 600)"
        )),
    }
}

/// Is it a secret that systemd has given to this service alone (`LoadCredential`, systemd.exec(5))? Where it does so by
/// an access control list, the right of the service's user shows as one of the group.
#[cfg(unix)]
fn is_credential(file: &std::fs::Metadata, path: &str) -> bool {
    use std::os::unix::fs::MetadataExt;

    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").map(std::path::PathBuf::from);
    let Some((folder, name)) = folder.zip(std::path::Path::new(path).file_name()) else {
        return false;
    };
    let there = std::fs::metadata(folder.join(name));
    there.is_ok_and(|there| (there.dev(), there.ino()) == (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn check_mode(_: &File, _: &str) -> Result<(), String> {
    Ok(())
}

/// Writes a secret to a new file that only its owner may read.
///
/// # Errors
/// There is such a file already; those of the system.
pub(crate) fn write(path: &str, secret: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let named = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            io::Error::new(error.kind(), format!("{path}: is there already, and is not replaced"))
        }
        kind => io::Error::new(kind, format!("{path}: {error}")),
    };
    let mut file = options.open(path).map_err(named)?;
    let written = file.write_all(secret.as_bytes()).and_then(|()| file.write_all(b"\n"));
    written.and_then(|()| file.sync_all()).map_err(|error| {
        let _ = std::fs::remove_file(path); // half a secret is none
        named(error)
    })
}
