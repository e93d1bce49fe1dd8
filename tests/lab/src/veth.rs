//! A virtual Ethernet cable between two namespaces.

use anyhow::Result;

use crate::Namespace;

/// One end of a cable: the namespace it is in and the interface's name there.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    namespace: &'a Namespace,
    name: &'a str,
    mac: Option<[u8; 6]>,
}

impl<'a> End<'a> {
    /// The end that appears in `namespace` as interface `name`.
    #[must_use]
    pub fn new(namespace: &'a Namespace, name: &'a str) -> Self {
        Self { namespace, name, mac: None }
    }

    /// Gives this end a fixed hardware address.
    #[must_use]
    pub fn mac(mut self, mac: [u8; 6]) -> Self {
        self.mac = Some(mac);
        self
    }

    fn link_options(&self, mtu: Option<u32>) -> String {
        let mut options = String::new();
        if let Some([a, b, c, d, e, f]) = self.mac {
            options += &format!(" address {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        }
        if let Some(mtu) = mtu {
            options += &format!(" mtu {mtu}");
        }
        options
    }
}

/// A cable to be made. Both ends are created inside their namespaces, so no interface ever appears in the namespace
/// of the caller.
#[derive(Debug, Clone, Copy)]
pub struct Veth<'a> {
    near: End<'a>,
    far: End<'a>,
    mtu: Option<u32>,
}

impl<'a> Veth<'a> {
    /// A cable between two ends, with the kernel's default MTU (1500).
    #[must_use]
    pub fn between(near: End<'a>, far: End<'a>) -> Self {
        Self { near, far, mtu: None }
    }

    /// Sets the MTU of both ends.
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Lays the cable and brings both ends up.
    ///
    /// # Errors
    /// When the kernel refuses, for example because a name is taken.
    pub fn create(self) -> Result<()> {
        let Self { near, far, mtu } = self;
        near.namespace.ip_batch(&format!(
            "link add name {near_name}{near_options} type veth peer name {far_name}{far_options} netns {far_path}\n\
             link set {near_name} up",
            near_name = near.name,
            near_options = near.link_options(mtu),
            far_name = far.name,
            far_options = far.link_options(mtu),
            far_path = far.namespace.path(),
        ))?;
        far.namespace.ip(&format!("link set {} up", far.name))
    }
}
