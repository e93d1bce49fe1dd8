//! dnsmasq as a name server or a DHCP server inside a namespace.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::{Namespace, Process};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running dnsmasq. Dropping it ends it.
pub struct Dnsmasq {
    _process: Process,
}

impl Dnsmasq {
    /// Starts a name server in `namespace` that answers at port 53 of this address of it: the name has these addresses. It knows no
    /// other name and asks nobody. Returns when it serves.
    ///
    /// # Errors
    /// When dnsmasq cannot be run or does not come up in time; the error quotes its output.
    pub fn start(namespace: &Namespace, at: Ipv4Addr, name: &str, addresses: &[IpAddr]) -> Result<Self> {
        let records: Vec<_> = addresses.iter().map(|address| (name, *address)).collect();
        Self::naming(namespace, at, &records)
    }

    /// The same with a name for each address, which it knows both ways.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn naming(namespace: &Namespace, at: Ipv4Addr, records: &[(&str, IpAddr)]) -> Result<Self> {
        let mut command = Self::command(namespace);
        command.args(["--local-ttl=30".to_owned(), format!("--listen-address={at}")]);
        for (name, address) in records {
            command.arg(format!("--host-record={name},{address}"));
        }
        Self::run(command)
    }

    /// Starts a DHCP server at an interface of `namespace` that gives away this address alone, to whoever asks first, and writes its
    /// leases to this file. Returns when it serves.
    ///
    /// # Errors
    /// As for a name server.
    pub fn leasing(namespace: &Namespace, interface: &str, address: Ipv4Addr, leases: &Path) -> Result<Self> {
        let mut command = Self::command(namespace);
        // The host may have the address already: nobody is asked whether it is in use.
        command.args(["--port=0", "--no-ping", "--dhcp-authoritative"]);
        command.arg(format!("--interface={interface}"));
        command.arg(format!("--dhcp-range={address},{address},1h"));
        command.arg(format!("--dhcp-leasefile={}", leases.display()));
        Self::run(command)
    }

    fn command(namespace: &Namespace) -> Command {
        let mut command = namespace.command("dnsmasq");
        command.args(["--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--pid-file="]);
        command.args(["--no-resolv", "--no-hosts", "--bind-interfaces", "--user=root"]);
        command
    }

    fn run(command: Command) -> Result<Self> {
        let process = Process::spawn(command)?;
        process.wait_for_line(READY_WITHIN, |line| line.contains("started"))?;
        Ok(Self { _process: process })
    }
}
