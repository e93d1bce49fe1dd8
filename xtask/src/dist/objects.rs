//! The kernel objects of the source distribution: compiled here, compared with the objects that its sources give in another
//! folder, and built into an agent where they cannot be compiled.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use bpf_toolchain::{
    BuildRequest, Endian, LINKER_VARIABLE, OWNER_BINARY, PREBUILT_VARIABLE, Prebuilt, RUSTC_VARIABLE,
    Toolchain,
};

use crate::{
    cargo::{cargo, target_dir, workspace_root},
    steps::{Step, Steps},
};

/// What the agent's build script says when it finds nothing that compiles the kernel program.
const FALLBACK: &str = "the prebuilt kernel object is used, as it cannot be compiled here";

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

/// Unpacks a source distribution elsewhere, compiles its objects there, and compares them with those that it brings. Then has
/// cargo check the agent with those that it brings.
pub(super) fn try_source(steps: &Steps, output: &Path) -> anyhow::Result<()> {
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
    })?;
    steps.run("Build with the prebuilt kernel objects, without a BPF toolchain", |step| {
        let is_said = check_without_toolchain(step, elsewhere.path(), true)?;
        ensure!(!is_said, "the build looks for a toolchain although {PREBUILT_VARIABLE} is 1");
        let is_said = check_without_toolchain(step, elsewhere.path(), false)?;
        ensure!(is_said, "the build does not say that it cannot compile the kernel program");
        Ok(())
    })
}

/// Has cargo check the agent of an unpacked source distribution, with compiler and linker of the kernel program where there are
/// none; with `is_wanted` the prebuilt objects are asked for. Gives whether the build script said that it falls back on them.
fn check_without_toolchain(step: &Step<'_>, root: &Path, is_wanted: bool) -> anyhow::Result<bool> {
    let nothing = root.join("no-such-program");
    let mut command = cargo();
    command.current_dir(root).args(["check", "--locked", "--package", "sensor-user"]);
    command.env("CARGO_TARGET_DIR", root.join("target"));
    command.env(RUSTC_VARIABLE, &nothing).env(LINKER_VARIABLE, &nothing).env_remove(PREBUILT_VARIABLE);
    if is_wanted {
        command.env(PREBUILT_VARIABLE, "1");
    }
    let mut is_said = false;
    step.command_with(&mut command, |line| {
        is_said |= line.contains(FALLBACK);
        true
    })?;
    Ok(is_said)
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
