//! Debian's xdp-filter with policies on TCP ports and on IP addresses: the closest equivalent of the sensor's first steps.

use anyhow::{Context as _, Result, bail};
use aya::programs::{ProgramInfo, Xdp, loaded_programs};
use aya_obj::programs::XdpAttachType;
use serde_json::Value;

use super::run;
use crate::stand::{RECEIVER, Stand};

/// Loads without libxdp's dispatcher, which would only add cost; in a mount namespace, because it pins its maps.
const LOAD: &str = "mount -t bpf bpf /sys/fs/bpf \
    && xdp-filter load --mode native --features tcp,ipv4,ipv6 --policy allow \"$1\" >&2 \
    && xdp-filter port 9 --proto tcp --mode dst >&2 \
    && xdp-filter ip 192.0.2.1 --mode dst >&2 \
    && xdp-filter ip 2001:db8::1 --mode dst >&2";

/// Attaches it to the receiver of a stand, for the life of the stand. It lets everything pass except TCP to port 9 (discard)
/// and packets to two addresses of documentation, which no traffic here uses: it has something to look for and drops nothing.
pub(crate) fn attach(stand: &Stand) -> Result<Xdp> {
    run(
        stand
            .receiver
            .command("unshare")
            .args(["--mount", "sh", "-c", LOAD, "sh", RECEIVER])
            .env("LIBXDP_SKIP_DISPATCHER", "1"),
        "xdp-tools",
    )
    .context("load xdp-filter (package xdp-tools)")?;
    Xdp::from_program_info(attached(stand)?, "xdp-filter".into(), XdpAttachType::Interface)
        .context("get hold of xdp-filter's program")
}

/// The program on the receiver, by the identifier that `ip` shows.
fn attached(stand: &Stand) -> Result<ProgramInfo> {
    let output = stand
        .receiver
        .command("ip")
        .args(["-j", "-d", "link", "show", "dev", RECEIVER])
        .output()
        .context("start ip: install iproute2")?;
    let links: Value = serde_json::from_slice(&output.stdout).context("read what ip says")?;
    let id = links.pointer("/0/xdp/prog/id").and_then(Value::as_u64);
    let Some(id) = id else {
        bail!("xdp-filter left no program on the interface");
    };
    loaded_programs()
        .filter_map(Result::ok)
        .find(|program| u64::from(program.id()) == id)
        .with_context(|| format!("find the kernel's program {id}"))
}
