//! A small HTTP server, for the page and for Prometheus: it reads, and changes nothing.

mod answer;
mod find;
#[cfg(feature = "http")]
mod page;
mod request;
mod server;

pub(super) use server::serve_all;
