//! A stand for programs under test: a cable between two namespaces that nothing else uses.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use aya::programs::{
    Xdp,
    xdp::{XdpLinkId, XdpMode},
};
use sensor_lab::{End, Namespace, Veth};

/// Name of the interface that receives.
pub(crate) const RECEIVER: &str = "rx0";
/// Name of the interface that sends.
pub(crate) const SENDER: &str = "tx0";

/// Two namespaces and a cable.
pub(crate) struct Stand {
    /// Where frames are sent from.
    pub sender: Namespace,
    /// Where they arrive, and programs are attached.
    pub receiver: Namespace,
}

impl Stand {
    /// Makes the namespaces and lays the cable.
    pub(crate) fn new() -> Result<Self> {
        let sender = Namespace::new("sender")?;
        let receiver = Namespace::new("receiver")?;
        for namespace in [&sender, &receiver] {
            // Nothing sends by itself, so every counted frame was sent by the test.
            for scope in ["all", "default"] {
                namespace.sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "1")?;
            }
        }
        Veth::between(End::new(&sender, SENDER), End::new(&receiver, RECEIVER)).create()?;
        Ok(Self { sender, receiver })
    }

    /// Makes the receiving end take frames in bulk even if no program requires it (NAPI), as network cards do; for all
    /// receivers alike.
    pub(crate) fn receive_in_bulk(&self) -> Result<()> {
        let status = self
            .receiver
            .command("ethtool")
            .args(["-K", RECEIVER, "gro", "on"])
            .status()
            .context("start ethtool: install the package ethtool")?;
        ensure!(status.success(), "ethtool cannot switch GRO on for {RECEIVER}");
        Ok(())
    }

    /// Frames that the receiving interface has taken so far.
    pub(crate) fn received(&self) -> Result<u64> {
        let statistics = self
            .receiver
            .run(|| fs::read_to_string("/proc/thread-self/net/dev"))?
            .context("read the interfaces' statistics")?;
        // `  rx0: <bytes> <packets> …`
        statistics
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(RECEIVER)?.strip_prefix(':'))
            .and_then(|numbers| numbers.split_whitespace().nth(1)?.parse().ok())
            .with_context(|| format!("find {RECEIVER} among the interfaces' statistics"))
    }

    /// Attaches a program to the receiving interface, in the driver.
    pub(crate) fn attach(&self, xdp: &mut Xdp) -> Result<XdpLinkId> {
        let index = self.receiver.interface_index(RECEIVER)?;
        self.receiver
            .run(|| xdp.attach_to_if_index(index, XdpMode::Driver))?
            .with_context(|| format!("attach a program to {RECEIVER}"))
    }
}
