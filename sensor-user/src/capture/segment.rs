//! TCP segments and UDP datagrams in frames of the usual link types.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::data::{PacketData, get_packetdata};

use super::file::Frame;

/// The payload of one packet, with its ends.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// TCP fields; `None` for UDP.
    pub tcp: Option<TcpFields>,
    /// The captured payload.
    pub payload: &'a [u8],
    /// Bytes of the payload that were not captured.
    pub missing: u32,
}

/// The needed fields of a TCP header.
#[derive(Clone, Copy, Debug)]
pub struct TcpFields {
    /// Sequence number of the segment.
    pub sequence: u32,
    /// SYN.
    pub syn: bool,
    /// ACK.
    pub ack: bool,
}

/// Finds the segment in a frame: Ethernet with VLAN tags, raw IP, BSD loopback, Linux cooked (1 and 2). `None` for
/// other protocols than TCP and UDP, and for fragments.
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
    // Segmentation offload leaves a length of zero; then the payload reaches to the end.
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

#[cfg(test)]
mod tests {
    use pcap_parser::Linktype;

    use super::*;

    /// IPv4 and TCP, 445 to 50000, payload `hi` of four bytes of which two were captured.
    const IP: [u8; 42] = [
        0x45, 0, 0, 44, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
        0x01, 0xBD, 0xC3, 0x50, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 0x18, 0, 0, 0, 0, 0, 0, // TCP
        b'h', b'i',
    ];

    fn of(link: Linktype, head: &[u8]) {
        let bytes = [head, &IP].concat();
        let frame = Frame { link, bytes: &bytes, nanoseconds: 0 };
        let segment = segment(&frame).unwrap_or_else(|| panic!("{link:?}"));
        assert_eq!(segment.source, "10.0.0.1:445".parse().unwrap());
        assert_eq!(segment.destination, "10.0.0.2:50000".parse().unwrap());
        assert_eq!((segment.payload, segment.missing), (b"hi".as_slice(), 2), "{link:?}");
        assert_eq!(segment.tcp.unwrap().sequence, 7);
        for length in 0..bytes.len() - 2 {
            let cut = Frame { bytes: &bytes[..length], ..frame };
            assert!(
                super::segment(&cut).is_none_or(|segment| segment.payload.is_empty()),
                "{link:?} {length}"
            );
        }
    }

    #[test]
    fn every_link_type_gives_the_same_segment() {
        of(Linktype::ETHERNET, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x08, 0]);
        of(Linktype::ETHERNET, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0, 7, 0x08, 0]);
        of(Linktype::RAW, &[]);
        of(Linktype::IPV4, &[]);
        of(Linktype::NULL, &[2, 0, 0, 0]);
        of(Linktype::LINUX_SLL, &[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x08, 0]);
        of(Linktype::LINUX_SLL2, &[0x08, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0]);
    }

    #[test]
    fn fragment_is_no_segment() {
        let mut bytes = IP;
        bytes[6] = 0x20;
        assert!(segment(&Frame { link: Linktype::RAW, bytes: &bytes, nanoseconds: 0 }).is_none());
    }
}
