//! Notices that a file changed, by its metadata.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// Metadata of a file: inode, size, and time of its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64, u64, i64, i64);

impl Stamp {
    /// Of a file, if it is there.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self(metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()))
    }
}
