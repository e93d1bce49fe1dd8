//! The files as they will be installed, below a folder: one tree for all packages.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{contents::Entry, release::Release};

/// The tree.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) root: PathBuf,
    pub(crate) entries: Vec<Entry>,
}

impl Staged {
    /// Copies the files to their places below `root`, with their permissions and the time of the release.
    pub(crate) fn new(entries: &[Entry], root: &Path, release: &Release) -> Result<Self> {
        for entry in entries {
            let place = below(root, &entry.path);
            place_file(entry, &place, release)
                .with_context(|| format!("copying {} to {}", entry.source.display(), place.display()))?;
        }
        Ok(Self { root: root.to_owned(), entries: entries.to_vec() })
    }

    /// Where the file of an entry is.
    pub(crate) fn place(&self, entry: &Entry) -> PathBuf {
        below(&self.root, &entry.path)
    }

    /// Kibibytes of all files, as a package counts them.
    pub(crate) fn kibibytes(&self) -> Result<u64> {
        let sizes =
            self.entries.iter().map(|entry| Ok(fs::metadata(self.place(entry))?.len().div_ceil(1_024)));
        sizes.sum()
    }
}

fn place_file(entry: &Entry, place: &Path, release: &Release) -> std::io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(&entry.source, place)?;
    fs::set_permissions(place, Permissions::from_mode(entry.kind.mode()))?;
    File::options().append(true).open(place)?.set_modified(release.time())
}

/// A path of the installed system, below a folder.
fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
