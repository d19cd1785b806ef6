//! kcptun's own words: flags, JSON and the files of OpenWrt, and what they are in ours.

mod arguments;
mod command;
mod import;
mod json;
mod parameters;
#[cfg(test)]
mod tests;
mod translation;
mod tunnel;
mod uci;

pub(super) use command::{called_as, client, import, server};
pub use import::Import;
pub(super) use tunnel::settings;
