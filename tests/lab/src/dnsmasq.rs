//! dnsmasq as a name server inside a namespace.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Result;

use crate::{Namespace, Process};

const READY_WITHIN: Duration = Duration::from_secs(10);

/// A running name server for one name. Dropping it ends it.
pub struct Dnsmasq {
    _process: Process,
}

impl Dnsmasq {
    /// Starts a name server in `namespace` that answers at port 53 of this address of it: the name has these addresses. It knows no
    /// other name and asks nobody. Returns when it serves.
    ///
    /// # Errors
    /// When dnsmasq cannot be run or does not come up within 10 s; the error quotes its output.
    pub fn start(namespace: &Namespace, at: Ipv4Addr, name: &str, addresses: &[IpAddr]) -> Result<Self> {
        let mut command = namespace.command("dnsmasq");
        command.args(["--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--pid-file="]);
        command.args(["--no-resolv", "--no-hosts", "--bind-interfaces", "--user=root", "--local-ttl=30"]);
        command.arg(format!("--listen-address={at}"));
        for address in addresses {
            command.arg(format!("--host-record={name},{address}"));
        }
        let process = Process::spawn(command)?;
        process.wait_for_line(READY_WITHIN, |line| line.contains("started"))?;
        Ok(Self { _process: process })
    }
}
