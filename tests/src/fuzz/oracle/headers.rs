//! A frame's headers, by etherparse.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    Ethernet2HeaderSlice, IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice,
    Ipv6HeaderSlice, Ipv6RawExtHeaderSlice, SingleVlanSlice, TcpHeaderSlice,
    err::{ipv4, ipv6, tcp},
    ip_number,
};
use sensor_common::{counter::Counter, headers::Link};

use super::Opinion;
use crate::encapsulation::{GENEVE, MPLS_IN_UDP, VXLAN, VXLAN_GPE};

/// EtherTypes (IANA): IP, tags of IEEE 802.1Q and 802.1ad and their predecessor, PPPoE (RFC 2516), MPLS (RFC 3032).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
const TAGS: [u16; 3] = [0x8100, 0x88A8, 0x9100];
const PPPOE_SESSION: u16 = 0x8864;
const MPLS: [u16; 2] = [0x8847, 0x8848];

/// Tags, labels and extension headers that are walked; more are counted.
const MAX_TAGS: usize = 2;
const MAX_LABELS: usize = 4;
const MAX_EXTENSIONS: usize = 7;

/// Bytes of a TCP header up to its flags and window; a first fragment with fewer hides what the packet is (RFC 1858 3).
const TELLING_TCP: usize = 16;

const SHORT: Opinion = Opinion::Unparsed(Counter::ShortFrame);
const CUT: Opinion = Opinion::Unsure("a cut network header");
const TUNNEL: Opinion = Opinion::Unsure("a tunnel");

/// A transport with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Transport {
    Tcp = 6,
    Udp = 17,
}

/// A packet with ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) transport: Transport,
    /// Bytes of the IP packet by its header, or of the rest of the frame if the header does not say.
    pub(super) ip_len: usize,
    pub(super) vlan: Option<u16>,
    pub(super) fragment: bool,
    /// `None` if the transport header is cut.
    pub(super) segment: Option<Segment<'a>>,
}

/// The fields of a transport header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) tcp_flags: u8,
    /// Bytes of payload by the lengths in the headers.
    pub(super) payload_len: usize,
    /// The payload as far as it is there, and perhaps padding.
    pub(super) payload: &'a [u8],
}

/// An IP packet up to its transport header.
struct Network<'a> {
    addresses: [IpAddr; 2],
    protocol: IpNumber,
    fragment: bool,
    /// Bytes by its header, which may be false; 0 if the header does not say.
    len: usize,
    header_len: usize,
    transport: &'a [u8],
}

/// Reads a frame up to its ports and what is behind them.
pub(super) fn packet(frame: &[u8], link: Link, tunnels: bool) -> Result<Packet<'_>, Opinion> {
    let (ethertype, rest, vlan) = match link {
        Link::Ethernet => ethernet(frame)?,
        Link::Ip => (by_version(frame)?, frame, None),
    };
    let (ethertype, rest) = if MPLS.contains(&ethertype) { labelled(rest)? } else { (ethertype, rest) };
    let network = match ethertype {
        IPV4 => v4(rest)?,
        IPV6 => v6(rest)?,
        PPPOE_SESSION => return Err(Opinion::Unsure("PPPoE")),
        other if TAGS.contains(&other) => return Err(Opinion::Unparsed(Counter::UnknownLink)),
        _ => return Err(Opinion::Foreign),
    };
    let transport = match network.protocol {
        ip_number::TCP => Transport::Tcp,
        ip_number::UDP => Transport::Udp,
        ip_number::IPV4 | ip_number::IPV6 | ip_number::GRE | ip_number::MPLS_IN_IP if tunnels => {
            return Err(TUNNEL);
        }
        _ => return Err(Opinion::Foreign),
    };
    let [a, b, c, d, ..] = *network.transport else { return Err(Opinion::Unparsed(Counter::ShortFrame)) };
    let ports = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    if tunnels && transport == Transport::Udp && [VXLAN, VXLAN_GPE, GENEVE, MPLS_IN_UDP].contains(&ports[1]) {
        return Err(TUNNEL);
    }
    let ip_len = if network.len == 0 { rest.len() } else { network.len };
    let after_ip = ip_len.saturating_sub(network.header_len);
    Ok(Packet {
        source: SocketAddr::new(network.addresses[0], ports[0]),
        destination: SocketAddr::new(network.addresses[1], ports[1]),
        transport,
        ip_len,
        vlan,
        fragment: network.fragment,
        segment: segment(network.transport, transport, after_ip),
    })
}

