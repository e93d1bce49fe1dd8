//! The flows of QUIC that the kernel program counts, and the marks of their UDP ports.

use std::net::{IpAddr, SocketAddr};

use aya::maps::{Array, HashMap, Map, MapData};
use sensor_common::{
    quic::{QuicFlowKey, flow_key},
    settings::{PORTS, PortTable, port},
};
use sensor_core::address::FiveTuple;

use super::{object::LoadError, ports::with_marks};

/// Name of the section of globals with the table of UDP ports.
pub(super) const SECTION: &str = ".bss.udp_ports";

/// The table of UDP ports, and the flows that are counted.
pub struct QuicFlows {
    ports: Array<MapData, PortTable>,
    flows: HashMap<MapData, QuicFlowKey, u8>,
    /// The table without marks.
    watched: Box<PortTable>,
    counted: Vec<QuicFlowKey>,
}

impl QuicFlows {
    /// Writes the watched ports. Flows of an earlier run are counted until others are named.
    pub(super) fn open(
        ports: Map,
        flows: Map,
        watched: &PortTable,
        earlier: Option<&PortTable>,
    ) -> Result<Self, LoadError> {
        let mut ports = Array::try_from(ports).map_err(failed)?;
        ports.set(0, *with_marks(watched, earlier), 0).map_err(failed)?;
        let flows: HashMap<_, QuicFlowKey, u8> = HashMap::try_from(flows).map_err(failed)?;
        let counted = flows.keys().collect::<Result<_, _>>().map_err(failed)?;
        Ok(Self { ports, flows, watched: Box::new(*watched), counted })
    }

    /// Counts these flows from now on, and no others.
    ///
    /// # Errors
    /// The kernel's error, which a loaded program does not cause.
    pub fn count(&mut self, flows: &[FiveTuple]) -> Result<(), LoadError> {
        let keys: Vec<_> = flows.iter().map(key).collect();
        for gone in self.counted.iter().filter(|known| !keys.contains(known)) {
            self.flows.remove(gone).map_err(failed)?;
        }
        for key in &keys {
            self.flows.insert(*key, 1, 0).map_err(failed)?;
        }
        self.ports.set(0, *marked(&self.watched, flows), 0).map_err(failed)?;
        self.counted = keys;
        Ok(())
    }
}

/// The table with marks on the ports by which the flows are looked up: of each, the client's, which few others use.
#[must_use]
pub fn marked(watched: &PortTable, flows: &[FiveTuple]) -> Box<PortTable> {
    let mut table = Box::new(*watched);
    for tuple in flows {
        table[usize::from(rarer_port(watched, tuple).to_be()) & (PORTS - 1)] |= port::SUSPECT;
    }
    table
}

/// The port of a flow that is no port of QUIC; if both are, the internal one.
fn rarer_port(watched: &PortTable, tuple: &FiveTuple) -> u16 {
    let is_quic = |end: SocketAddr| watched[usize::from(end.port().to_be())] & port::QUIC != 0;
    if is_quic(tuple.local) && !is_quic(tuple.remote) { tuple.remote.port() } else { tuple.local.port() }
}

/// The key under which the kernel program finds a flow.
#[must_use]
pub fn key(tuple: &FiveTuple) -> QuicFlowKey {
    let (local, remote) = (words(tuple.local.ip()), words(tuple.remote.ip()));
    flow_key(&local, &remote, tuple.local.port().to_be(), tuple.remote.port().to_be())
}

/// An address as the packet path keeps it: an IPv4 one in the last word.
pub(super) fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [0, 0, 0, u32::from_ne_bytes(address.octets())],
        IpAddr::V6(address) => {
            let octets = address.octets();
            std::array::from_fn(|word| {
                u32::from_ne_bytes(std::array::from_fn(|byte| octets[word * 4 + byte]))
            })
        }
    }
}

fn failed(source: aya::maps::MapError) -> LoadError {
    LoadError::Write { what: "the flows of QUIC that are counted".into(), source }
}

#[cfg(test)]
mod tests {
    use sensor_common::{settings::Services, slot::UDP};

    use super::*;

    fn tuple(local: &str, remote: &str) -> FiveTuple {
        FiveTuple { transport: UDP, local: local.parse().unwrap(), remote: remote.parse().unwrap() }
    }

    #[test]
    fn marks_the_port_of_the_client() {
        let mut services = Box::new(Services::NONE);
        services.watch_quic(443);
        services.watch_udp(137);
        let is_marked = |flow: &FiveTuple, port: u16| {
            let table = marked(&services.udp, std::slice::from_ref(flow));
            table[usize::from(port.to_be())] & port::SUSPECT != 0
        };
        let outbound = tuple("10.0.0.2:50000", "8.8.4.4:443");
        assert!(is_marked(&outbound, 50_000) && !is_marked(&outbound, 443));
        let inbound = tuple("10.0.1.2:443", "8.8.4.4:50001");
        assert!(is_marked(&inbound, 50_001) && !is_marked(&inbound, 443));
        let both = tuple("10.0.0.2:443", "8.8.4.4:443");
        assert!(is_marked(&both, 443));
        let table = marked(&services.udp, &[outbound, inbound]);
        assert_ne!(table[usize::from(137_u16.to_be())] & port::SERVICE, 0, "watched ports stay");
        assert_eq!(*marked(&services.udp, &[]), services.udp);
    }
}
