//! Exemptions that the fleet shares: kept in the state directory, so that they are in force while no server can be reached.
//!
//! Each entry has the form of an added exemption and is validated alone: an invalid one does not affect the others.

use std::{fs, io, path::Path};

use tracing::warn;

use super::{Exemption, added};
use crate::{
    config::{Lists, parse_added},
    sinks::shared_exemptions_file,
};

/// The shared exemptions that are valid here; `lists` are those of the configuration. The others are logged.
#[must_use]
pub fn read(state_dir: &Path, lists: &Lists) -> Vec<Exemption> {
    let path = shared_exemptions_file(state_dir);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return vec![],
        Err(error) => {
            warn!("{} cannot be read, so no exemption of the fleet is in force: {error}", path.display());
            return vec![];
        }
    };
    let entries: Vec<String> = serde_json::from_slice(&text).unwrap_or_else(|error| {
        warn!("{} is damaged, so no exemption of the fleet is in force: {error}", path.display());
        vec![]
    });
    entries.iter().flat_map(|entry| valid(entry, lists)).collect()
}

fn valid(entry: &str, lists: &Lists) -> Vec<Exemption> {
    parse_added(entry, lists).unwrap_or_else(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        warn!("an exemption of the fleet is not in force here: {first}");
        vec![]
    })
}

/// An exemption as an entry.
#[must_use]
pub fn entry(one: &Exemption) -> String {
    added::entry(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exempt::Added;

    fn shared(id: &str) -> String {
        let by = Added {
            by: "carol".to_owned(),
            at: sensor_core::time::Timestamp::from_unix_seconds(1_700_000_000),
        };
        let one = Exemption::between("10.0.0.0/8".parse().ok(), None, "backup");
        entry(&Exemption { id: id.to_owned(), added: Some(by), ..one })
    }

    #[test]
    fn bad_entry_is_left_out_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, lists) = (shared_exemptions_file(folder.path()), Lists::default());
        assert!(read(folder.path(), &lists).is_empty());
        let everything = "[[exempt]]\nid = \"all\"\nreason = \"x\"\n".to_owned();
        let entries = [shared("one"), everything, "nonsense".to_owned(), shared("two")];
        fs::write(&path, serde_json::to_vec(&entries).unwrap()).unwrap();
        let all = read(folder.path(), &lists);
        assert_eq!(all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(all[0].added.as_ref().unwrap().by, "carol");
        fs::write(&path, "[").unwrap();
        assert!(read(folder.path(), &lists).is_empty());
    }
}
