//! Packets inside packets, byte for byte.

use crate::Frame;

/// IPv4 in IP, as a protocol number (IANA).
pub const IPIP: u8 = 4;
/// IPv6 in IP.
pub const IPV6_IN_IP: u8 = 41;
/// Generic Routing Encapsulation.
pub const GRE: u8 = 47;

/// MPLS in IP (RFC 4023).
pub const MPLS_IN_IP: u8 = 137;

/// EtherType of MPLS (RFC 3032 4).
pub const MPLS: u16 = 0x8847;
/// GRE protocol of ERSPAN types I and II (draft-foschiano-erspan).
pub const ERSPAN: u16 = 0x88BE;
/// Of type III.
pub const ERSPAN_III: u16 = 0x22EB;

/// EtherType of IPv4, as GRE and GENEVE name what they carry.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86DD;
/// EtherType of Ethernet inside another packet.
pub const ETHERNET: u16 = 0x6558;

/// Flag bit of GRE (RFC 2784 2.1, RFC 2890 2) for a checksum; each such bit brings four bytes.
pub const CHECKSUM: u16 = 0x8000;
/// For a key.
pub const KEY: u16 = 0x2000;
/// For a sequence number.
pub const SEQUENCE: u16 = 0x1000;

/// Port of VXLAN (RFC 7348).
pub const VXLAN: u16 = 4789;
/// Port of VXLAN's Generic Protocol Extension (draft-ietf-nvo3-vxlan-gpe).
pub const VXLAN_GPE: u16 = 4790;
/// Port of GENEVE (RFC 8926).
pub const GENEVE: u16 = 6081;
/// Port of MPLS in UDP (RFC 7510).
pub const MPLS_IN_UDP: u16 = 6635;

/// The ends of a tunnel, both on the Internet: without its content, such a packet is in transit.
pub const ENDS: (&str, &str) = ("1.1.1.1:40000", "9.9.9.9:0");
/// The same over IPv6.
pub const ENDS_V6: (&str, &str) = ("[2620:fe::1]:40000", "[2620:fe::fe]:0");

/// An IP packet between `ends` that carries `inner` as `protocol`.
#[must_use]
pub fn ip(ends: (&str, &str), protocol: u8, inner: &[u8]) -> Frame {
    Frame::of(protocol, ends.0, ends.1).body(inner)
}

/// A datagram between `ends` to a port.
#[must_use]
pub fn datagram(ends: (&str, &str), port: u16, inner: &[u8]) -> Frame {
    let destination = ends.1.trim_end_matches(":0");
    Frame::udp(ends.0, &format!("{destination}:{port}")).payload(inner)
}

/// A GRE header with these flags, whose optional fields look like an IP header, and its content.
#[must_use]
pub fn gre(flags: u16, protocol: u16, inner: &[u8]) -> Vec<u8> {
    let optional = [CHECKSUM, KEY, SEQUENCE].iter().filter(|flag| flags & **flag != 0).count();
    let mut bytes = [flags.to_be_bytes(), protocol.to_be_bytes()].concat();
    bytes.resize(4 + 4 * optional, 0x45);
    bytes.extend(inner);
    bytes
}

/// RFC 7348 5: flags, network identifier, an Ethernet frame.
#[must_use]
pub fn vxlan(frame: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 1, 2, 0], frame].concat()
}

/// The same with the bit that says what follows: 1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH, 5 MPLS.
#[must_use]
pub fn vxlan_gpe(next: u8, inner: &[u8]) -> Vec<u8> {
    [&[0x0C, 0, 0, next, 0, 1, 2, 0], inner].concat()
}

/// ERSPAN type II: version 1, VLAN 7, session 1, and an Ethernet frame.
#[must_use]
pub fn erspan_ii(frame: &[u8]) -> Vec<u8> {
    [&[0x10, 7, 0, 1, 0, 0, 0, 0], frame].concat()
}

/// ERSPAN type III: version 2, and this kind of frame (0 Ethernet, 2 IP), with a platform's own eight bytes or without.
#[must_use]
pub fn erspan_iii(kind: u8, with_platform: bool, frame: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x20, 7, 0, 1, 0, 0, 0, 9, 0x45, 0x45, kind << 2, u8::from(with_platform)];
    bytes.resize(12 + if with_platform { 8 } else { 0 }, 0x45);
    bytes.extend(frame);
    bytes
}

/// A stack of so many MPLS labels, the last one marked as that.
#[must_use]
pub fn labels(many: u8, inner: &[u8]) -> Vec<u8> {
    let label = |number: u8| [0, 1, number << 4 | u8::from(number + 1 == many), 64];
    [(0..many).flat_map(label).collect(), inner.to_vec()].concat()
}

/// RFC 8926 3.1, with this version and `units` of four bytes of options.
#[must_use]
pub fn geneve(version: u8, units: u8, protocol: u16, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![version << 6 | units, 0];
    bytes.extend(protocol.to_be_bytes());
    bytes.extend([0, 1, 2, 0]);
    bytes.resize(8 + 4 * usize::from(units), 0x45);
    bytes.extend(inner);
    bytes
}
