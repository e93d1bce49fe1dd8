//! From the first byte of a frame to its ports: Ethernet, VLAN, PPPoE, MPLS, IPv4, IPv6, and one level of tunnel.
//!
//! Takes a byte source. Gives offsets and the two ports; addresses are read later, and only for packets on a watched
//! port. Never allocates, never loops without a bound.

mod link;
mod network;
mod transport;
mod tunnel;

pub(crate) use self::{
    link::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_MPLS, by_version, ethernet, labelled},
    network::network,
};
pub use self::{
    link::{Link, MAX_MPLS_LABELS, MAX_VLAN_TAGS, VLAN_PRESENT},
    network::{MAX_EXTENSION_HEADERS, Network},
    transport::{Segment, segment},
};
pub use crate::slot::Address;
use crate::{
    bytes::{Bytes, OFFSET_MASK},
    slot::{TCP, UDP},
};

/// Why a frame has no ports to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPorts {
    /// Not IP, or IP with a transport other than TCP and UDP: never watched.
    Foreign,
    /// The frame ends inside a header.
    Short,
    /// A fragment after the first.
    LaterFragment,
    /// A first fragment too short for its transport header, or one that would overwrite it (RFC 1858): senders use these
    /// only for evasion.
    EvasiveFragment,
    /// More than [`MAX_EXTENSION_HEADERS`].
    LongExtensionChain,
    /// A link layer that the sensor does not parse: more than [`MAX_VLAN_TAGS`] or [`MAX_MPLS_LABELS`], something other than
    /// IP behind labels or on an interface of IP packets.
    UnknownLink,
    /// A tunnel that the sensor does not parse: a version, an option or a payload that it does not know, or one inside another.
    UnknownTunnel,
}

/// A TCP or UDP packet up to its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Ports {
    /// Offset of the IP header, bytes from the start of the frame.
    pub network: u32,
    /// Offset of the transport header.
    pub transport_at: u32,
    /// Length of the IP packet from its own header; 0 if the header does not say (IPv6 jumbograms, BIG TCP).
    pub ip_len: u32,
    /// Source port, wire order.
    pub source: u16,
    /// Destination port, wire order.
    pub destination: u16,
    /// Outer VLAN identifier with [`VLAN_PRESENT`], or 0.
    pub vlan: u16,
    /// 4 or 6.
    pub family: u8,
    /// [`TCP`] or [`UDP`].
    pub transport: u8,
    /// The packet is a first fragment.
    pub first_fragment: bool,
    /// The packet came out of a tunnel.
    pub tunnelled: bool,
}

impl Ports {
    /// Offset of the IP header. The mask changes nothing; the verifier needs it.
    #[inline(always)]
    #[must_use]
    pub const fn network_at(&self) -> usize {
        self.network as usize & OFFSET_MASK
    }

    /// Offset of the transport header, likewise.
    #[inline(always)]
    #[must_use]
    pub const fn segment_at(&self) -> usize {
        self.transport_at as usize & OFFSET_MASK
    }
}

/// Walks `frame`, which begins as `link` says, to its ports, through one tunnel if `tunnels` says so. `vlan` is the tag that
/// the driver already removed, in the form of [`Ports::vlan`], or 0.
///
/// # Errors
/// [`NoPorts`] says why there is no port to test.
#[inline(always)]
pub fn ports<B: Bytes + Copy>(frame: B, link: Link, vlan: u16, tunnels: bool) -> Result<Ports, NoPorts> {
    let (ethertype, at, vlan) = match link {
        Link::Ethernet => ethernet(frame, 0, vlan)?,
        Link::Ip => {
            let (ethertype, at) = by_version(frame, 0)?;
            (ethertype, at, vlan)
        }
    };
    let mut packet = network(frame, ethertype, at)?;
    let mut tunnelled = false;
    if tunnels && let Some((ethertype, at)) = tunnel::inside(frame, &packet)? {
        packet = network(frame, ethertype, at)?;
        tunnelled = true;
    }
    if packet.protocol != TCP && packet.protocol != UDP {
        let is_second = tunnelled && tunnel::is_carrier(packet.protocol);
        return Err(if is_second { NoPorts::UnknownTunnel } else { NoPorts::Foreign });
    }
    let [source, destination]: [u16; 2] = frame.load(packet.transport_at).ok_or(NoPorts::Short)?;
    if tunnelled && packet.protocol == UDP && tunnel::is_carrier_port(destination) {
        return Err(NoPorts::UnknownTunnel);
    }
    Ok(Ports {
        family: packet.family,
        transport: packet.protocol,
        first_fragment: packet.first_fragment,
        tunnelled,
        vlan,
        network: packet.at as u32,
        transport_at: packet.transport_at as u32,
        source,
        destination,
        ip_len: packet.len,
    })
}

/// Source and destination of the IP packet that [`ports`] found.
#[inline(always)]
pub fn addresses<B: Bytes + Copy>(frame: B, ports: &Ports) -> Option<(Address, Address)> {
    // In wide words: half as many loads.
    if ports.family == 4 {
        let [source, destination]: [u32; 2] =
            zerocopy::transmute!(frame.load::<u64>(ports.network_at() + 12)?);
        Some(([0, 0, 0, source], [0, 0, 0, destination]))
    } else {
        let both: [Address; 2] = zerocopy::transmute!(frame.load::<[u64; 4]>(ports.network_at() + 8)?);
        Some((both[0], both[1]))
    }
}
