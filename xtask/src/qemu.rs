//! Virtual machines by QEMU, which emulates the processor, so that they run without virtualisation. They have no network card.

use std::{path::Path, process::Command};

/// A machine with so many processors and MiB of memory that boots a kernel, writes its console to standard output, and is ended after
/// `seconds`.
pub(crate) fn machine(
    seconds: u32,
    processors: u32,
    mebibytes: u32,
    kernel: &Path,
    initrd: &Path,
) -> Command {
    let mut command = Command::new("timeout");
    command.arg(seconds.to_string());
    command.args(["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"]);
    command.args(["-smp", &processors.to_string(), "-m", &mebibytes.to_string()]);
    command.args(["-nodefaults", "-nic", "none", "-display", "none", "-serial", "stdio"]);
    command.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
    command
}
