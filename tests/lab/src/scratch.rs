//! Scratch folders that are removed even if their owner is killed.
//!
//! All folders of a process lie under one base. A small shell waits for the end of a pipe whose only writer is this process, and
//! removes the base when the kernel closes that pipe, however the process ended.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tempfile::{Builder, TempDir};

use crate::poll;

/// Time for which a dying daemon may still write into a folder that is being removed.
const REMOVED_WITHIN: Duration = Duration::from_secs(10);

/// Retries for up to 10 s: a dying daemon may still be writing while its folder goes.
const REMOVE_AT_END_OF_INPUT: &str = r#"
cat > /dev/null
tries=0
while [ -e "$1" ] && [ "$tries" -lt 100 ]; do
    rm -rf -- "$1" && break
    tries=$((tries + 1))
    sleep 0.1
done
"#;

struct Base {
    path: PathBuf,
    /// Kept for its standard input: the pipe closes when this process ends.
    _remover: Child,
}

static BASE: LazyLock<io::Result<Base>> = LazyLock::new(|| {
    let path = Builder::new().prefix("sensor-lab-").tempdir()?.keep();
    // Daemons that drop privileges must be able to walk through, not to list.
    fs::set_permissions(&path, Permissions::from_mode(0o711))?;
    let remover = Command::new("sh")
        .args(["-c", REMOVE_AT_END_OF_INPUT, "sensor-lab-remover"])
        .arg(&path)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C reaches the terminal's foreground group; the remover has to outlive it.
        .process_group(0)
        .spawn()?;
    Ok(Base { path, _remover: remover })
});

/// A scratch folder, removed on drop, even if a daemon that was just killed still writes into it.
pub struct Scratch(TempDir);

impl Scratch {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The rest is removed with the base, when this process ends.
        let path = self.0.path();
        let _ = poll(REMOVED_WITHIN, || (fs::remove_dir_all(path).is_ok() || !path.exists()).then_some(()));
    }
}

/// A new scratch folder, mode 0711, removed on drop or, failing that, right after this process ends.
///
/// # Errors
/// When the folder or the process that guards its removal cannot be created.
pub fn scratch_dir() -> Result<Scratch> {
    let base = BASE.as_ref().map_err(|error| anyhow!("create the laboratory's scratch folder: {error}"))?;
    Builder::new()
        .prefix("s")
        .permissions(Permissions::from_mode(0o711))
        .tempdir_in(&base.path)
        .map(Scratch)
        .with_context(|| format!("create a scratch folder in {}", base.path.display()))
}