/// The EtherType of what is behind the link's headers, what there is of it, and the outer VLAN.
fn ethernet(frame: &[u8]) -> Result<(u16, &[u8], Option<u16>), Opinion> {
    let ethernet = Ethernet2HeaderSlice::from_slice(frame).map_err(|_| SHORT)?;
    let (mut ethertype, mut rest) = (ethernet.ether_type().0, &frame[ethernet.slice().len()..]);
    let mut vlan = None;
    for _ in 0..MAX_TAGS {
        if TAGS.contains(&ethertype) {
            let tag = SingleVlanSlice::from_slice(rest).map_err(|_| SHORT)?;
            vlan = vlan.or(Some(tag.vlan_identifier().value()));
            (ethertype, rest) = (tag.ether_type().0, tag.payload_slice());
        }
    }
    Ok((ethertype, rest, vlan))
}

/// RFC 3032 2.1: the packet behind a stack of labels; bit 0 of a label's third byte says that it is the last.
fn labelled(stack: &[u8]) -> Result<(u16, &[u8]), Opinion> {
    let mut rest = stack;
    for _ in 0..MAX_LABELS {
        let [_, _, third, _, behind @ ..] = rest else { return Err(SHORT) };
        if third & 1 == 1 {
            return Ok((by_version(behind)?, behind));
        }
        rest = behind;
    }
    Err(Opinion::Unparsed(Counter::UnknownLink))
}

/// The EtherType of an IP packet that has only its version to say what it is.
fn by_version(packet: &[u8]) -> Result<u16, Opinion> {
    let [version, _, ..] = packet else { return Err(SHORT) };
    match version >> 4 {
        4 => Ok(IPV4),
        6 => Ok(IPV6),
        _ => Err(Opinion::Unparsed(Counter::UnknownLink)),
    }
}

/// RFC 791.
fn v4(rest: &[u8]) -> Result<Network<'_>, Opinion> {
    let header = match Ipv4HeaderSlice::from_slice(rest) {
        Ok(header) => header,
        Err(ipv4::HeaderSliceError::Len(_)) => return Err(CUT),
        Err(ipv4::HeaderSliceError::Content(_)) => return Err(Opinion::Foreign),
    };
    let (header_len, len) = (header.slice().len(), usize::from(header.total_len()));
    let (offset, protocol) = (header.fragments_offset().value(), header.protocol());
    let has_ports = [ip_number::TCP, ip_number::UDP].contains(&protocol);
    match (offset, protocol) {
        // RFC 1858 3 and 4: too little of TCP, or data that would overwrite its flags.
        (0, ip_number::TCP) if header.more_fragments() && len < header_len + TELLING_TCP => {
            return Err(Opinion::Unparsed(Counter::EvasiveFragment));
        }
        (0, _) => {}
        (1, ip_number::TCP) => return Err(Opinion::Unparsed(Counter::EvasiveFragment)),
        _ if has_ports => return Err(Opinion::Unparsed(Counter::Fragment)),
        _ => return Err(Opinion::Foreign),
    }
    Ok(Network {
        addresses: [header.source_addr().into(), header.destination_addr().into()],
        protocol,
        fragment: header.more_fragments(),
        len,
        header_len,
        transport: &rest[header_len..],
    })
}

