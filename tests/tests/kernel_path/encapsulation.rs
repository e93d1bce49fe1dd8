//! Packets inside packets, byte for byte.

use sensor_tests::Frame;

/// IP protocol numbers (IANA).
pub(crate) const IPIP: u8 = 4;
pub(crate) const IPV6_IN_IP: u8 = 41;
pub(crate) const GRE: u8 = 47;

/// EtherTypes as GRE and GENEVE name what they carry.
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86DD;
pub(crate) const ETHERNET: u16 = 0x6558;

/// Flag bits of GRE (RFC 2784 2.1, RFC 2890 2): each brings four bytes.
pub(crate) const CHECKSUM: u16 = 0x8000;
pub(crate) const KEY: u16 = 0x2000;
pub(crate) const SEQUENCE: u16 = 0x1000;

/// The ends of a tunnel, both on the Internet: by these alone a packet is in transit.
pub(crate) const ENDS: (&str, &str) = ("1.1.1.1:40000", "9.9.9.9:0");
pub(crate) const ENDS_V6: (&str, &str) = ("[2620:fe::1]:40000", "[2620:fe::fe]:0");

/// An IP packet between `ends` that carries `inner` as `protocol`.
pub(crate) fn ip(ends: (&str, &str), protocol: u8, inner: &[u8]) -> Frame {
    Frame::of(protocol, ends.0, ends.1).body(inner)
}

/// A datagram between `ends` to a port.
pub(crate) fn datagram(ends: (&str, &str), port: u16, inner: &[u8]) -> Frame {
    let destination = ends.1.strip_suffix(":0").unwrap();
    Frame::udp(ends.0, &format!("{destination}:{port}")).payload(inner)
}

/// A GRE header with these flags, whose optional fields look like a header of IP, and what it carries.
pub(crate) fn gre(flags: u16, protocol: u16, inner: &[u8]) -> Vec<u8> {
    let optional = [CHECKSUM, KEY, SEQUENCE].iter().filter(|flag| flags & **flag != 0).count();
    let mut bytes = [flags.to_be_bytes(), protocol.to_be_bytes()].concat();
    bytes.resize(4 + 4 * optional, 0x45);
    bytes.extend(inner);
    bytes
}

/// RFC 7348 5: flags, network identifier, an Ethernet frame.
pub(crate) fn vxlan(frame: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 1, 2, 0], frame].concat()
}

/// RFC 8926 3.1, with this version and `units` of four bytes of options.
pub(crate) fn geneve(version: u8, units: u8, protocol: u16, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![version << 6 | units, 0];
    bytes.extend(protocol.to_be_bytes());
    bytes.extend([0, 1, 2, 0]);
    bytes.resize(8 + 4 * usize::from(units), 0x45);
    bytes.extend(inner);
    bytes
}
