//! What carries the connections of a tunnel where that is not a KCP stream for each.

pub(super) mod kcptun;
