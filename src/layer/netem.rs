//! A bad network, seeded.

/// How bad.
#[derive(Clone, Debug, PartialEq)]
pub struct NetemConfig {}
