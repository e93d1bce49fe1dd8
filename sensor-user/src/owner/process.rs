//! Reads a process from /proc, provided that it is still the process that called connect(2).
//!
//! It is the same process if it began before the call and its calling thread still has the name that the kernel recorded. A
//! process that reuses the number began later, and a process that executes another program changes the name. One case stays
//! undetected: a program that replaces itself by another of the same name between the call and the reading, usually within
//! milliseconds.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::AsRawFd as _,
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use sensor_common::owner::{COMM_LEN, Opener};
use sensor_core::process::Executable;

use sensor_dissect::escape::shown;

const NANOS: u64 = 1_000_000_000;

/// The kernel's suffix for the path of a deleted file (proc_pid_exe(5)).
const DELETED: &[u8] = b" (deleted)";

/// The properties of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Name of the process, which is that of its first thread.
    pub name: String,
    /// `None` for a kernel thread, and if reading it is not allowed.
    pub executable: Option<Executable>,
    /// Path of its cgroup in the unified hierarchy.
    pub cgroup: Option<Vec<u8>>,
    /// Paths of its cgroups in all hierarchies.
    pub cgroups: Vec<Vec<u8>>,
}

/// A mounted proc file system.
pub(super) struct Processes {
    root: PathBuf,
    /// Its units of time for the start of a process, per second.
    hertz: u64,
}

/// Inode number of the first PID namespace, which the kernel starts with (`PROC_PID_INIT_INO`).
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Whether /proc shows processes by the numbers that the kernel programs see. In another PID namespace, the same number
/// is another process.
pub(super) fn numbers_mean_the_same() -> bool {
    let first = fs::metadata("/proc/self/ns/pid").is_ok_and(|about| about.ino() == FIRST_PID_NAMESPACE);
    first && fs::read_link("/proc/self").is_ok_and(|own| own == Path::new(&std::process::id().to_string()))
}

impl Processes {
    /// Processes of a proc file system.
    pub(super) const fn of(root: PathBuf, hertz: u64) -> Self {
        Self { root, hertz }
    }

    /// Reads the process of `opener`; `None` if it is gone or a different one.
    pub(super) fn look(&self, opener: &Opener) -> Option<Look> {
        // An open folder stays that of this process: after its end reads fail, whoever gets its number.
        let folder = Folder::open(&self.root.join(opener.process.to_string())).ok()?;
        let began = began_in(&fs::read(folder.path("stat")).ok()?)?;
        let began = u128::from(began) * u128::from(NANOS) / u128::from(self.hertz.max(1));
        if began > u128::from(opener.boot_nanos) {
            return None;
        }
        let name = shown(line_of(&fs::read(folder.path("comm")).ok()?));
        let executable = executable(&folder.path("exe"));
        let (cgroup, cgroups) = cgroups_in(&fs::read(folder.path("cgroup")).unwrap_or_default());
        // Last, because it confirms the earlier readings.
        let thread = fs::read(folder.path(&format!("task/{}/comm", opener.thread))).ok()?;
        (line_of(&thread) == comm(opener)).then_some(Look { name, executable, cgroup, cgroups })
    }
}

/// The calling thread's name in the kernel's record.
pub(super) fn comm(opener: &Opener) -> &[u8] {
    let end = opener.comm.iter().position(|byte| *byte == 0).unwrap_or(COMM_LEN);
    &opener.comm[..end]
}

/// An open folder with its path.
struct Folder {
    path: PathBuf,
    _open: File,
}

impl Folder {
    fn open(path: &Path) -> io::Result<Self> {
        let open = File::open(path)?;
        Ok(Self { path: PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())), _open: open })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The text without the line end that /proc adds. A name may contain line ends of its own.
fn line_of(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\n").unwrap_or(text)
}

/// When a process began, from its `stat` (proc_pid_stat(5)): field 22. The name before it is in parentheses and may
/// contain any character.
fn began_in(stat: &[u8]) -> Option<u64> {
    let name_ends = stat.iter().rposition(|byte| *byte == b')')?;
    let field =
        stat.get(name_ends + 1..)?.split(|byte| *byte == b' ').filter(|field| !field.is_empty()).nth(19)?;
    str::from_utf8(line_of(field)).ok()?.parse().ok()
}

/// The program file behind the link.
fn executable(link: &Path) -> Option<Executable> {
    let path = fs::read_link(link).ok()?;
    let path = path.as_os_str().as_bytes();
    // Through the link, the file itself is read, whatever is at its path now.
    let deleted = fs::metadata(link).is_ok_and(|about| about.nlink() == 0);
    let path = if deleted { path.strip_suffix(DELETED).unwrap_or(path) } else { path };
    Some(Executable { path: shown(path), deleted })
}

