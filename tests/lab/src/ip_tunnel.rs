//! Tunnels that the kernel makes between two namespaces. Their interfaces have no Ethernet header.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{End, Namespace, Veth, scratch_dir};

/// Addresses of the two ends below the tunnel (TEST-NET-1).
const OUTER: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

/// Makes a private and a public key in the folder that is its argument, for each end.
const MAKE_KEYS: &str =
    "cd \"$1\" && for end in 0 1; do wg genkey > private$end && wg pubkey < private$end > public$end; done";

/// UDP port of WireGuard.
const PORT: &str = "51820";

/// A kind of tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpTunnel {
    /// IPv4 in IPv4.
    IpIp,
    /// IPv4 and IPv6 in GRE.
    Gre,
    /// IPv6 in IPv4.
    Sit,
    /// IPv4 and IPv6, encrypted.
    WireGuard,
}

impl IpTunnel {
    /// Whether it carries IPv4 and IPv6.
    #[must_use]
    pub const fn carries(self) -> (bool, bool) {
        (!matches!(self, Self::Sit), !matches!(self, Self::IpIp))
    }

    /// Joins two namespaces by a cable, and makes the interface `name` in each, which are the ends of a tunnel through it. Both are
    /// still down and without addresses.
    ///
    /// # Errors
    /// When the kernel has no such tunnels, or does not take the settings.
    pub fn between(self, near: &Namespace, far: &Namespace, name: &str) -> Result<()> {
        Veth::between(End::new(near, "outer0"), End::new(far, "outer0")).create()?;
        let keys = scratch_dir()?;
        if self == Self::WireGuard {
            let mut command = near.command("sh");
            succeeds(command.args(["-euc", MAKE_KEYS, "sh"]).arg(keys.path()))?;
        }
        for (host, here, there) in [(near, 0, 1), (far, 1, 0)] {
            let (local, remote) = (OUTER[here], OUTER[there]);
            host.ip(&format!("address add {local}/24 dev outer0"))?;
            let kind = match self {
                Self::IpIp => "ipip",
                Self::Gre => "gre",
                Self::Sit => "sit",
                Self::WireGuard => {
                    host.ip(&format!("link add {name} type wireguard"))?;
                    let key = |file: String| keys.path().join(file);
                    let public = fs::read_to_string(key(format!("public{there}")))
                        .context("read the public key of a peer")?;
                    let mut command = host.command("wg");
                    command.args(["set", name, "listen-port", PORT, "private-key"]);
                    command.arg(key(format!("private{here}"))).args(["peer", public.trim()]);
                    command.args(["endpoint", &format!("{remote}:{PORT}"), "allowed-ips", "0.0.0.0/0,::/0"]);
                    succeeds(&mut command)?;
                    continue;
                }
            };
            host.ip(&format!("link add {name} type {kind} local {local} remote {remote} ttl 64"))?;
        }
        Ok(())
    }
}

fn succeeds(command: &mut Command) -> Result<()> {
    let output = command.output().context("run wg: install the package wireguard-tools")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    Ok(())
}
