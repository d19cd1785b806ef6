//! A file of ours that was made of somebody else's.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::keys::write_secret;
use crate::KcptunKey;

/// A file of ours, made of one of kcptun's.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    text: String,
    /// The keys to write, each to a new file.
    keys: Vec<(String, KcptunKey)>,
}

impl Import {
    pub(super) fn new(text: String, keys: Vec<(String, KcptunKey)>) -> Import {
        Import { text, keys }
    }

    /// Writes the keys, if it was said where, into a folder that it makes if need be, and prints the file.
    ///
    /// # Errors
    /// There is a file of that name already; those of the system, and of `out`.
    pub fn run(&self, out: &mut dyn Write) -> io::Result<()> {
        for (path, key) in &self.keys {
            if let Some(folder) = Path::new(path).parent().filter(|folder| !folder.exists()) {
                let named = |error: io::Error| {
                    io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
                };
                fs::create_dir_all(folder).map_err(named)?;
            }
            let text = String::from_utf8_lossy(key.as_bytes());
            write_secret(path, &text)?;
        }
        out.write_all(self.text.as_bytes())
    }
}
