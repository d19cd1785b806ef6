//! The machine's memory, and the profile that follows from it.

use smol_kcp::KcpConfig;

const MIB: u64 = 1024 * 1024;

/// Memory below which the profile is `low_memory`, unless a tunnel names one.
const SMALL: u64 = 128 * MIB;

/// Says how much memory a process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Bytes; `None` if the system does not say.
    memory: Option<u64>,
}

impl Machine {
    /// Returns this machine.
    pub(crate) fn here() -> Machine {
        Machine { memory: smol_kcp::machine_memory() }
    }

    /// Returns the profile of tunnels that name none, and its name.
    pub(crate) fn profile(self) -> (&'static str, KcpConfig) {
        match self.memory {
            Some(memory) if memory < SMALL => ("low_memory", KcpConfig::low_memory()),
            _ => ("wan", KcpConfig::wan()),
        }
    }

    /// Describes the memory in words.
    pub(crate) fn describe(self) -> String {
        match self.memory {
            Some(memory) => format!("{} MiB of memory", memory / MIB),
            None => "memory of unknown size".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what is logged at the start of a router with 64 MB, one with 128 MB and a server.
    #[test]
    fn the_profile_fits_the_memory() {
        let cases = [
            (Some(59_000 * 1024), "low_memory", "57 MiB of memory"),
            (Some(122_000 * 1024), "low_memory", "119 MiB of memory"),
            (Some(250_000 * 1024), "wan", "244 MiB of memory"),
            (None, "wan", "memory of unknown size"),
        ];
        for (memory, profile, words) in cases {
            let machine = Machine { memory };
            assert_eq!((machine.profile().0, &*machine.describe()), (profile, words));
        }
    }
}
