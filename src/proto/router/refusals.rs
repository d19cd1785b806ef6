//! What is told of the limits at which peers are turned away.

use super::Router;

impl Router {
    /// Returns how many streams of peers were refused so far, and how many made room for others.
    pub(crate) fn turned_away(&self) -> (u64, u64) {
        (self.stats.refused, self.stats.evicted)
    }

    /// Returns the limit at which peers are refused now, and its value.
    pub(crate) fn refusing_limit(&self) -> (&'static str, usize) {
        match self.config.max_sessions {
            limit if self.routes.len() >= limit => ("max_sessions", limit),
            _ => ("max_sessions_per_prefix", self.config.sessions_per_prefix()),
        }
    }
}
