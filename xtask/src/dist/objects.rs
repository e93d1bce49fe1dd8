//! The kernel objects of the source distribution: compiled here, and compared with the objects that its sources give in another
//! folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use bpf_toolchain::{BuildRequest, Endian, OWNER_BINARY, Prebuilt, Toolchain};

use crate::{
    cargo::{target_dir, workspace_root},
    steps::Steps,
};

/// Compiles the objects for machines like this one into a folder, in the form that `sensor-dist` takes.
pub(super) fn collect(steps: &Steps, folder: &Path) -> anyhow::Result<()> {
    steps.run("Compile the kernel objects", |_| {
        let kernel = target_dir()?.join("kernel");
        let built = built(&BuildRequest::for_host(workspace_root(), kernel))?;
        let place = placed(folder);
        for (from, to) in [(built.sensor, place.sensor), (built.owner, place.owner)] {
            let name = to.strip_prefix(folder.join("sensor-ebpf/prebuilt")).context("another folder")?;
            let to = folder.join(name);
            fs::create_dir_all(to.parent().unwrap_or(folder)).context("making a folder")?;
            fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
        }
        Ok(())
    })
}

/// Unpacks a source distribution elsewhere, compiles its objects there, and compares them with those that it brings.
pub(super) fn compare(steps: &Steps, output: &Path) -> anyhow::Result<()> {
    let elsewhere = tempfile::tempdir().context("making a folder")?;
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(source(output)?).arg("--strip-components=1");
    tar.arg("--directory").arg(elsewhere.path());
    steps.run("Unpack the source distribution", |step| step.command(&mut tar))?;
    steps.run("Compare the kernel objects with a rebuild", |_| {
        let request = BuildRequest::for_host(elsewhere.path().to_owned(), elsewhere.path().join("rebuilt"));
        let (rebuilt, brought) = (built(&request)?, placed(elsewhere.path()));
        for (one, other) in [(rebuilt.sensor, brought.sensor), (rebuilt.owner, brought.owner)] {
            let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
            ensure!(
                read(&one)? == read(&other)?,
                "{} is not what its sources give: compile it again from a clean tree",
                other.display()
            );
        }
        Ok(())
    })
}

fn placed(root: &Path) -> Prebuilt {
    Prebuilt::place(root, Endian::host(), std::env::consts::ARCH)
}

fn built(request: &BuildRequest) -> anyhow::Result<Prebuilt> {
    let toolchain = Toolchain::find()?;
    let sensor = toolchain.build(request)?.path;
    Ok(Prebuilt { sensor, owner: toolchain.build_binary(request, OWNER_BINARY)?.path })
}

/// The source distribution in a folder.
fn source(output: &Path) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(output).with_context(|| format!("listing {}", output.display()))?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    match paths.find(|path| path.to_string_lossy().ends_with("-source.tar.gz")) {
        Some(path) => Ok(path),
        None => bail!("{} has no source distribution", output.display()),
    }
}
