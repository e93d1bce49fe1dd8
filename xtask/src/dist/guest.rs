//! Tries the .deb in a virtual machine with systemd: the service starts, reports a session, and survives kill -9, a reload and a
//! reboot.
//!
//! The machine has no network card.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use super::{
    as_root,
    chroot::{base, package},
    provide,
};
use crate::{cargo::target_dir, qemu, steps::Steps};

/// Programs that make and run the machine, and their Debian packages.
const PROGRAMS: [(&str, &str); 5] = [
    ("debootstrap", "debootstrap"),
    ("debugfs", "e2fsprogs"),
    ("mke2fs", "e2fsprogs"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("unshare", "util-linux"),
];

/// Makes the system of the machine.
const SYSTEM: &str = include_str!("guest_system.sh");

/// What the machine does, and the unit that runs it at each boot.
const TRIAL: &str = include_str!("guest_trial.sh");
const UNIT: &str = "[Unit]\nDescription=Trial\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/bin/sh /root/trial\n\
                    TimeoutStartSec=infinity\n";

/// The configuration of Samba.
const SAMBA: &str = "[global]\nserver role = standalone server\nsmb ports = 445\nload printers = no\nprintcap name = /dev/null\n\
                     disable spoolss = yes\n[files]\npath = /srv/files\n";

/// Its last words.
const PASSED: &str = "guest: everything is as it should be";

/// Longest time of the trial, in seconds.
const LIMIT: u32 = 900;

/// Installs and runs the .deb of a folder.
pub(super) fn try_service(steps: &Steps, packages: &Path) -> anyhow::Result<()> {
    provide(steps, &PROGRAMS)?;
    let package = package(packages, ".deb")?;
    let system = system(steps)?;
    steps.run("Install, start, kill, reload and reboot the service in a virtual machine", |step| {
        let scratch = tempfile::tempdir_in(target_dir()?).context("making a folder")?;
        let image = scratch.path().join("disk.img");
        step.command(Command::new("cp").arg("--sparse=always").arg(&system.image).arg(&image))?;
        step.command(&mut put_in(&image, &package, scratch.path())?)?;
        let mut passed = false;
        let mut machine = qemu::machine(LIMIT, 2, 1024, &system.kernel, &system.initrd);
        machine
            .arg("-drive")
            .arg(format!("file={},format=raw,if=virtio,cache=unsafe", image.display()))
            .args(["-append", "console=ttyS0 root=/dev/vda rw quiet panic=-1 random.trust_cpu=on systemd.mask=serial-getty@ttyS0.service"]);
        step.command_with(&mut machine, |line| {
            passed |= line.contains(PASSED);
            true
        })?;
        if !passed {
            bail!("the trial did not come to its end; {} has the console", steps.log_path().display());
        }
        Ok(())
    })
}

/// The machine.
struct System {
    image: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
}

/// The system, which is made once and then copied for every trial.
fn system(steps: &Steps) -> anyhow::Result<System> {
    let folder = target_dir()?.join("dist-try");
    let (files, image) = (folder.join("guest"), folder.join("guest.img"));
    if !image.is_file() {
        let base = base(steps)?;
        let unfinished = folder.join("guest.img.new");
        steps.run("Make the system of the virtual machine", |step| {
            let mut command = as_root("unshare")?;
            command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", SYSTEM, "sh"]);
            step.command(command.arg(base).arg(&files).arg(&unfinished))?;
            fs::rename(&unfinished, &image).context("keeping the image")
        })?;
    }
    let boot = files.join("boot");
    Ok(System { image, kernel: file_of(&boot, "vmlinuz-")?, initrd: file_of(&boot, "initrd.img-")? })
}

/// The file of a folder whose name begins like this.
fn file_of(folder: &Path, beginning: &str) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning)))
        .with_context(|| format!("there is no {beginning}* in {}", folder.display()))
}

/// A command that puts the package and the trial into an image.
fn put_in(image: &Path, package: &Path, scratch: &Path) -> anyhow::Result<Command> {
    let mut requests = format!("write {} root/smb-sensor.deb\n", package.display());
    for (name, text, place) in [
        ("trial", TRIAL, "root/trial"),
        ("smb.conf", SAMBA, "root/smb.conf"),
        ("trial.service", UNIT, "etc/systemd/system/trial.service"),
    ] {
        let path = scratch.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        requests.push_str(&format!("write {} {place}\n", path.display()));
    }
    let wants = "etc/systemd/system/multi-user.target.wants";
    requests.push_str(&format!("symlink {wants}/trial.service /etc/systemd/system/trial.service\n"));
    let path = scratch.join("requests");
    fs::write(&path, requests).with_context(|| format!("writing {}", path.display()))?;
    let mut command = Command::new("debugfs");
    command.args(["-w", "-f"]).arg(path).arg(image);
    Ok(command)
}
