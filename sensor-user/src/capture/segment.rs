//! TCP segments and UDP datagrams in frames of the usual link types.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::data::{PacketData, get_packetdata};

use super::file::Frame;

/// Payload of one packet, and between whom.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Who it is for.
    pub destination: SocketAddr,
    /// TCP's own, or `None` for UDP.
    pub tcp: Option<TcpFields>,
    /// What there is of the payload.
    pub payload: &'a [u8],
    /// Bytes of the payload that were not captured.
    pub missing: u32,
}

/// What matters of a TCP header.
#[derive(Clone, Copy, Debug)]
pub struct TcpFields {
    /// Sequence number of the segment.
    pub sequence: u32,
    /// SYN.
    pub syn: bool,
    /// ACK.
    pub ack: bool,
}

/// Finds the segment in a frame: Ethernet with VLAN tags, raw IP, BSD loopback, Linux cooked (1 and 2). `None` for what is
/// neither TCP nor UDP, and for fragments.
#[must_use]
pub fn segment<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    let packet = match get_packetdata(frame.bytes, frame.link, frame.bytes.len())? {
        PacketData::L2(bytes) => LaxSlicedPacket::from_ethernet(bytes).ok()?,
        PacketData::L3(ether_type, bytes) => LaxSlicedPacket::from_ether_type(EtherType(ether_type), bytes),
        PacketData::L4(..) | PacketData::Unsupported(_) => return None,
    };
    let (source, destination, length, present) = match packet.net? {
        LaxNetSlice::Ipv4(ip) if !ip.is_payload_fragmented() => {
            let header = ip.header();
            let length = usize::from(header.total_len()).saturating_sub(header.slice().len());
            (
                IpAddr::from(header.source_addr()),
                IpAddr::from(header.destination_addr()),
                length,
                ip.payload().payload.len(),
            )
        }
        LaxNetSlice::Ipv6(ip) if !ip.is_payload_fragmented() => {
            let header = ip.header();
            let extensions = ip.extensions().slice().len();
            let length = usize::from(header.payload_length()).saturating_sub(extensions);
            (
                IpAddr::from(header.source_addr()),
                IpAddr::from(header.destination_addr()),
                length,
                ip.payload().payload.len(),
            )
        }
        _ => return None,
    };
    // A length of zero is what segmentation offload leaves; then what is there is all.
    let missing = u32::try_from(length.saturating_sub(present)).ok()?;
    let (source_port, destination_port, tcp, payload) = match packet.transport? {
        TransportSlice::Tcp(tcp) => {
            let fields = TcpFields { sequence: tcp.sequence_number(), syn: tcp.syn(), ack: tcp.ack() };
            (tcp.source_port(), tcp.destination_port(), Some(fields), tcp.payload())
        }
        TransportSlice::Udp(udp) => (udp.source_port(), udp.destination_port(), None, udp.payload()),
        _ => return None,
    };
    Some(Segment {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
        tcp,
        payload,
        missing,
    })
}
