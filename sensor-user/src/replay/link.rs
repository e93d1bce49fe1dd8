//! Converts frames of other link types to Ethernet, which the packet path reads.

use pcap_parser::Linktype;

use crate::capture::Frame;

/// Bytes of an Ethernet header.
pub const ETHERNET_LEN: usize = 14;

const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xDD];
const MPLS: [u8; 2] = [0x88, 0x47];
/// PPP in Ethernet (RFC 7042), for what is neither: the packet path knows that it is none of ours.
const OTHER_PPP: [u8; 2] = [0x88, 0x0B];

/// PPP; in HDLC-like framing, or Cisco's HDLC; Cisco's HDLC alone; PPPoE without its Ethernet header.
const PPP: Linktype = Linktype(9);
const PPP_HDLC: Linktype = Linktype(50);
const PPPOE: Linktype = Linktype(51);
const CISCO_HDLC: Linktype = Linktype(104);

/// Link types that can be read, as a person calls them.
pub const READ: &str = "Ethernet, raw IP, loopback, Linux cooked, PPP, PPPoE and Cisco HDLC";

/// The frame as an Ethernet frame, written into `buffer`: unchanged, or with an Ethernet header instead of its own. `None`
/// if its link type is unknown or it is too short.
#[must_use]
pub fn ethernet<'a>(frame: &Frame<'_>, buffer: &'a mut Vec<u8>) -> Option<&'a mut [u8]> {
    let bytes = frame.bytes;
    buffer.clear();
    match frame.link {
        Linktype::ETHERNET => {
            buffer.extend_from_slice(bytes.get(ETHERNET_LEN..).and(Some(bytes))?);
            return Some(buffer);
        }
        // The numbers that some systems use for raw IP, beside the assigned one.
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => {
            put(buffer, by_version(bytes)?, bytes);
        }
        // A word with the address family; every system has its own number for IPv6.
        Linktype::NULL | Linktype::LOOP => {
            let packet = bytes.get(4..)?;
            put(buffer, by_version(packet)?, packet);
        }
        Linktype::LINUX_SLL => put(buffer, pair(bytes, 14)?, &bytes[16..]),
        Linktype::LINUX_SLL2 => put(buffer, pair(bytes, 0)?, bytes.get(20..)?),
        PPP => {
            let (ether_type, packet) = ppp(bytes)?;
            put(buffer, ether_type, packet);
        }
        PPP_HDLC | CISCO_HDLC => {
            // RFC 1547 4.3.1: 0x0F to one station, 0x8F to all, then a byte that is 0 and an EtherType.
            let (ether_type, packet) = match *bytes.first()? {
                0x0F | 0x8F => (pair(bytes, 2)?, &bytes[4..]),
                _ => ppp(bytes)?,
            };
            put(buffer, ether_type, packet);
        }
        PPPOE => {
            // RFC 2516 4: version, type, code, session and length are six bytes. Code 0 is a session.
            let (ether_type, packet) = match *bytes.get(1)? {
                0 => ppp(bytes.get(6..)?)?,
                _ => (OTHER_PPP, bytes),
            };
            put(buffer, ether_type, packet);
        }
        _ => return None,
    }
    Some(buffer)
}

/// Whether frames of this link type can be read.
#[must_use]
pub fn is_known(link: Linktype) -> bool {
    matches!(
        link,
        Linktype::ETHERNET
            | Linktype::RAW
            | Linktype::IPV4
            | Linktype::IPV6
            | Linktype(12 | 14)
            | Linktype::NULL
            | Linktype::LOOP
            | Linktype::LINUX_SLL
            | Linktype::LINUX_SLL2
            | PPP
            | PPP_HDLC
            | PPPOE
            | CISCO_HDLC
    )
}

/// What a PPP frame carries: its EtherType, and the packet. Address and control may be left out (RFC 1662 3.1), and the
/// first byte of the protocol if it is 0 (RFC 1661 6.5).
fn ppp(frame: &[u8]) -> Option<([u8; 2], &[u8])> {
    let frame = frame.strip_prefix(&[0xFF, 0x03]).unwrap_or(frame);
    let (protocol, packet) = match frame {
        [low, packet @ ..] if low & 1 == 1 => (u16::from(*low), packet),
        [high, low, packet @ ..] => (u16::from_be_bytes([*high, *low]), packet),
        _ => return None,
    };
    let ether_type = match protocol {
        0x0021 => IPV4,
        0x0057 => IPV6,
        0x0281 | 0x0283 => MPLS,
        _ => OTHER_PPP,
    };
    Some((ether_type, packet))
}

