//! A disk of a test's own: an ext4 file system in a file, mounted where nobody else sees it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{Namespace, Process, Scratch, scratch_dir};

use crate::PATIENCE;

/// Mounts the image `$0` at `$1`, says so, and waits until it is killed: its mount namespace goes with it, the mount with that, and
/// the loop device with the mount.
const HOLD: &str = "mkfs.ext4 -q -F \"$0\" && mount -o loop,errors=remount-ro \"$0\" \"$1\" && mkdir \"$1/state\" && \
                    echo mounted && exec sleep infinity";

/// A mounted disk. Nothing stays of it when this is dropped and the agents on it have ended.
pub struct Disk {
    process: Process,
    scratch: Scratch,
}

impl Disk {
    /// Makes one of 64 MiB. If the file system finds an error, it becomes read-only, as it does by Debian's defaults.
    ///
    /// # Errors
    /// If the kernel has no loop device or no ext4.
    pub fn mount(namespace: &Namespace) -> Result<Self> {
        let scratch = scratch_dir()?;
        let (image, folder) = (scratch.path().join("disk.img"), scratch.path().join("disk"));
        fs::File::create(&image)?.set_len(64 << 20)?;
        fs::create_dir(&folder)?;
        let mut command = namespace.command("unshare");
        command.args(["--mount", "--", "sh", "-c", HOLD]).arg(&image).arg(&folder);
        let process = Process::spawn(command)?;
        process.wait_for_line(PATIENCE, |line| line == "mounted").context("mount an ext4 file system")?;
        Ok(Self { process, scratch })
    }

    /// A process that sees it.
    #[must_use]
    pub fn holder(&self) -> u32 {
        self.process.id()
    }

    /// Its folder for the state of an agent.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.folder().join("state")
    }

    fn folder(&self) -> PathBuf {
        self.scratch.path().join("disk")
    }

    /// Runs a program that sees it, and gives what it prints.
    ///
    /// # Errors
    /// If the program fails.
    pub fn run(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.holder().to_string(), "--"]).arg(program);
        let output = command.args(arguments).output()?;
        ensure!(output.status.success(), "{}: {output:?}", program.display());
        Ok(String::from_utf8(output.stdout)?)
    }

    fn shell(&self, script: &str) -> Result<String> {
        let folder = self.folder();
        let [shell, folder] = [Path::new("sh"), folder.as_path()];
        self.run(shell, &["-c", script, &folder.display().to_string()])
    }

    /// Has the kernel find an error on it, whereupon every write fails. What was written before is on the disk: what is not is lost with
    /// the memory of the kernel, as at a power failure.
    ///
    /// # Errors
    /// If the kernel does not.
    pub fn fail(&self) -> Result<()> {
        let find = "sync -f \"$0\" && device=$(findmnt -n -o SOURCE \"$0\") && echo test > /sys/fs/ext4/${device##*/}/trigger_fs_error";
        self.shell(find)?;
        ensure!(self.shell("touch \"$0/after\" 2>&1 && echo written").is_err(), "it accepts a write");
        Ok(())
    }

    /// Repairs it and mounts it again. No agent may run on it.
    ///
    /// # Errors
    /// If it is in use, or cannot be repaired.
    pub fn repair(&self) -> Result<()> {
        let image = self.scratch.path().join("disk.img");
        // 1: errors were corrected.
        let repair =
            "umount \"$0\" && { e2fsck -f -y \"$1\" || [ $? -eq 1 ]; } && mount -o loop \"$1\" \"$0\"";
        let folder = self.folder();
        let arguments = ["-c", repair, &folder.display().to_string(), &image.display().to_string()];
        self.run(Path::new("sh"), &arguments)?;
        Ok(())
    }
}