/// The path in the unified hierarchy, and those in all, from lines `number:controllers:path` (cgroups(7)).
fn cgroups_in(text: &[u8]) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
    let mut unified = None;
    let mut all = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        if let (Some(number), Some(_), Some(path)) = (fields.next(), fields.next(), fields.next()) {
            if number == b"0" {
                unified = Some(path.to_vec());
            }
            all.push(path.to_vec());
        }
    }
    (unified, all)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, process, sync::mpsc, thread};

    use super::*;

    /// A proc file system with one process: number 7, started 100 s after boot, named `curl`.
    fn one_process() -> (tempfile::TempDir, Processes) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("7");
        fs::create_dir_all(folder.join("task/7")).unwrap();
        fs::write(folder.join("stat"), "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 10000 0 0\n")
            .unwrap();
        fs::write(folder.join("comm"), "curl\n").unwrap();
        fs::write(folder.join("task/7/comm"), "curl\n").unwrap();
        fs::write(folder.join("cgroup"), "4:memory:/docker/x\n0::/a:b\n").unwrap();
        symlink("/bin/sh", folder.join("exe")).unwrap();
        let processes = Processes::of(root.path().to_owned(), 100);
        (root, processes)
    }

    fn opener(process: u32, at_second: u64, name: &[u8]) -> Opener {
        let mut comm = [0; COMM_LEN];
        comm[..name.len()].copy_from_slice(name);
        Opener { process, thread: process, boot_nanos: at_second * NANOS, comm, ..Opener::default() }
    }

    #[test]
    fn reads_the_calling_process() {
        let (_root, processes) = one_process();
        let look = processes.look(&opener(7, 100, b"curl")).unwrap();
        assert_eq!(look.name, "curl");
        assert_eq!(look.executable, Some(Executable { path: "/bin/sh".into(), deleted: false }));
        assert_eq!(look.cgroup, Some(b"/a:b".to_vec()));
        assert_eq!(look.cgroups, [b"/docker/x".to_vec(), b"/a:b".to_vec()]);
    }

    #[test]
    fn process_started_after_the_call_has_only_its_number() {
        let (_root, processes) = one_process();
        assert_eq!(processes.look(&opener(7, 99, b"curl")), None);
    }

    #[test]
    fn process_that_ran_another_program_is_not_the_caller() {
        let (_root, processes) = one_process();
        assert_eq!(processes.look(&opener(7, 100, b"sh")), None);
    }

    #[test]
    fn does_not_read_a_gone_process_or_thread() {
        let (_root, processes) = one_process();
        assert_eq!(processes.look(&opener(8, 100, b"curl")), None);
        let gone = Opener { thread: 9, ..opener(7, 100, b"curl") };
        assert_eq!(processes.look(&gone), None);
    }

    #[test]
    fn broken_stat_is_no_process() {
        for stat in
            [b"".as_slice(), b"7 (x", b"7 (x) S 1", b"7 (x) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 x 0"]
        {
            assert_eq!(began_in(stat), None);
        }
    }

    #[test]
    fn finds_this_thread_in_the_real_file_system() {
        let (sender, receiver) = mpsc::channel();
        let reader = thread::Builder::new().name("a name: x".into()).spawn(move || {
            let number: u32 = fs::read_link("/proc/thread-self")
                .unwrap()
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .parse()
                .unwrap();
            sender.send(number).unwrap();
            let hertz = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).unwrap().unwrap();
            let caller =
                Opener { thread: number, boot_nanos: u64::MAX, ..opener(process::id(), 0, b"a name: x") };
            Processes::of("/proc".into(), hertz as u64).look(&caller)
        });
        let look = reader.unwrap().join().unwrap().expect("is alive");
        assert_ne!(receiver.recv().unwrap(), process::id());
        let own = std::env::current_exe().unwrap();
        assert_eq!(look.executable.map(|executable| executable.path), own.to_str().map(str::to_owned));
        assert_ne!(look.name, "a name: x", "the process has its first thread's name");
    }

    #[test]
    fn marks_a_deleted_program_file() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("pro gram");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut child = process::Command::new(&program).arg("60").spawn().unwrap();
        let link = PathBuf::from(format!("/proc/{}/exe", child.id()));
        let before = executable(&link);
        fs::remove_file(&program).unwrap();
        let after = executable(&link);
        child.kill().unwrap();
        child.wait().unwrap();
        let path = program.to_str().unwrap().to_owned();
        assert_eq!(before, Some(Executable { path: path.clone(), deleted: false }));
        assert_eq!(after, Some(Executable { path, deleted: true }));
    }
}
