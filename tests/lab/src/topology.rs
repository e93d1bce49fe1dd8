//! The standard border: LAN client – gateway – Internet host, each in a namespace of its own.
//!
//! ```text
//!  client                    gateway                        server
//!  eth0 10.0.0.2/24   ──── lan0 10.0.0.1                    "the Internet"
//!       fd00:1::2/64            fd00:1::1
//!                               wan0 8.8.4.1         ────── eth0 8.8.4.4/24
//!  lan_server (optional)             2001:4860:4860::1           2001:4860:4860::8844/64
//!  eth0 10.0.1.2/24   ──── lan1 10.0.1.1                         and any further address
//!       fd00:2::2/64            fd00:2::1
//! ```

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{End, Namespace, Veth, poll};

/// The fixed addresses of the standard border.
pub mod address {
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// The LAN client.
    pub const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    /// The LAN client.
    pub const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2);
    /// The gateway's `lan0`.
    pub const GATEWAY_LAN_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    /// The gateway's `lan0`.
    pub const GATEWAY_LAN_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1);
    /// The gateway's `wan0`.
    pub const GATEWAY_WAN_V4: Ipv4Addr = Ipv4Addr::new(8, 8, 4, 1);
    /// The gateway's `wan0`.
    pub const GATEWAY_WAN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 1);
    /// The Internet host.
    pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(8, 8, 4, 4);
    /// The Internet host.
    pub const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8844);
    /// The gateway's `lan1`, where a second LAN was asked for.
    pub const GATEWAY_LAN1_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
    /// The gateway's `lan1`, where a second LAN was asked for.
    pub const GATEWAY_LAN1_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 1);
    /// The host on the second LAN.
    pub const LAN_SERVER_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
    /// The host on the second LAN.
    pub const LAN_SERVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 2);
}

use address::{
    CLIENT_V4, CLIENT_V6, GATEWAY_LAN_V4, GATEWAY_LAN_V6, GATEWAY_LAN1_V4, GATEWAY_LAN1_V6, GATEWAY_WAN_V4,
    GATEWAY_WAN_V6, LAN_SERVER_V4, LAN_SERVER_V6, SERVER_V4, SERVER_V6,
};

/// A port nothing listens on and the sensor does not watch (discard, RFC 863): a refusal proves the path.
const CLOSED_PORT: u16 = 9;
const READY_WITHIN: Duration = Duration::from_secs(5);
const ONE_TRY: Duration = Duration::from_millis(200);

/// Additions to the client, the gateway and the Internet host.
#[derive(Debug, Clone, Default)]
pub struct TopologyBuilder {
    server_addresses: Vec<IpAddr>,
    client_addresses: Vec<IpAddr>,
    lan_server: bool,
    mtu: Option<u32>,
}

impl TopologyBuilder {
    /// Gives the Internet host a further address, of whatever kind: public, reserved, even private.
    #[must_use]
    pub fn server_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.server_addresses.push(address.into());
        self
    }

    /// Gives the LAN client a further address, which the gateway routes to it.
    #[must_use]
    pub fn client_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.client_addresses.push(address.into());
        self
    }

    /// Adds a second LAN with a host on it, behind the gateway's `lan1`.
    #[must_use]
    pub fn lan_server(mut self) -> Self {
        self.lan_server = true;
        self
    }

    /// Sets the MTU of all links.
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Builds it and returns when every host reaches every other through the gateway, over IPv4 and IPv6.
    ///
    /// # Errors
    /// When a namespace, link or route cannot be made, or the path does not work within 5 s.
    pub fn build(self) -> Result<Topology> {
        let topology = Topology {
            client: Namespace::new("client")?,
            gateway: Namespace::new("gateway")?,
            server: Namespace::new("server")?,
            lan_server: self.lan_server.then(|| Namespace::new("lan_server")).transpose()?,
        };
        let Topology { client, gateway, server, lan_server } = &topology;

        self.cable(End::new(gateway, "lan0"), End::new(client, "eth0"))?;
        self.cable(End::new(gateway, "wan0"), End::new(server, "eth0"))?;
        if let Some(lan_server) = lan_server {
            self.cable(End::new(gateway, "lan1"), End::new(lan_server, "eth0"))?;
        }
        self.configure_gateway(gateway)?;
        configure_host(
            client,
            (CLIENT_V4, GATEWAY_LAN_V4),
            (CLIENT_V6, GATEWAY_LAN_V6),
            &self.client_addresses,
        )?;
        configure_host(
            server,
            (SERVER_V4, GATEWAY_WAN_V4),
            (SERVER_V6, GATEWAY_WAN_V6),
            &self.server_addresses,
        )?;
        if let Some(lan_server) = lan_server {
            configure_host(
                lan_server,
                (LAN_SERVER_V4, GATEWAY_LAN1_V4),
                (LAN_SERVER_V6, GATEWAY_LAN1_V6),
                &[],
            )?;
        }

        for to in [IpAddr::from(SERVER_V4), SERVER_V6.into()].into_iter().chain(self.server_addresses) {
            wait_for_path(client, to)?;
        }
        for to in self.client_addresses {
            wait_for_path(server, to)?;
        }
        if let Some(lan_server) = lan_server {
            for to in [IpAddr::from(CLIENT_V4), CLIENT_V6.into(), SERVER_V4.into(), SERVER_V6.into()] {
                wait_for_path(lan_server, to)?;
            }
        }
        Ok(topology)
    }

    fn cable(&self, near: End<'_>, far: End<'_>) -> Result<()> {
        let cable = Veth::between(near, far);
        self.mtu.map_or(cable, |mtu| cable.mtu(mtu)).create()
    }

    fn configure_gateway(&self, gateway: &Namespace) -> Result<()> {
        gateway.sysctl("net/ipv4/ip_forward", "1")?;
        gateway.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        let mut lines = vec![
            format!("address add {GATEWAY_LAN_V4}/24 dev lan0"),
            format!("address add {GATEWAY_LAN_V6}/64 dev lan0 nodad"),
            format!("address add {GATEWAY_WAN_V4}/24 dev wan0"),
            format!("address add {GATEWAY_WAN_V6}/64 dev wan0 nodad"),
            format!("route add default via {SERVER_V4}"),
            format!("route add default via {SERVER_V6}"),
        ];
        if self.lan_server {
            lines.push(format!("address add {GATEWAY_LAN1_V4}/24 dev lan1"));
            lines.push(format!("address add {GATEWAY_LAN1_V6}/64 dev lan1 nodad"));
        }
        // Explicit, so that an extra address is reached on its side even if it lies inside another link's network.
        for (addresses, via_v4, via_v6) in
            [(&self.server_addresses, SERVER_V4, SERVER_V6), (&self.client_addresses, CLIENT_V4, CLIENT_V6)]
        {
            lines.extend(addresses.iter().map(|address| match address {
                IpAddr::V4(v4) => format!("route add {v4}/32 via {via_v4}"),
                IpAddr::V6(v6) => format!("route add {v6}/128 via {via_v6}"),
            }));
        }
        gateway.ip_batch(&lines.join("\n"))
    }
}

