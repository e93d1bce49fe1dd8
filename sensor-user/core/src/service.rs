//! The watched ports and their services.

use sensor_common::{
    settings::{Services, port},
    slot::{TCP, UDP},
};
use serde::{Deserialize, Serialize};

/// Ports of the Windows networking services (IANA service names and port numbers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePorts {
    /// TCP ports that carry SMB: 445 (microsoft-ds), 139 (netbios-ssn).
    pub smb_tcp: Vec<u16>,
    /// TCP ports of the DCE-RPC endpoint mapper: 135 (epmap).
    pub rpc_tcp: Vec<u16>,
    /// UDP ports of NetBIOS: 137 (netbios-ns), 138 (netbios-dgm).
    pub netbios_udp: Vec<u16>,
    /// UDP ports of QUIC on which a client may offer SMB: 443 (MS-SMB2 2.1).
    pub quic_udp: Vec<u16>,
    /// Whether SMB and WebDAV are also recognised by their messages on every other TCP port.
    pub smb_any_port: bool,
}

/// The service of a watched port, or the one that messages show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// SMB over TCP.
    Smb,
    /// DCE-RPC endpoint mapper.
    Rpc,
    /// NetBIOS name or datagram service.
    Netbios,
    /// SMB over QUIC, as its client offered it.
    SmbOverQuic,
    /// File access by HTTP, on any TCP port.
    #[serde(rename = "webdav")]
    WebDav,
}

impl Default for ServicePorts {
    fn default() -> Self {
        Self {
            smb_tcp: vec![139, 445],
            rpc_tcp: vec![135],
            netbios_udp: vec![137, 138],
            quic_udp: vec![443],
            smb_any_port: true,
        }
    }
}

impl ServicePorts {
    /// No port at all.
    #[must_use]
    pub const fn none() -> Self {
        Self { smb_tcp: vec![], rpc_tcp: vec![], netbios_udp: vec![], quic_udp: vec![], smb_any_port: false }
    }

    /// The service of `port` over `transport`, if it is watched.
    #[must_use]
    pub fn service(&self, transport: u8, port: u16) -> Option<Service> {
        match transport {
            TCP if self.smb_tcp.contains(&port) => Some(Service::Smb),
            TCP if self.rpc_tcp.contains(&port) => Some(Service::Rpc),
            UDP if self.netbios_udp.contains(&port) => Some(Service::Netbios),
            _ => None,
        }
    }

    /// The tables that the kernel program reads.
    #[must_use]
    pub fn tables(&self) -> Box<Services> {
        let mut services = Box::new(Services::NONE);
        for port in &self.smb_tcp {
            services.watch_tcp(*port, port::SMB);
        }
        for port in &self.rpc_tcp {
            services.watch_tcp(*port, port::RPC);
        }
        for port in &self.netbios_udp {
            services.watch_udp(*port);
        }
        for port in &self.quic_udp {
            services.watch_quic(*port);
        }
        services
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_service_set_is_windows_networking() {
        let ports = ServicePorts::default();
        for (transport, port, service) in [
            (TCP, 135, Service::Rpc),
            (TCP, 139, Service::Smb),
            (TCP, 445, Service::Smb),
            (UDP, 137, Service::Netbios),
            (UDP, 138, Service::Netbios),
        ] {
            assert_eq!(ports.service(transport, port), Some(service), "{port}");
        }
        assert_eq!(ports.service(UDP, 445), None);
        assert_eq!(ports.service(TCP, 443), None);
        let ones = |table: &[u8]| table.iter().filter(|kind| **kind != 0).count();
        let tables = ports.tables();
        assert_eq!((ones(&tables.tcp), ones(&tables.udp)), (3, 3));
        assert_eq!(ports.service(UDP, 443), None, "the ClientHello says so, not the port");
    }
}
