//! What keys are read from: files and the environment.

use std::path::Path;

use zeroize::Zeroizing;

use super::files;
use crate::kept::KeptFile;

/// Reads the secrets that options name, from files and from the environment.
#[derive(Debug)]
pub(crate) struct Keyring {
    /// A tunnel without keys is one that is wanted so: the command line says `--insecure`.
    pub(crate) insecure: bool,
    /// Files that were opened before the process gave up its rights.
    pub(super) kept: Vec<KeptFile>,
    pub(crate) environment: fn(&str) -> Option<Zeroizing<String>>,
    /// kcptun's key, where it is said as kcptun has it said.
    #[cfg(feature = "kcptun")]
    pub(crate) kcptun_key: Option<super::KcptunKey>,
}

impl Keyring {
    /// Has the environment of the process.
    pub(crate) fn new(insecure: bool) -> Keyring {
        Keyring {
            insecure,
            kept: Vec::new(),
            environment: from_environment,
            #[cfg(feature = "kcptun")]
            kcptun_key: None,
        }
    }

    /// Keeps files open, so that they can be read again with fewer rights.
    pub(crate) fn keep<'a>(&mut self, files: impl Iterator<Item = &'a str>) {
        for file in files {
            self.kept.push(KeptFile::new(file));
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow its name.
    pub(crate) fn read(&self, path: &str) -> Result<Zeroizing<String>, String> {
        let opened = match self.kept.iter().find(|kept| kept.path() == Path::new(path)) {
            Some(kept) => kept.open(),
            None => std::fs::File::open(path),
        };
        files::read(&opened.map_err(|error| format!("cannot be read: {error}"))?, path)
    }
}

/// What cannot be text is no secret either, and is said to be none.
fn from_environment(name: &str) -> Option<Zeroizing<String>> {
    let value = std::env::var_os(name)?;
    Some(Zeroizing::new(value.into_string().unwrap_or_default()))
}
