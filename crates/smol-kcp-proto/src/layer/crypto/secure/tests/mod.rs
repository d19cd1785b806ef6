//! Vectors, stories in virtual time, and what strangers get.

mod addresses;
mod at_once;
mod hostile;
mod lasting;
mod limits;
mod opening;
mod peers;
pub(crate) mod random_looks;
mod restart;
mod roaming;
mod runs;
mod vectors;
mod world;
