//! A cgroup of the unified hierarchy, for the processes of one test.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::poll;

/// Time that processes in it are given to be gone.
const EMPTY_WITHIN: Duration = Duration::from_secs(5);

/// A cgroup cannot be removed while a process is in it; a dying process may still be for a moment.
const REMOVE_AT_END_OF_INPUT: &str = r#"
cat > /dev/null
tries=0
while [ -e "$1" ] && [ "$tries" -lt 100 ]; do
    rmdir -- "$1" && break
    tries=$((tries + 1))
    sleep 0.1
done
"#;

/// A cgroup that is removed on drop or, failing that, right after this process ends.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    members: Arc<File>,
    /// Removes the folder when its standard input ends, whatever ended this process.
    remover: Child,
}

impl Cgroup {
    /// Makes one below the root of the unified hierarchy.
    ///
    /// # Errors
    /// If no such hierarchy is mounted, or none may be made there.
    pub fn new() -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("sensor-lab-{}-{number}", std::process::id());
        Self::at(root().context("no unified cgroup hierarchy (cgroup2) is mounted")?.join(name))
    }

    /// Makes one inside this one, under a meaningful name, for example that of a container.
    ///
    /// # Errors
    /// If none may be made there.
    pub fn inside(&self, name: &str) -> Result<Self> {
        Self::at(self.path.join(name))
    }

    fn at(path: PathBuf) -> Result<Self> {
        fs::create_dir(&path).with_context(|| format!("make the cgroup {}: run as root", path.display()))?;
        let remover = Command::new("sh")
            .args(["-c", REMOVE_AT_END_OF_INPUT, "sensor-lab-remover"])
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C reaches the terminal's foreground group; the remover has to outlive it.
            .process_group(0)
            .spawn()
            .context("start sh")?;
        let members = path.join("cgroup.procs");
        let members = OpenOptions::new().write(true).open(&members);
        let members = Arc::new(members.with_context(|| format!("open {}/cgroup.procs", path.display()))?);
        Ok(Self { path, members, remover })
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the program that `command` starts, and all its descendants, into this cgroup.
    #[must_use]
    pub fn with(&self, mut command: Command) -> Command {
        let members = Arc::clone(&self.members);
        // SAFETY: between fork and exec the closure makes one system call and neither allocates nor locks; the descriptor
        // is kept open by the captured Arc. Zero means the process that writes.
        unsafe {
            command.pre_exec(move || nix::unistd::write(&members, b"0").map(drop).map_err(io::Error::from));
        }
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let path = &self.path;
        poll(EMPTY_WITHIN, || fs::remove_dir(path).ok());
        // Ends the remover, which finds nothing to do, or keeps trying for a while.
        drop(self.remover.stdin.take());
        if !path.exists() {
            // A failure cannot be handled here.
            let _ = self.remover.wait();
        }
    }
}

/// Where the unified hierarchy is mounted.
fn root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    // proc_pid_mountinfo(5): the mount point is the fifth field; the type follows a dash.
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    mount.split(' ').nth(4).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Process, require_lab};

    #[test]
    fn holds_a_process_and_its_descendants_and_goes_when_dropped() {
        require_lab!(Cgroup);
        let cgroup = Cgroup::new().expect("make");
        let mut command = Command::new("sh");
        command.args(["-c", "cat /proc/self/cgroup; read -r _"]).stdin(Stdio::piped());
        let process = Process::spawn(cgroup.with(command)).expect("start");
        let name = cgroup.path().file_name().and_then(|name| name.to_str()).expect("name").to_owned();
        process.wait_for_line(EMPTY_WITHIN, |line| line == format!("0::/{name}")).expect("is inside");
        drop(process);
        let path = cgroup.path().to_owned();
        drop(cgroup);
        assert!(!path.exists());
    }
}