/// RFC 8200.
fn v6(rest: &[u8]) -> Result<Network<'_>, Opinion> {
    let header = match Ipv6HeaderSlice::from_slice(rest) {
        Ok(header) => header,
        Err(ipv6::HeaderSliceError::Len(_)) => return Err(CUT),
        Err(ipv6::HeaderSliceError::Content(_)) => return Err(Opinion::Foreign),
    };
    let fixed = header.slice().len();
    let len = match header.payload_length() {
        0 => 0,
        payload => usize::from(payload) + fixed,
    };
    let mut network = Network {
        addresses: [header.source_addr().into(), header.destination_addr().into()],
        protocol: header.next_header(),
        fragment: false,
        len,
        header_len: fixed,
        transport: &rest[fixed..],
    };
    for _ in 0..MAX_EXTENSIONS {
        if !extends(network.protocol) {
            break;
        }
        extension(&mut network, rest)?;
    }
    if extends(network.protocol) {
        return Err(Opinion::Unparsed(Counter::LongExtensionChain));
    }
    Ok(network)
}

/// Skips one extension header.
fn extension<'a>(network: &mut Network<'a>, rest: &'a [u8]) -> Result<(), Opinion> {
    let bytes = &rest[network.header_len..];
    let (next, len) = match network.protocol {
        ip_number::IPV6_FRAG => {
            let header = Ipv6FragmentHeaderSlice::from_slice(bytes).map_err(|_| CUT)?;
            let (next, len) = (header.next_header(), header.slice().len());
            if header.fragment_offset().value() != 0 {
                return Err(Opinion::Unparsed(Counter::Fragment));
            }
            if header.more_fragments() {
                let enough = network.header_len + len + TELLING_TCP;
                if next == ip_number::TCP && network.len < enough {
                    return Err(Opinion::Unparsed(Counter::EvasiveFragment));
                }
                network.fragment = true;
            }
            (next, len)
        }
        ip_number::AUTH => {
            let header = IpAuthHeaderSlice::from_slice(bytes).map_err(|_| CUT)?;
            (header.next_header(), header.slice().len())
        }
        _ => {
            let header = Ipv6RawExtHeaderSlice::from_slice(bytes).map_err(|_| CUT)?;
            (header.next_header(), header.slice().len())
        }
    };
    network.protocol = next;
    network.header_len += len;
    network.transport = &bytes[len..];
    Ok(())
}

/// Extension headers after which there may be ports (RFC 8200 4.1, RFC 6275 6.1, RFC 4302).
fn extends(protocol: IpNumber) -> bool {
    use ip_number::{AUTH, IPV6_DEST_OPTIONS, IPV6_FRAG, IPV6_HOP_BY_HOP, IPV6_ROUTE, MOBILITY};
    matches!(protocol, IPV6_HOP_BY_HOP | IPV6_ROUTE | IPV6_DEST_OPTIONS | IPV6_FRAG | AUTH | MOBILITY)
}

/// Reads the transport header; `after_ip` is the claimed number of bytes after the IP header.
fn segment(bytes: &[u8], transport: Transport, after_ip: usize) -> Option<Segment<'_>> {
    let (tcp_flags, header_len) = match transport {
        // RFC 768: the length limits the payload.
        Transport::Udp if bytes.len() >= 6 => (0, 8),
        Transport::Udp => return None,
        Transport::Tcp => tcp_header(bytes)?,
    };
    Some(Segment {
        tcp_flags,
        payload_len: after_ip.saturating_sub(header_len),
        payload: bytes.get(header_len..).unwrap_or_default(),
    })
}

/// The flags of a TCP header and its length.
fn tcp_header(bytes: &[u8]) -> Option<(u8, usize)> {
    match TcpHeaderSlice::from_slice(bytes) {
        Ok(header) => {
            let flags = [
                header.fin(),
                header.syn(),
                header.rst(),
                header.psh(),
                header.ack(),
                header.urg(),
                header.ece(),
                header.cwr(),
            ];
            let flags = flags.iter().rev().fold(0, |byte, is_set| byte << 1 | u8::from(*is_set));
            Some((flags, header.slice().len()))
        }
        // A header shorter than the minimum counts as the minimum.
        Err(tcp::HeaderSliceError::Content(_)) => Some((*bytes.get(13)?, 20)),
        // It is cut: the available part counts.
        Err(tcp::HeaderSliceError::Len(_)) => {
            Some((*bytes.get(13)?, (usize::from(bytes[12] >> 4) * 4).max(20)))
        }
    }
}
