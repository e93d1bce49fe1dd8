//! One command at a time changes the added exemptions: it holds a lock while it reads and rewrites them.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

/// Name of the file in the state directory. It is never removed, because waiting commands have it open.
const FILE: &str = "exemptions.lock";

/// Time to wait for others. Each needs the agent to read its configuration again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two tries.
const NAP: Duration = Duration::from_millis(20);

/// The lock on a state directory's added exemptions, until it is dropped or its process ends.
pub(super) struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Takes it, and waits for others to release it.
    ///
    /// # Errors
    /// If the file cannot be made, or others hold it for too long.
    pub(super) fn take(state_dir: &Path) -> Result<Self> {
        Self::within(state_dir, PATIENCE)
    }

    fn within(state_dir: &Path, patience: Duration) -> Result<Self> {
        let path = state_dir.join(FILE);
        let open = || -> io::Result<File> {
            fs::create_dir_all(state_dir)?;
            fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)
        };
        let unusable = || {
            format!(
                "cannot lock {}, and nothing was changed. May you write to the state directory?",
                path.display()
            )
        };
        let mut file = open().with_context(unusable)?;
        let began = Instant::now();
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(held) => return Ok(Self { _held: held }),
                Err((file, Errno::EWOULDBLOCK | Errno::EINTR)) => file,
                Err((_, error)) => return Err(anyhow!(error).context(unusable())),
            };
            if began.elapsed() >= patience {
                bail!(
                    "another smb-sensor has been changing exemptions for {} seconds (it holds {}); nothing was changed. Try again",
                    patience.as_secs(),
                    path.display()
                );
            }
            thread::sleep(NAP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_names_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let held = Lock::take(&state).unwrap();
        let refused = Lock::within(&state, Duration::from_millis(50)).err().unwrap().to_string();
        assert!(refused.contains("exemptions.lock") && refused.contains("nothing was changed"), "{refused}");
        drop(held);
        assert!(Lock::within(&state, Duration::ZERO).is_ok());
    }
}
