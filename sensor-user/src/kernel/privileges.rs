//! Privileges of the process, by the names of capabilities(7).

use caps::{CapSet, Capability};

/// A capability and what it is needed for.
#[derive(Clone, Copy, Debug)]
pub struct Needed {
    /// Capability.
    pub capability: Capability,
    /// Why.
    pub purpose: &'static str,
}

/// The needed capabilities. CAP_SYS_ADMIN replaces CAP_BPF and CAP_PERFMON, as in the kernel.
pub const NEEDED: [Needed; 3] = [
    Needed { capability: Capability::CAP_BPF, purpose: "load the kernel program" },
    Needed { capability: Capability::CAP_NET_ADMIN, purpose: "attach it to an interface" },
    Needed { capability: Capability::CAP_PERFMON, purpose: "let the kernel program read packets by pointer" },
];

/// How to run with the needed privileges.
pub const FIX: &str =
    "run as root (sudo smb-sensor …) or with AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON";

/// The needed capabilities that this process lacks.
#[must_use]
pub fn missing() -> Vec<Needed> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let admin = has(Capability::CAP_SYS_ADMIN);
    NEEDED
        .into_iter()
        .filter(|needed| !(has(needed.capability) || admin && needed.capability != Capability::CAP_NET_ADMIN))
        .collect()
}
