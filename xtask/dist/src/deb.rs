//! The package for Debian, Ubuntu and their derivatives, made by dpkg-deb.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    contents::Kind,
    generated::run,
    release::{DESCRIPTION, MAINTAINER, NAME, Release, SUMMARY},
    requirements::Requirements,
    staged::Staged,
};

/// What the maintainer scripts run, with what provides it where systemd does not run; and kill, by which the unit reloads.
const TOOLS: [&str; 3] = ["procps", "systemd | systemd-sysusers", "systemd | systemd-tmpfiles"];

/// Scripts of the maintainer.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Makes the package; gives its path.
pub(crate) fn make(
    staged: &Staged,
    release: &Release,
    requirements: &Requirements,
    sources: &Path,
    output: &Path,
) -> Result<PathBuf> {
    let control = staged.root.join("DEBIAN");
    fs::create_dir(&control).context("making the control folder")?;
    let write = |name: &str, text: &str, mode: u32| {
        let path = control.join(name);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
            .with_context(|| format!("writing {name}"))
    };
    write("control", &control_file(release, requirements, staged.kibibytes()?), 0o644)?;
    let configs = staged.entries.iter().filter(|entry| entry.kind == Kind::Config);
    write("conffiles", &configs.map(|entry| format!("{}\n", entry.path)).collect::<String>(), 0o644)?;
    for name in SCRIPTS {
        let path = sources.join("packaging/debian").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        write(name, &text, 0o755)?;
    }
    let path = output.join(format!("{NAME}_{}_{}.deb", release.version, release.debian_architecture()));
    let mut command = Command::new("dpkg-deb");
    // Every dpkg since Debian 8 and Ubuntu 14.04 reads xz.
    command.args(["--root-owner-group", "-Zxz", "--build"]).arg(&staged.root).arg(&path);
    run(command.env("SOURCE_DATE_EPOCH", release.epoch.to_string()))?;
    fs::remove_dir_all(&control).context("removing the control folder")?;
    Ok(path)
}

fn control_file(release: &Release, requirements: &Requirements, kibibytes: u64) -> String {
    let depends = [requirements.debian(), TOOLS.map(str::to_owned).to_vec()].concat().join(", ");
    format!(
        "Package: {NAME}\nVersion: {}\nArchitecture: {}\nMaintainer: {MAINTAINER}\nInstalled-Size: {kibibytes}\n\
         Depends: {depends}\nSuggests: logrotate\nSection: net\nPriority: optional\nDescription: {SUMMARY}\n {}\n",
        release.version,
        release.debian_architecture(),
        DESCRIPTION.replace('\n', "\n "),
    )
}
