//! The identity of the current boot.

use std::fs;

use uuid::Uuid;

/// The first 64 bits of the random number that the kernel chose at boot (`/proc/sys/kernel/random/boot_id`); `None`
/// if it cannot be read.
#[must_use]
pub fn id() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(Uuid::parse_str(text.trim()).ok()?.as_u64_pair().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_id_is_stable() {
        assert!(id().is_some());
        assert_eq!(id(), id());
    }
}