/// A built border. Dropping it removes everything in it.
#[derive(Debug)]
pub struct Topology {
    client: Namespace,
    gateway: Namespace,
    server: Namespace,
    lan_server: Option<Namespace>,
}

impl Topology {
    /// The plain border: client, gateway, Internet host.
    ///
    /// # Errors
    /// As [`TopologyBuilder::build`].
    pub fn border() -> Result<Self> {
        Self::builder().build()
    }

    /// A border to be extended before it is built.
    #[must_use]
    pub fn builder() -> TopologyBuilder {
        TopologyBuilder::default()
    }

    /// The LAN client; its interface is `eth0`.
    #[must_use]
    pub fn client(&self) -> &Namespace {
        &self.client
    }

    /// The gateway; its interfaces are `lan0`, `wan0` and, with a second LAN, `lan1`.
    #[must_use]
    pub fn gateway(&self) -> &Namespace {
        &self.gateway
    }

    /// The Internet host; its interface is `eth0`.
    #[must_use]
    pub fn server(&self) -> &Namespace {
        &self.server
    }

    /// The host on the second LAN; its interface is `eth0`.
    ///
    /// # Errors
    /// When the topology was built without [`TopologyBuilder::lan_server`].
    pub fn lan_server(&self) -> Result<&Namespace> {
        self.lan_server.as_ref().context("this topology has no second LAN: build it with lan_server()")
    }
}

fn configure_host(
    host: &Namespace,
    (v4, gateway_v4): (std::net::Ipv4Addr, std::net::Ipv4Addr),
    (v6, gateway_v6): (std::net::Ipv6Addr, std::net::Ipv6Addr),
    further: &[IpAddr],
) -> Result<()> {
    let mut lines = vec![
        format!("address add {v4}/24 dev eth0"),
        format!("address add {v6}/64 dev eth0 nodad"),
        // The source is pinned: with further addresses the kernel would choose by its own rules (RFC 6724).
        format!("route add default via {gateway_v4} src {v4}"),
        format!("route add default via {gateway_v6} src {v6}"),
    ];
    lines.extend(further.iter().map(|address| match address {
        IpAddr::V4(v4) => format!("address add {v4}/32 dev eth0"),
        IpAddr::V6(v6) => format!("address add {v6}/128 dev eth0 nodad"),
    }));
    host.ip_batch(&lines.join("\n"))
}

/// Also warms the neighbour tables, so that no first packet is lost to them later.
fn wait_for_path(from: &Namespace, to: IpAddr) -> Result<()> {
    let target = SocketAddr::new(to, CLOSED_PORT);
    let mut last = None;
    from.run(|| {
        poll(READY_WITHIN, || match TcpStream::connect_timeout(&target, ONE_TRY) {
            Ok(_) => Some(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Some(()),
            Err(error) => {
                last = Some(error);
                None
            }
        })
    })?
    .with_context(|| format!("{to} does not answer {} within {READY_WITHIN:?}: {last:?}", from.label()))
}
