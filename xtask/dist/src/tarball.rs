//! The tarball, for all other distributions: the same files below one folder.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{
    generated::run,
    release::{NAME, Release},
    staged::Staged,
};

/// Makes the tarball; gives its path.
pub(crate) fn make(staged: &Staged, release: &Release, output: &Path) -> Result<PathBuf> {
    let name = format!("{NAME}-{}-{}", release.version, release.architecture);
    packed(&staged.root, &name, &output.join(format!("{name}.tar.gz")), release)
}

/// Packs what is in a folder, below a folder of this name; gives the path.
pub(crate) fn packed(folder: &Path, name: &str, path: &Path, release: &Release) -> Result<PathBuf> {
    let mut command = Command::new("tar");
    command
        .args(["--create", "--use-compress-program", "gzip -n", "--file"])
        .arg(path)
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"])
        .arg(format!("--mtime=@{}", release.epoch))
        .arg(format!("--transform=s,^\\.,{name},"))
        .arg("--directory")
        .arg(folder)
        .arg(".");
    run(&mut command)?;
    Ok(path.to_owned())
}
