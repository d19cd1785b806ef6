//! What names a session within its endpoint.

/// A session's place. It stays taken as long as a handle to the session lives.
pub type Key = usize;
