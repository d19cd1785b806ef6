//! kcptun's own words: flags, JSON and the files of OpenWrt, and what they are in ours.

mod arguments;
mod command;
mod files;
mod import;
mod json;
mod parameters;
#[cfg(test)]
mod tests;
mod translation;
mod uci;

pub(super) use command::{called_as, client, server};
pub(super) use import::import;
