//! A place to attach programs to: a cable between two namespaces that nothing else uses.

use anyhow::{Context as _, Result};
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
            // Nothing speaks unasked, so that every frame counted is one that was sent.
            for scope in ["all", "default"] {
                namespace.sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "1")?;
            }
        }
        Veth::between(End::new(&sender, SENDER), End::new(&receiver, RECEIVER)).create()?;
        Ok(Self { sender, receiver })
    }

    /// Puts a program on the receiving interface, in the driver.
    pub(crate) fn attach(&self, xdp: &mut Xdp) -> Result<XdpLinkId> {
        let index = self.receiver.interface_index(RECEIVER)?;
        self.receiver
            .run(|| xdp.attach_to_if_index(index, XdpMode::Driver))?
            .with_context(|| format!("attach a program to {RECEIVER}"))
    }
}
