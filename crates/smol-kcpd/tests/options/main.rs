//! The table of options, as `smol-kcpd options` prints it and as the documents and the UCI example use it.

#[path = "../built/mod.rs"]
mod built;
mod documents;
mod json;
mod list;

use std::path::{Path, PathBuf};

/// A path in the source tree.
fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(tree(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
