//! The files of control sockets: where they are, how one is made, and which of them lead nowhere.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::Control;

/// How the names of sockets, and of folders of their own, begin.
const PREFIX: &str = "smol-kcpd";

/// Those who wait to be heard.
const BACKLOG: i32 = 16;

/// The folders where sockets may be, the likeliest first.
fn folders() -> [Option<PathBuf>; 3] {
    let named = |name: &str| {
        let value = env::var(name).ok()?;
        // systemd may name several.
        Some(PathBuf::from(value.split(':').next()?)).filter(|path| path.is_absolute())
    };
    [named("RUNTIME_DIRECTORY"), Some("/var/run".into()), named("XDG_RUNTIME_DIR")]
}

/// Makes the socket of this process. `None`: there is to be none.
///
/// # Errors
/// Those of the system; a living process has that socket, or the path is no socket.
pub(super) fn bind(control: &Control) -> io::Result<Option<(UnixListener, PathBuf)>> {
    let at = |path: PathBuf| bind_at(&path).map(|listener| Some((listener, path)));
    match control {
        Control::Off => Ok(None),
        Control::At(path) => at(path.clone()),
        Control::Auto => {
            let name = format!("{PREFIX}.{}.sock", std::process::id());
            let mut failed = io::Error::from(io::ErrorKind::NotFound);
            for folder in folders().into_iter().flatten() {
                for stale in in_folder(&folder) {
                    let _ = clear(&stale);
                }
                match at(folder.join(&name)) {
                    Ok(bound) => return Ok(bound),
                    Err(error) => failed = error,
                }
            }
            Err(failed)
        }
    }
}

fn bind_at(path: &Path) -> io::Result<UnixListener> {
    clear(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Nobody is let in before it listens.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Removes the socket of a process that is gone.
fn clear(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let is_taken = |why: &str| io::Error::new(io::ErrorKind::AddrInUse, why.to_string());
    if !found.file_type().is_socket() {
        return Err(is_taken("there is something that is no socket"));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A living one with many visitors is not to be waited for.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(is_taken("another process has it")),
    }
}

fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let Ok(entry) = entry else { continue };
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            found.push(entry.path());
        }
    }
    found
}

/// Finds the sockets of all running processes, those in folders of their own too.
pub(super) fn find() -> Vec<(PathBuf, io::Result<UnixStream>)> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders().into_iter().flatten() {
        for path in in_folder(&folder) {
            found.extend(in_folder(&path)); // none if it is a socket
            found.push(path);
        }
    }
    found.dedup();
    let mut living = Vec::new();
    for path in found {
        let connected = UnixStream::connect(&path);
        // Others are no sockets, or those of the dead.
        if connected.as_ref().map_or_else(is_forbidden, |_| true) {
            living.push((path, connected));
        }
    }
    living
}

fn is_forbidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}
