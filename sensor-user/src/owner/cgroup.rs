//! The unified cgroup hierarchy: its mount point, and the path of a cgroup's number.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sensor_core::time::Timestamp;

/// Most folders that one walk through the hierarchy reads.
const MAX_FOLDERS: usize = 8_192;

/// Least time between two walks, nanoseconds, which bounds the cost of many short-lived cgroups.
const BETWEEN_WALKS: Duration = Duration::from_secs(1);

/// Where the unified hierarchy (cgroup2) is mounted, if it is.
pub(super) fn unified_hierarchy() -> Option<PathBuf> {
    mount_in(&fs::read("/proc/self/mountinfo").ok()?)
}

/// The first mount of the whole hierarchy, else of a part of it, in the format of proc_pid_mountinfo(5).
fn mount_in(mountinfo: &[u8]) -> Option<PathBuf> {
    let mut part = None;
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        // Fields that vary in number end with a dash; the type follows.
        let Some(dash) = fields.iter().position(|field| *field == b"-") else { continue };
        let (Some(root), Some(point)) = (fields.get(3), fields.get(4)) else { continue };
        if fields.get(dash + 1) == Some(&b"cgroup2".as_slice()) {
            let point = PathBuf::from(OsStr::from_bytes(&unescaped(point)));
            if *root == b"/" {
                return Some(point);
            }
            part.get_or_insert(point);
        }
    }
    part
}

/// The kernel writes blanks, tabs, line ends and backslashes as three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Some(byte) = field.get(at) {
        let digits = field.get(at + 1..at + 4).and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) if *byte == b'\\' => {
                bytes.push(code);
                at += 4;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}

/// Paths of cgroups by their number.
pub(super) struct Cgroups {
    mount: Option<PathBuf>,
    paths: HashMap<u64, Vec<u8>>,
    walked: Option<Timestamp>,
}

impl Cgroups {
    /// Cgroups of the hierarchy that is mounted there, if it is.
    pub(super) fn of(mount: Option<PathBuf>) -> Self {
        Self { mount, paths: HashMap::new(), walked: None }
    }

    /// The path of cgroup `id` below the mount, beginning with a slash. `supposed` is its process's claim, which counts
    /// if the number agrees.
    pub(super) fn path(&mut self, id: u64, supposed: Option<&[u8]>, now: Timestamp) -> Option<Vec<u8>> {
        let mount = self.mount.as_deref()?;
        if let Some(path) = supposed
            && number_of(&below(mount, path)) == Some(id)
        {
            return Some(path.to_vec());
        }
        // Numbers are not reused for 2^64 cgroups; a path may be, so the number is checked again.
        if let Some(path) = self.paths.get(&id)
            && number_of(&below(mount, path)) == Some(id)
        {
            return Some(path.clone());
        }
        if self.walked.is_some_and(|at| now >= at && now.since(at) < BETWEEN_WALKS) {
            return None;
        }
        self.walked = Some(now);
        self.paths = walk(mount);
        self.paths.get(&id).cloned()
    }
}

fn below(mount: &Path, path: &[u8]) -> PathBuf {
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    mount.join(OsStr::from_bytes(relative))
}

/// A cgroup's number is the inode number of its folder.
fn number_of(folder: &Path) -> Option<u64> {
    fs::symlink_metadata(folder).ok().filter(fs::Metadata::is_dir).map(|about| about.ino())
}

/// All cgroups, breadth first, so that many in one place do not hide the others.
fn walk(mount: &Path) -> HashMap<u64, Vec<u8>> {
    let mut paths = HashMap::new();
    paths.extend(number_of(mount).map(|id| (id, b"/".to_vec())));
    let mut waiting = std::collections::VecDeque::from([Vec::new()]);
    let mut looked_at = 0;
    while let Some(path) = waiting.pop_front() {
        looked_at += 1;
        if looked_at > MAX_FOLDERS {
            break;
        }
        let Ok(entries) = fs::read_dir(below(mount, &path)) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let path = [&path[..], b"/", entry.file_name().as_bytes()].concat();
            if let Some(id) = number_of(&below(mount, &path)) {
                paths.insert(id, path.clone());
            }
            waiting.push_back(path);
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mount_among_others() {
        let whole = b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
            40 31 0:37 /part /mnt/part rw - cgroup2 cgroup2 rw\n\
            41 31 0:37 / /sys/fs/cgroup/my\\040own rw shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_in(whole), Some("/sys/fs/cgroup/my own".into()));
        let part = b"40 31 0:37 /part /mnt/part rw - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_in(part), Some("/mnt/part".into()));
        assert_eq!(mount_in(b"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw\n\n"), None);
    }

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos)
    }

    #[test]
    fn cgroup_path_needs_a_matching_number() {
        let mount = tempfile::tempdir().unwrap();
        for path in ["a/b", "c"] {
            fs::create_dir_all(mount.path().join(path)).unwrap();
        }
        let id = number_of(&mount.path().join("a/b")).unwrap();
        let mut cgroups = Cgroups::of(Some(mount.path().to_owned()));
        assert_eq!(cgroups.path(id, Some(b"/a/b"), at(0)), Some(b"/a/b".to_vec()));
        assert_eq!(cgroups.path(id, Some(b"/c"), at(0)), Some(b"/a/b".to_vec()), "it moved since");
        assert_eq!(cgroups.path(id, None, at(0)), Some(b"/a/b".to_vec()));
    }

    #[test]
    fn gone_cgroup_has_no_path_and_walks_are_limited_to_one_a_second() {
        let mount = tempfile::tempdir().unwrap();
        let mut cgroups = Cgroups::of(Some(mount.path().to_owned()));
        assert_eq!(cgroups.path(u64::MAX, None, at(5)), None);
        let new = mount.path().join("new");
        fs::create_dir(&new).unwrap();
        let id = number_of(&new).unwrap();
        assert_eq!(cgroups.path(id, None, at(6)), None);
        assert_eq!(cgroups.path(id, None, at(5) + BETWEEN_WALKS), Some(b"/new".to_vec()));
        fs::remove_dir(&new).unwrap();
        assert_eq!(cgroups.path(id, None, at(6) + BETWEEN_WALKS), None);
        assert_eq!(Cgroups::of(None).path(id, Some(b"/new"), at(0)), None);
    }
}
