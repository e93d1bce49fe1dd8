//! Names of users, from the passwd file alone: no directory service is asked, so no lookup waits for a network.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError, RwLock},
    time::SystemTime,
};

use sensor_dissect::escape::shown;

/// Names of users. One thread reads the file again when it has changed; another asks for names and never waits for a disk.
pub struct UserNames {
    file: PathBuf,
    changed: Mutex<Option<SystemTime>>,
    names: RwLock<HashMap<u32, String>>,
}

impl UserNames {
    /// Users of a file in the format of passwd(5), read now.
    #[must_use]
    pub fn of(file: PathBuf) -> Self {
        let users = Self { file, changed: Mutex::default(), names: RwLock::default() };
        users.refresh();
        users
    }

    /// Reads the file if it has changed.
    pub fn refresh(&self) {
        let mut known = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = fs::metadata(&self.file).and_then(|about| about.modified()).ok();
        if changed != *known || changed.is_none() {
            *known = changed;
            let read = fs::read(&self.file).map(|text| names_in(&text)).unwrap_or_default();
            *self.names.write().unwrap_or_else(PoisonError::into_inner) = read;
        }
    }

    /// The name of a user.
    pub(super) fn name(&self, user: u32) -> Option<String> {
        self.names.read().unwrap_or_else(PoisonError::into_inner).get(&user).cloned()
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
        let users = UserNames::of(path.clone());
        assert_eq!(users.name(7), None);
        fs::write(&path, "backup:x:7:7:::\n").unwrap();
        users.refresh();
        assert_eq!(users.name(7).as_deref(), Some("backup"));
    }
}
