//! Tries the packages and the tarball in a clean Debian: a folder with the smallest system that debootstrap makes, used as root
//! folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use super::{as_root, provide};
use crate::{cargo::target_dir, steps::Steps};

/// Programs that make and use such a folder, and their Debian packages.
const PROGRAMS: [(&str, &str); 3] =
    [("debootstrap", "debootstrap"), ("rpm", "rpm"), ("unshare", "util-linux")];

/// The release of Debian. Its C library is as old as that of the oldest supported distribution.
pub(super) const SUITE: &str = "bookworm";

/// What the system has beside the essential packages.
const PACKAGES: &str = "procps,systemd,systemd-sysv";

/// What is done with each kind of package, in the folder as root folder, or with it.
const DEB: &str = concat!(include_str!("try_begin.sh"), include_str!("try_deb.sh"));
const RPM: &str = concat!(include_str!("try_begin.sh"), include_str!("try_rpm.sh"));
const TARBALL: &str = concat!(include_str!("try_begin.sh"), include_str!("try_tar.sh"));

/// Installs, upgrades, configures, removes and purges the packages of two folders, and unpacks the newer tarball.
pub(super) fn try_packages(steps: &Steps, older: &Path, newer: &Path) -> anyhow::Result<()> {
    provide(steps, &PROGRAMS)?;
    let base = base(steps)?;
    // The source distribution is a tarball too, and names no architecture.
    let tarball = format!("-{}.tar.gz", std::env::consts::ARCH);
    let trials = [
        ("Install, upgrade, configure and remove the .deb", ".deb", DEB),
        ("Install, upgrade, configure and remove the .rpm", ".rpm", RPM),
        ("Unpack and configure the tarball", tarball.as_str(), TARBALL),
    ];
    for (what, ending, script) in trials {
        let (older, newer) = (package(older, ending)?, package(newer, ending)?);
        steps.run(&format!("{what} in a clean Debian {SUITE}"), |step| {
            // Namespaces of its own: no network, and mounts that end with it. The copy of the system is in memory.
            let mut command = as_root("unshare")?;
            command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", script, "sh"]);
            step.command(command.arg(&base).arg(&older).arg(&newer))
        })?;
    }
    Ok(())
}

/// The folder, which is made once and then used for every trial.
pub(super) fn base(steps: &Steps) -> anyhow::Result<PathBuf> {
    let base = target_dir()?.join("dist-try").join(SUITE);
    if base.is_dir() {
        return Ok(base);
    }
    let unfinished = base.with_extension("new");
    steps.run(&format!("Make a clean Debian {SUITE} in {}", base.display()), |step| {
        step.command(as_root("rm")?.arg("-rf").arg(&unfinished))?;
        let mut command = as_root("debootstrap")?;
        command.args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE]).arg(&unfinished);
        step.command(&mut command)?;
        step.command(as_root("mv")?.arg(&unfinished).arg(&base))
    })?;
    Ok(base)
}

/// The only package in a folder whose name ends so.
pub(super) fn package(folder: &Path, ending: &str) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut found = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(ending));
    match (found.next(), found.next()) {
        (Some(path), None) => Ok(path),
        (None, _) => bail!("there is no {ending} in {}", folder.display()),
        _ => bail!("there are several {ending} in {}: remove the old ones", folder.display()),
    }
}
