//! Notices changed files of threat lists by their metadata.

use std::{fs, os::unix::fs::MetadataExt as _};

use super::ThreatList;

/// Metadata of a file: inode, size, and time of the last write.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Metadata of the files when they were last read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    stamps: Vec<Stamp>,
}

impl Watch {
    /// Their present metadata.
    #[must_use]
    pub fn of(lists: &[ThreatList]) -> Self {
        let mut watch = Self::default();
        lists.iter().for_each(|list| watch.add(list));
        watch
    }

    /// Adds one more. To be called before it is read, so that a later write is noticed.
    pub(super) fn add(&mut self, list: &ThreatList) {
        let metadata = fs::metadata(&list.file).ok();
        self.stamps.push(
            metadata
                .map(|metadata| (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threat::Format;

    #[test]
    fn replaced_written_or_removed_file_looks_different() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        let lists = [ThreatList { name: "list".into(), file: file.clone(), format: Format::Plain }];
        let gone = Watch::of(&lists);
        fs::write(&file, "8.8.4.4").unwrap();
        let there = Watch::of(&lists);
        assert_eq!(there, Watch::of(&lists));
        fs::write(&file, "8.8.4.4\n9.9.9.9").unwrap();
        let written = Watch::of(&lists);
        assert!(gone != there && there != written && gone != written);
    }
}
