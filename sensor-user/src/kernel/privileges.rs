//! Privileges of the process and of its threads, by the names of capabilities(7).

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

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

/// Access to all files, which root has: every thread keeps it.
const FILES: [Capability; 5] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
];

/// Leaves this thread these capabilities and access to files. Threads that it starts have no others either.
///
/// # Errors
/// If the kernel refuses; then the thread may have kept some.
pub fn keep_only(kept: &[Capability]) -> Result<(), CapsError> {
    reduce(|capability| kept.contains(&capability) || FILES.contains(&capability))
}

/// Takes these capabilities from this thread.
///
/// # Errors
/// If the kernel refuses; then the thread may have kept some.
pub fn give_up(unneeded: &[Capability]) -> Result<(), CapsError> {
    reduce(|capability| !unneeded.contains(&capability))
}

/// The capability by which this thread may change maps of the kernel program.
#[must_use]
pub fn for_maps() -> Capability {
    let has_bpf = caps::has_cap(None, CapSet::Effective, Capability::CAP_BPF).unwrap_or(false);
    if has_bpf { Capability::CAP_BPF } else { Capability::CAP_SYS_ADMIN }
}

fn reduce(is_kept: impl Fn(Capability) -> bool) -> Result<(), CapsError> {
    // The kernel takes those from the ambient set that are no longer permitted.
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        let kept: CapsHashSet = caps::read(None, set)?.into_iter().filter(|one| is_kept(*one)).collect();
        caps::set(None, set, &kept)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_keeps_what_it_needs_and_no_other_thread_is_concerned() {
        let has = |capability| caps::has_cap(None, CapSet::Permitted, capability).unwrap();
        let before = [Capability::CAP_BPF, Capability::CAP_NET_RAW, Capability::CAP_CHOWN].map(has);
        let after = std::thread::spawn(move || {
            give_up(&[Capability::CAP_NET_RAW]).unwrap();
            let first = [Capability::CAP_BPF, Capability::CAP_NET_RAW, Capability::CAP_CHOWN].map(has);
            keep_only(&[]).unwrap();
            (first, [Capability::CAP_BPF, Capability::CAP_NET_RAW, Capability::CAP_CHOWN].map(has))
        });
        let [bpf, _, chown] = before;
        assert_eq!(after.join().unwrap(), ([bpf, false, chown], [false, false, chown]));
        assert_eq!([Capability::CAP_BPF, Capability::CAP_NET_RAW, Capability::CAP_CHOWN].map(has), before);
    }
}
