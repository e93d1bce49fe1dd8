//! A BPF file system of a test's own, so that its agents share no pins with others.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use sensor_lab::{Scratch, scratch_dir};

/// A mounted BPF file system. What is pinned there goes when this is dropped.
pub struct Bpffs {
    path: PathBuf,
    scratch: Scratch,
}

impl Bpffs {
    /// Mounts one.
    ///
    /// # Errors
    /// When the kernel does not allow it.
    pub fn mount() -> Result<Self> {
        let scratch = scratch_dir()?;
        let path = scratch.path().join("bpf");
        fs::create_dir(&path).context("make a folder")?;
        let flags = MsFlags::empty();
        mount(Some("bpf"), &path, Some("bpf"), flags, None::<&str>).context("mount a BPF file system")?;
        Ok(Self { path, scratch })
    }

    /// Lets a user without privileges pin there.
    ///
    /// # Errors
    /// When it cannot be given away.
    pub fn give_to(&self, user: u32) -> Result<()> {
        chown(&self.path, Some(user), Some(user)).context("give the file system to a user")?;
        let mode = Permissions::from_mode(0o711);
        fs::set_permissions(self.scratch.path(), mode).context("open the way to the file system")
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A section of the configuration that pins the kernel program here.
    #[must_use]
    pub fn section(&self) -> String {
        format!("\n[restart]\nkeep_attached = true\npin_directory = \"{}\"\n", self.path.display())
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
    }
}
