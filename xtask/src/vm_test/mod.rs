//! Tries the sensor on the kernels of Debian's releases, each in a virtual machine: the verifier takes every program, fixtures
//! and random frames give the same results as on the host, and real sessions between namespaces are reported.
//!
//! QEMU emulates the processor, so that this works without virtualisation. The machine has no network card and reads the host's
//! files without writing them.

mod image;
mod kernel;
mod machine;
mod table;
mod trial;

use std::{fs, process::ExitCode};

use anyhow::{Context as _, bail};

use self::{image::Image, trial::Trial};
use crate::{
    build::build_debug,
    cargo::workspace_root,
    dist::provide,
    setup::{self, Purpose},
    steps::Steps,
};

/// Arguments of `vm-test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A kernel to try, such as 5.10; may be given several times. Default: all of them
    #[arg(long, value_name = "VERSION")]
    kernel: Vec<String>,
    /// Only the programs and the frames, without sessions
    #[arg(long)]
    short: bool,
    /// A part to run, such as links; may be given several times. Default: all of them
    #[arg(long, value_name = "NAME", conflicts_with = "short")]
    part: Vec<String>,
    /// Write the table into docs/kernels.md
    #[arg(long)]
    write: bool,
}

/// Programs that make and run the machine, and their Debian packages.
const PROGRAMS: [(&str, &str); 6] = [
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("depmod", "kmod"),
    ("dpkg-deb", "dpkg"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("xz", "xz-utils"),
];

/// The page with the table, and the lines around it.
const PAGE: &str = "docs/kernels.md";
const BEGIN: &str = "<!-- made by: cargo xtask vm-test --write -->\n";
const END: &str = "<!-- end -->\n";

/// The task `vm-test`.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.write && (arguments.short || !arguments.part.is_empty() || !arguments.kernel.is_empty()) {
        bail!("--write needs every kernel and every part: leave --kernel, --part and --short out");
    }
    let kernels = kernel::chosen(&arguments.kernel)?;
    let parts = trial::chosen(&arguments.part, arguments.short)?;
    let steps = Steps::begin("vm-test")?;
    setup::prepare(&steps, Purpose::Tests)?;
    provide(&steps, &PROGRAMS)?;
    let agent = build_debug(&steps, "sensor-user", "smb-sensor")?;
    let trial = Trial::build(&steps, &agent, &parts)?;
    let mut results = Vec::new();
    for kernel in &kernels {
        let system = kernel.provide(&steps)?;
        let image = Image::make(&steps, &system)?;
        results.push(machine::run(&steps, kernel, &image, &trial)?);
    }
    let table = table::render(&results);
    print!("{table}");
    if arguments.write {
        write(&table)?;
    }
    let passed = results.iter().all(machine::Tried::passed);
    if !passed {
        println!("{} has what each part printed", steps.log_path().display());
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts the table between the marks of its page.
fn write(table: &str) -> anyhow::Result<()> {
    let path = workspace_root().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.with_context(|| format!("{} lacks the marks of the table", path.display()))?;
    fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}"))
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_its_marks_and_every_kernel() {
        let page = fs::read_to_string(workspace_root().join(PAGE)).unwrap();
        let table = page.split_once(BEGIN).unwrap().1.split_once(END).unwrap().0;
        for kernel in &kernel::KERNELS {
            assert!(table.contains(kernel.version), "{} is not in the table", kernel.version);
        }
    }
}
