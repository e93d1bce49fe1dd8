//! libxdp's dispatcher on an interface: the XDP program by which several others share one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::Namespace;

/// The folders in which distributions keep the objects of libxdp.
const FOLDERS: [&str; 4] =
    ["/usr/lib/x86_64-linux-gnu/bpf", "/usr/lib/aarch64-linux-gnu/bpf", "/usr/lib64/bpf", "/usr/lib/bpf"];

/// In a mount namespace, for libxdp works in the file system of BPF.
const LOAD: &str = "mount -t bpf bpf /sys/fs/bpf \
    && exec xdp-loader load --mode native --prog-name xdp_dispatcher \"$1\" \"$2\"";

/// The dispatcher, if libxdp is installed.
pub(crate) fn object() -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join("xdp-dispatcher.o")).find(|object| object.is_file())
}

/// Attaches the dispatcher to an interface with xdp-loader, for the life of the interface. There is no other program in it, and it
/// lets everything pass.
///
/// # Errors
/// When xdp-tools is not installed, or xdp-loader cannot load the dispatcher.
pub fn attach_xdp_dispatcher(namespace: &Namespace, interface: &str) -> Result<()> {
    let object = object().context("find libxdp's dispatcher: install the package xdp-tools")?;
    let output = namespace
        .command("unshare")
        .args(["--mount", "sh", "-c", LOAD, "sh", interface])
        .arg(object)
        // Not under a dispatcher in its turn. For that the kernel has to let programs be extended (BPF_PROG_TYPE_EXT), which not
        // every machine does; libxdp attaches a program alone there.
        .env("LIBXDP_SKIP_DISPATCHER", "1")
        .output()
        .context("start unshare: install util-linux")?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "xdp-loader on {interface}: {}", String::from_utf8_lossy(&said).trim());
    Ok(())
}
