//! Files that are read again after the process has given up its rights.

use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

/// A file, opened with the rights that the process was started with.
#[derive(Debug)]
pub(super) struct KeptFile {
    path: PathBuf,
    kept: Option<File>,
}

impl KeptFile {
    pub(super) fn new(path: impl Into<PathBuf>) -> KeptFile {
        let path = path.into();
        let kept = File::open(&path).ok();
        KeptFile { path, kept }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file at the path; if that is not permitted any more, gives the one opened at the start, as
    /// long as it is the same file.
    pub(super) fn open(&self) -> io::Result<File> {
        match (File::open(&self.path), &self.kept) {
            (Err(error), Some(kept)) if error.kind() == io::ErrorKind::PermissionDenied => {
                if !is_still_at(kept, &self.path) {
                    return Err(io::Error::other(
                        "it was replaced, and the new one may not be read with the rights of `user`: \
                         a restart of smol-kcpd is needed, or a file of that user",
                    ));
                }
                let mut file = kept.try_clone()?;
                file.rewind()?;
                Ok(file)
            }
            (opened, _) => opened,
        }
    }
}

/// Returns whether `file` is the one at `path`; if the folder may not be searched, whether it has not
/// been deleted.
#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let Ok(kept) = file.metadata() else { return false };
    match path.metadata() {
        Ok(there) => (there.dev(), there.ino()) == (kept.dev(), kept.ino()),
        Err(_) => kept.nlink() > 0,
    }
}

#[cfg(not(unix))]
fn is_still_at(_: &File, _: &Path) -> bool {
    false
}
