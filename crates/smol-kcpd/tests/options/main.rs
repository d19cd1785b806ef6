//! The table of options, as `smol-kcpd options` prints it and as the documents and the UCI example use it.

#[path = "../built/mod.rs"]
mod built;
mod documents;
mod json;
mod list;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

/// A path in the source tree.
fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(tree(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A folder with keys by the names that the documents use, each for its owner only; it is where the process is
/// from then on, so that these names lead there.
fn keys() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keys");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let make = |args: &[&str]| {
            let made: Output = built::program().args(args).current_dir(&folder).output().unwrap();
            assert!(made.status.success(), "{args:?}: {made:?}");
            made.stdout
        };
        for name in ["server.key", "me.key"] {
            make(&["keygen", "--secret-file", name]);
        }
        make(&["keygen", "--shared-secret-file", "both.key"]);
        let invitation =
            make(&["invite", "--server", "host.example:29900", "--shared-secret-file", "both.key"]);
        // Made by `keygen` for its mode, and written anew.
        make(&["keygen", "--secret-file", "invitation"]);
        std::fs::write(folder.join("invitation"), invitation).expect("a file");
        std::env::set_current_dir(&folder).expect("a folder");
        folder
    })
}

/// Another's public key.
fn public_key() -> String {
    let made = built::program().arg("keygen").output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    text.split_whitespace().last().expect("a key").to_string()
}
