//! The change of the process to the rights of another user.

use std::io;

/// Changes the whole process, for good, to the groups, the group and the user of `user`.
///
/// # Errors
/// There is no such user; this process may not do that; or the system has no users.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn drop_to(user: &str) -> io::Result<()> {
    use nix::unistd::{setgid, setuid, User};

    let found = User::from_name(user)?;
    let found = found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such user"))?;
    let name = std::ffi::CString::new(user)?;
    nix::unistd::initgroups(&name, found.gid)?;
    setgid(found.gid)?;
    setuid(found.uid)?;
    Ok(())
}

/// Fails: only Unix systems have users.
///
/// # Errors
/// Always.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn drop_to(_: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "user: not available on this system"))
}
