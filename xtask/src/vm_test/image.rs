//! The first file system of a virtual machine: busybox, the needed modules, and the script that mounts the rest.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::kernel::System;
use crate::{
    setup,
    steps::{Step, Steps},
};

/// The first process.
const INIT: &str = include_str!("init.sh");

/// Modules that are needed if the kernel does not have them built in: the host's files, and what the sensor attaches to.
const MODULES: [&str; 16] = [
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "dummy",
    "veth",
    "tun",
    "8021q",
    "ifb",
    "sch_ingress",
    "cls_bpf",
    "act_mirred",
    "ipip",
    "ip_gre",
    "sit",
    "wireguard",
];

/// Packs a folder.
const PACK: &str = r#"cd "$1" && find . | cpio --quiet -o -H newc | gzip -1 > "$2""#;

/// What a machine boots.
pub(super) struct Image {
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
    pub(super) release: String,
}

impl Image {
    /// Makes the first file system of a kernel.
    pub(super) fn make(steps: &Steps, system: &System) -> anyhow::Result<Self> {
        let initrd = system.folder.join("initrd.gz");
        steps.run(&format!("Make the first file system of {}", system.release), |step| {
            let folder = system.folder.join("initrd");
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
            }
            for name in ["bin", "dev", "modules", "proc", "sys"] {
                let path = folder.join(name);
                fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
            }
            let busybox = setup::find("busybox").context("busybox is not installed")?;
            copy(&busybox, &folder.join("bin/busybox"))?;
            let init = folder.join("init");
            fs::write(&init, INIT).with_context(|| format!("writing {}", init.display()))?;
            fs::set_permissions(&init, fs::Permissions::from_mode(0o755))
                .context("making init executable")?;
            modules(step, system, &folder.join("modules"))?;
            step.command(Command::new("sh").args(["-euc", PACK, "sh"]).arg(&folder).arg(&initrd))
        })?;
        Ok(Self { kernel: system.kernel(), initrd, release: system.release.clone() })
    }
}

/// Copies the modules, unpacked, and lists them in the order in which they load.
fn modules(step: &Step<'_>, system: &System, to: &Path) -> anyhow::Result<()> {
    let path = system.modules().join("modules.dep");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut order = String::new();
    for module in in_order(&text) {
        let from = system.modules().join(module);
        let Some(name) = from.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        copy(&from, &to.join(&name))?;
        let name = match name.strip_suffix(".xz") {
            Some(plain) => {
                step.command(Command::new("xz").args(["-d", "-f"]).arg(to.join(&name)))?;
                plain.to_owned()
            }
            None => name,
        };
        order.push_str(&name);
        order.push('\n');
    }
    if order.is_empty() {
        bail!("{} names none of the needed modules", path.display());
    }
    fs::write(to.join("order"), order).context("writing the order of the modules")
}

/// Paths of the needed modules and of those that they need, each after what it needs. `text` is a `modules.dep`: a line is a module, a
/// colon, and all modules that it needs, the first to load last (depmod(8)).
fn in_order(text: &str) -> Vec<&str> {
    let needs: HashMap<&str, Vec<&str>> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(module, needs)| (module, needs.split_whitespace().rev().collect()))
        .collect();
    let (mut order, mut known) = (Vec::new(), BTreeSet::new());
    for name in MODULES {
        let Some((module, needs)) = needs.iter().find(|(module, _)| is_named(module, name)) else { continue };
        for one in needs.iter().chain([module]) {
            if known.insert(*one) {
                order.push(*one);
            }
        }
    }
    order
}

/// Whether a path is that of a module.
fn is_named(path: &str, name: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split_once(".ko").is_some_and(|(stem, _)| stem == name)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to).map(|_| ()).with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_follows_what_it_needs() {
        let text = "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
                    kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/drivers/virtio/virtio.ko.xz\n\
                    kernel/drivers/net/e1000.ko.xz:\n";
        let expected = [
            "kernel/drivers/virtio/virtio.ko.xz",
            "kernel/net/9p/9pnet.ko.xz",
            "kernel/net/9p/9pnet_virtio.ko.xz",
            "kernel/fs/netfs/netfs.ko.xz",
            "kernel/fs/9p/9p.ko.xz",
        ];
        assert_eq!(in_order(text), expected);
    }
}
