//! TCP over KCP: what `smol-kcpd` runs.

mod settings;

pub use settings::{Role, Settings};
