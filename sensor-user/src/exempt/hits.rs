//! What exemptions have covered, kept over restarts in a file of the state directory.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::durable;

/// Name of the file in the state directory.
const FILE: &str = "exemption-hits.json";

/// What an exemption has covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Conversations that the agent found exempt by it.
    pub conversations: u64,
    /// Packets that the kernel let be by it.
    pub packets: u64,
    /// The last of them, nanoseconds since the Unix epoch.
    pub last: i128,
}

impl Hit {
    pub(super) fn conversation(&mut self, now: i128) {
        self.conversations += 1;
        self.last = self.last.max(now);
    }

    pub(super) fn packets(&mut self, packets: u64, now: i128) {
        self.packets += packets;
        self.last = self.last.max(now);
    }
}

/// The file.
#[derive(Clone, Debug)]
pub struct HitsFile {
    path: PathBuf,
    saved: BTreeMap<String, Hit>,
}

impl HitsFile {
    /// That of a state directory, and what it holds. One that cannot be read is told and moved aside: counts are not worth
    /// keeping the agent from its work.
    #[must_use]
    pub fn open(state_dir: &Path) -> Self {
        let path = state_dir.join(FILE);
        let saved = match read(&path) {
            Ok(saved) => saved,
            Err(error) => {
                let aside = path.with_extension("damaged");
                let kept = fs::rename(&path, &aside)
                    .map_or_else(|error| format!("{error}"), |()| format!("it is now {}", aside.display()));
                log::warn!(
                    "cannot read the hits of exemptions in {}: {error}; they are counted from zero ({kept})",
                    path.display()
                );
                BTreeMap::new()
            }
        };
        Self { path, saved }
    }

    /// What it holds.
    #[must_use]
    pub const fn hits(&self) -> &BTreeMap<String, Hit> {
        &self.saved
    }

    /// Saves `hits`, if they are not what it holds.
    ///
    /// # Errors
    /// The system's, with the file's name; what was saved before is still there.
    pub fn save(&mut self, hits: &BTreeMap<String, Hit>) -> io::Result<()> {
        if self.saved == *hits {
            return Ok(());
        }
        durable::write(&self.path, &serde_json::to_vec_pretty(hits)?)?;
        self.saved.clone_from(hits);
        Ok(())
    }

    /// What the file of a state directory holds, for whoever only looks.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn look(state_dir: &Path) -> io::Result<BTreeMap<String, Hit>> {
        read(&state_dir.join(FILE))
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, Hit>> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_outlive_a_restart_and_a_damaged_file_is_kept_aside() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = HitsFile::open(directory.path());
        let hits = BTreeMap::from([("a".to_owned(), Hit { conversations: 2, packets: 3, last: 4 })]);
        file.save(&hits).unwrap();
        assert_eq!(HitsFile::open(directory.path()).hits(), &hits);
        assert_eq!(HitsFile::look(directory.path()).unwrap(), hits);
        fs::write(directory.path().join(FILE), "{").unwrap();
        assert!(HitsFile::look(directory.path()).is_err());
        assert!(HitsFile::open(directory.path()).hits().is_empty());
        assert!(directory.path().join("exemption-hits.damaged").exists());
    }
}
