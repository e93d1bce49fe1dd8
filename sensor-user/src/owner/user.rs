//! Names of users, from the passwd file alone: no directory service is asked, so no lookup waits for a network.

use std::{collections::HashMap, fs, path::PathBuf, time::SystemTime};

use sensor_dissect::escape::shown;

/// Names of users, read again when the file changes.
pub(super) struct Users {
    file: PathBuf,
    changed: Option<SystemTime>,
    names: HashMap<u32, String>,
}

impl Users {
    /// Users of a file in the format of passwd(5).
    pub(super) fn of(file: PathBuf) -> Self {
        Self { file, changed: None, names: HashMap::new() }
    }

    /// The name of a user.
    pub(super) fn name(&mut self, user: u32) -> Option<String> {
        let changed = fs::metadata(&self.file).and_then(|about| about.modified()).ok();
        if changed != self.changed || changed.is_none() {
            self.changed = changed;
            self.names = fs::read(&self.file).map(|text| names_in(&text)).unwrap_or_default();
        }
        self.names.get(&user).cloned()
    }
}

/// Number and name of each user; of several names for one number the first counts, as in getpwuid(3).
fn names_in(passwd: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in passwd.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let (name, number) = (fields.next(), fields.nth(1));
        let number = number.and_then(|number| str::from_utf8(number).ok()?.parse().ok());
        if let (Some(name), Some(number)) = (name, number)
            && !name.is_empty()
            && !name.starts_with(b"#")
        {
            names.entry(number).or_insert_with(|| shown(name));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_first_name_in_the_file() {
        let names = names_in(
            b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:\n#off:x:7:7::/:\nbroken\n:x:9:9:::\nu\x1b:x:5:",
        );
        assert_eq!(names.get(&0).map(String::as_str), Some("root"));
        assert_eq!(names.get(&5).map(String::as_str), Some("u\\u{1b}"));
        assert_eq!(names.len(), 2, "{names:?}");
    }

    #[test]
    fn missing_file_names_nobody_and_a_changed_one_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        let mut users = Users::of(path.clone());
        assert_eq!(users.name(7), None);
        fs::write(&path, "backup:x:7:7:::\n").unwrap();
        assert_eq!(users.name(7).as_deref(), Some("backup"));
    }
}
