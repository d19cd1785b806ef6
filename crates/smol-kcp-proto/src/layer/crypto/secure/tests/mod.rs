//! Vectors, stories in virtual time, and what strangers get.

mod at_once;
mod hostile;
mod lasting;
mod limits;
mod opening;
mod peers;
mod random_looks;
mod restart;
mod roaming;
mod vectors;
mod world;
