//! Gets a rustc that can compile BPF: adds the sources of `core` to an installed rustup toolchain, or installs the distribution's
//! compiler with a precompiled `core`. The user's default toolchain stays as it is.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use bpf_toolchain::Toolchain;

use super::by_hand::ByHand;
use super::system::System;
use super::{apt, run_step};
use crate::privilege::Privilege;
use crate::steps::Steps;

/// Debian's compiler for browsers, newer than its `rustc`, and the BPF `core` for it.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "libstd-rust-web-dev-bpf"];

/// Installs such a rustc in the first way that works.
pub(super) fn install(steps: &Steps, system: System, privilege: Privilege, by_hand: &mut ByHand) {
    let ways: [&dyn Fn() -> anyhow::Result<()>; 2] =
        [&|| sources_from_rustup(steps), &|| compiler_from_apt(steps, system, privilege)];
    for way in ways {
        match way() {
            Ok(()) if has_compiler() => return,
            Ok(()) => println!("  the result still cannot compile BPF; trying the next way"),
            Err(error) => println!("  no compiler this way: {error:#}"),
        }
    }
    let packages = match system {
        System::Debian => DEBIAN_PACKAGES,
        System::Fedora => &["rust", "cargo", "rust-src"],
        System::Arch => &["rust", "rust-src"],
        System::Suse | System::Other => &[],
    };
    by_hand.packages(system, packages);
    by_hand.step(
        "to get a rustc without root, install rustup (https://rustup.rs), then: \
         rustup toolchain install nightly --component rust-src",
    );
}

fn has_compiler() -> bool {
    !matches!(Toolchain::find(), Err(missing) if missing.rustc.is_some())
}

/// Adds `rust-src` to an installed toolchain; the default toolchain does not change.
fn sources_from_rustup(steps: &Steps) -> anyhow::Result<()> {
    let output = Command::new("rustup")
        .args(["toolchain", "list"])
        .stderr(Stdio::null())
        .output()
        .context("rustup is not installed")?;
    let listed = String::from_utf8_lossy(&output.stdout);
    let Some(toolchain) = preferred_toolchain(&listed) else {
        bail!("rustup has no toolchain to add sources to");
    };
    run_step(
        steps,
        &format!("Add the sources of Rust's core library to {toolchain}"),
        Command::new("rustup").args(["component", "add", "rust-src", "--toolchain", toolchain]),
    )
}

/// A nightly if there is one, because it may build `core`; else a stable toolchain.
fn preferred_toolchain(listed: &str) -> Option<&str> {
    let names = || listed.lines().filter_map(|line| line.split_whitespace().next());
    let first = |channel: &str| names().find(|name| name.starts_with(channel));
    first("nightly").or_else(|| first("stable"))
}

fn compiler_from_apt(steps: &Steps, system: System, privilege: Privilege) -> anyhow::Result<()> {
    if system != System::Debian {
        bail!("no package of this system is known to have a rustc with a precompiled BPF `core`");
    }
    apt::install(steps, DEBIAN_PACKAGES, privilege)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_sources_to_a_nightly_before_a_stable() {
        let listed = "stable-x86_64-unknown-linux-gnu (active, default)\nnightly-x86_64-unknown-linux-gnu\n";
        assert_eq!(preferred_toolchain(listed), Some("nightly-x86_64-unknown-linux-gnu"));
    }

    #[test]
    fn adds_sources_to_a_stable_without_a_nightly() {
        let listed = "1.95.0-x86_64-unknown-linux-gnu\nstable-x86_64-unknown-linux-gnu (default)\n";
        assert_eq!(preferred_toolchain(listed), Some("stable-x86_64-unknown-linux-gnu"));
    }

    #[test]
    fn without_toolchains_there_is_nothing_to_add_sources_to() {
        assert_eq!(preferred_toolchain("no installed toolchains\n"), None);
    }
}
