//! Tries the container file and the DaemonSet: builds the image on a clean Debian, and runs it as the manifest says on a node that
//! is a network namespace.
//!
//! podman and runc stand for the kubelet and its container runtime.

use std::{fs, path::Path};

use anyhow::{Context, bail};

use super::{
    as_root,
    chroot::{base, package},
    daemonset::DaemonSet,
    provide,
};
use crate::{
    cargo::{target_dir, workspace_root},
    steps::Steps,
};

/// Programs that make and run the container, and its SMB session, and their Debian packages.
const PROGRAMS: [(&str, &str); 9] = [
    ("debootstrap", "debootstrap"),
    ("ip", "iproute2"),
    ("jq", "jq"),
    // Before podman, which brings another runtime if it finds none.
    ("runc", "runc"),
    ("podman", "podman"),
    ("smbclient", "smbclient"),
    ("smbd", "samba"),
    ("smbpasswd", "samba-common-bin"),
    ("unshare", "util-linux"),
];

/// Builds the image.
const IMAGE: &str = include_str!("container_image.sh");

/// Makes the node, which then runs the trial.
const NODE: &str = include_str!("container_node.sh");
const TRIAL: &str = include_str!("container_trial.sh");

/// Where the files are that are tried.
const FOLDER: &str = "packaging/container";

/// Builds the image with the tarball of a folder and runs it.
pub(super) fn try_container(steps: &Steps, packages: &Path) -> anyhow::Result<()> {
    provide(steps, &PROGRAMS)?;
    let folder = workspace_root().join(FOLDER);
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let daemonset = DaemonSet::read(&read("daemonset.yaml")?).context("reading the manifest")?;
    let documentation = read("README.md")?;
    let profile = seccomp_profile(&documentation)?;
    let tarball = package(packages, &format!("-{}.tar.gz", std::env::consts::ARCH))?;
    let base = base(steps)?;
    let store = target_dir()?.join("dist-try/containers");
    steps.run("Build the image of the Containerfile", |step| {
        let mut command = as_root("unshare")?;
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", IMAGE, "sh"]);
        command.arg(&store).arg(&base).arg(folder.join("Containerfile")).arg(&tarball);
        step.command(command.arg(daemonset.image()))
    })?;
    steps.run("Run the image as the DaemonSet does, and take each capability away", |step| {
        let trial = format!("{}seccomp_profile() {{\n{profile}}}\n{TRIAL}", daemonset.shell());
        step.command(as_root("sh")?.args(["-euc", NODE, "sh"]).arg(trial).arg(&store))
    })
}

/// The command of the documentation that makes a seccomp profile in the current folder.
fn seccomp_profile(documentation: &str) -> anyhow::Result<&str> {
    let blocks = documentation.split("```sh\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    let mut found = blocks.filter(|block| block.starts_with("jq "));
    match (found.next(), found.next()) {
        (Some(block), None) => Ok(block),
        _ => bail!("{FOLDER}/README.md is to have one command that makes a seccomp profile"),
    }
}
