//! What makes datagrams unreadable to others.

pub mod secure;