fn put(buffer: &mut Vec<u8>, ether_type: [u8; 2], packet: &[u8]) {
    buffer.extend_from_slice(&[0; 12]);
    buffer.extend_from_slice(&ether_type);
    buffer.extend_from_slice(packet);
}

/// The EtherType of an IP packet, by its version.
fn by_version(packet: &[u8]) -> Option<[u8; 2]> {
    match packet.first()? >> 4 {
        4 => Some(IPV4),
        6 => Some(IPV6),
        _ => None,
    }
}

fn pair(bytes: &[u8], at: usize) -> Option<[u8; 2]> {
    bytes.get(at..at + 2)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: [u8; 20] = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

    fn read(link: Linktype, head: &[u8]) -> Option<Vec<u8>> {
        let bytes = [head, &IP].concat();
        let mut buffer = vec![];
        for cut in 0..bytes.len() {
            // A cut frame is never read beyond its end.
            let _ = ethernet(&Frame { link, bytes: &bytes[..cut], nanoseconds: 0 }, &mut buffer);
        }
        ethernet(&Frame { link, bytes: &bytes, nanoseconds: 0 }, &mut buffer).map(|frame| frame.to_vec())
    }

    #[test]
    fn every_known_link_type_gives_the_same_packet() {
        let plain = [[0; 12].as_slice(), &IPV4, &IP].concat();
        let sll = [0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x08, 0];
        let sll2 = [0x08, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0];
        let heads: [(Linktype, &[u8]); 18] = [
            (Linktype::ETHERNET, &plain[..14]),
            (Linktype::RAW, &[]),
            (Linktype::IPV4, &[]),
            (Linktype(12), &[]),
            (Linktype(14), &[]),
            (Linktype::NULL, &[2, 0, 0, 0]),
            (Linktype::LOOP, &[0, 0, 0, 2]),
            (Linktype::LINUX_SLL, &sll),
            (Linktype::LINUX_SLL2, &sll2),
            (PPP, &[0, 0x21]),
            (PPP, &[0x21]),
            (PPP, &[0xFF, 3, 0, 0x21]),
            (PPP_HDLC, &[0xFF, 3, 0, 0x21]),
            (PPP_HDLC, &[0xFF, 3, 0x21]),
            (PPP_HDLC, &[0x0F, 0, 8, 0]),
            (CISCO_HDLC, &[0x8F, 0, 8, 0]),
            (PPPOE, &[0x11, 0, 0, 9, 0, 22, 0, 0x21]),
            (PPPOE, &[0x11, 0, 0, 9, 0, 21, 0x21]),
        ];
        for (link, head) in heads {
            assert!(is_known(link));
            assert_eq!(read(link, head), Some(plain.clone()), "{link:?}");
        }
    }

    #[test]
    fn control_frames_of_ppp_are_read_as_none_of_ours() {
        // RFC 7042 B: PPP.
        let link_control = [[0; 12].as_slice(), &[0x88, 0x0B], &IP].concat();
        assert_eq!(read(PPP, &[0xFF, 3, 0xC0, 0x21]), Some(link_control));
        let discovery = read(PPPOE, &[0x11, 9, 0, 0, 0, 20]).unwrap();
        assert_eq!(discovery[12..14], [0x88, 0x0B]);
        let labelled = read(PPP, &[0x02, 0x81, 0, 1, 0x21, 64]).unwrap();
        assert_eq!(labelled[12..18], [0x88, 0x47, 0, 1, 0x21, 64]);
    }

    #[test]
    fn skips_unknown_link_types_and_non_ip() {
        assert_eq!(read(Linktype(105), &[]), None);
        assert!(!is_known(Linktype(105)));
        let mut buffer = vec![];
        assert!(
            ethernet(&Frame { link: Linktype::RAW, bytes: &[0x12; 40], nanoseconds: 0 }, &mut buffer)
                .is_none()
        );
        assert!(
            ethernet(&Frame { link: Linktype::ETHERNET, bytes: &[0; 13], nanoseconds: 0 }, &mut buffer)
                .is_none()
        );
    }
}
