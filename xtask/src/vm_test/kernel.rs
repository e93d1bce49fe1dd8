//! The kernels, and where they come from.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{cargo::target_dir, steps::Steps};

/// A kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Version, as one calls it.
    pub(super) version: &'static str,
    /// Suite of Debian that has it.
    suite: &'static str,
}

/// The kernels that are tried, oldest first.
pub(super) const KERNELS: [Kernel; 3] = [
    Kernel { version: "5.10", suite: "bullseye" },
    Kernel { version: "6.1", suite: "bookworm" },
    Kernel { version: "6.12", suite: "trixie" },
];

/// Downloads and unpacks one.
const FETCH: &str = include_str!("kernel.sh");

/// An unpacked kernel.
pub(super) struct System {
    /// Folder with `boot` and `lib/modules`.
    pub(super) folder: PathBuf,
    /// What `uname -r` says.
    pub(super) release: String,
}

impl System {
    /// The image that boots.
    pub(super) fn kernel(&self) -> PathBuf {
        self.folder.join(format!("boot/vmlinuz-{}", self.release))
    }

    /// The folder of its modules.
    pub(super) fn modules(&self) -> PathBuf {
        self.folder.join("lib/modules").join(&self.release)
    }
}

/// The kernels with these versions; all of them if none is named.
pub(super) fn chosen(versions: &[String]) -> anyhow::Result<Vec<&'static Kernel>> {
    if versions.is_empty() {
        return Ok(KERNELS.iter().collect());
    }
    let find = |version: &String| {
        KERNELS.iter().find(|kernel| kernel.version == version).with_context(|| {
            let known: Vec<_> = KERNELS.iter().map(|kernel| kernel.version).collect();
            format!("{version} is not among the kernels that can be tried: {}", known.join(", "))
        })
    };
    versions.iter().map(find).collect()
}

impl Kernel {
    /// Downloads it, if that has not been done.
    pub(super) fn provide(&self, steps: &Steps) -> anyhow::Result<System> {
        let folder = target_dir()?.join("vm").join(self.version);
        if !folder.join("release").is_file() {
            steps.run(&format!("Download Linux {} of Debian {}", self.version, self.suite), |step| {
                fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
                step.command(Command::new("sh").args(["-euc", FETCH, "sh", self.suite]).arg(&folder))
            })?;
        }
        self.unpacked(&folder)
    }

    fn unpacked(&self, folder: &Path) -> anyhow::Result<System> {
        let path = folder.join("release");
        let release = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let system = System { folder: folder.join("system"), release: release.trim().to_owned() };
        if !system.kernel().is_file() {
            bail!("Linux {} is incomplete; remove {} and try again", self.version, folder.display());
        }
        Ok(system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_version_is_refused_with_the_known_ones() {
        let error = chosen(&["4.19".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("4.19") && error.contains("5.10, 6.1, 6.12"), "{error}");
        assert_eq!(chosen(&[]).unwrap().len(), KERNELS.len());
        assert_eq!(chosen(&["6.1".to_owned()]).unwrap()[0].version, "6.1");
    }
}
