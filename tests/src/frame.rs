//! Ethernet frames, byte for byte, also such as no honest sender makes.
//!
//! A frame begins as an ordinary TCP or UDP packet between two ends and is then bent: tagged, fragmented, lengthened by
//! options and extension headers, or made to lie about a length. Checksums stay zero: no hook looks at them.

use std::net::{IpAddr, SocketAddr};

use sensor_common::slot::{TCP, UDP, tcp};

/// IEEE 802.1Q customer tag.
pub const VLAN: u16 = 0x8100;
/// IEEE 802.1ad service tag.
pub const QINQ: u16 = 0x88A8;
/// The service tag of switches older than IEEE 802.1ad.
pub const QINQ_OLD: u16 = 0x9100;

/// EtherType of a PPPoE session (RFC 2516).
const PPPOE_SESSION: u16 = 0x8864;

/// IPv6 extension headers (IANA protocol numbers).
pub mod extension {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing.
    pub const ROUTING: u8 = 43;
    /// Fragment.
    pub const FRAGMENT: u8 = 44;
    /// Encapsulating security payload: what follows cannot be read.
    pub const ENCRYPTED: u8 = 50;
    /// Authentication header.
    pub const AUTHENTICATION: u8 = 51;
    /// No next header.
    pub const NONE: u8 = 59;
    /// Destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// Mobility.
    pub const MOBILITY: u8 = 135;
}

/// Largest IPv4 fragment offset, in units of eight bytes.
const FRAGMENT_OFFSET: u16 = 0x1FFF;

/// A frame under construction.
#[derive(Clone, Debug)]
pub struct Frame {
    tags: Vec<(u16, u16)>,
    ethertype: Option<u16>,
    ppp: Option<u16>,
    source: SocketAddr,
    destination: SocketAddr,
    version: Option<u8>,
    header_words: Option<u8>,
    option_words: u8,
    length: Option<u16>,
    fragment: u16,
    extensions: Vec<(u8, Vec<u8>)>,
    protocol: u8,
    tcp_flags: u8,
    sequence: u32,
    data_offset: Option<u8>,
    payload: Vec<u8>,
    body: Option<Vec<u8>>,
    padding: usize,
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|error| panic!("{text} is no address with a port: {error}"))
}

impl Frame {
    /// A packet of any IP protocol. TCP and UDP get their header; the rest begins with the two ports and carries on
    /// with the payload.
    ///
    /// # Panics
    /// When an end is no `address:port`.
    #[must_use]
    pub fn of(protocol: u8, source: &str, destination: &str) -> Self {
        Self::between(protocol, socket(source), socket(destination))
    }

    /// The same between two ends of one address family.
    #[must_use]
    pub const fn between(protocol: u8, source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            tags: vec![],
            ethertype: None,
            ppp: None,
            source,
            destination,
            version: None,
            header_words: None,
            option_words: 0,
            length: None,
            fragment: 0,
            extensions: vec![],
            protocol,
            tcp_flags: tcp::SYN,
            sequence: 1,
            data_offset: None,
            payload: vec![],
            body: None,
            padding: 0,
        }
    }

    /// A TCP SYN.
    #[must_use]
    pub fn tcp(source: &str, destination: &str) -> Self {
        Self::of(TCP, source, destination)
    }

    /// An empty UDP datagram.
    #[must_use]
    pub fn udp(source: &str, destination: &str) -> Self {
        Self::of(UDP, source, destination)
    }

    /// TCP flags instead of SYN.
    #[must_use]
    pub const fn flags(mut self, flags: u8) -> Self {
        self.tcp_flags = flags;
        self
    }

    /// A TCP sequence number instead of 1.
    #[must_use]
    pub const fn sequence(mut self, number: u32) -> Self {
        self.sequence = number;
        self
    }

    /// What stands behind the transport header.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload = bytes.to_vec();
        self
    }

    /// What stands behind the IP header instead of a transport header: the packet inside a tunnel.
    #[must_use]
    pub fn body(mut self, bytes: &[u8]) -> Self {
        self.body = Some(bytes.to_vec());
        self
    }

    /// One more VLAN tag, inside those there are.
    #[must_use]
    pub fn tag(mut self, ethertype: u16, vlan: u16) -> Self {
        self.tags.push((ethertype, vlan));
        self
    }

    /// Another innermost EtherType than that of the addresses.
    #[must_use]
    pub const fn ethertype(mut self, ethertype: u16) -> Self {
        self.ethertype = Some(ethertype);
        self
    }

    /// Puts the packet into a PPPoE session, behind the tags, as this PPP protocol.
    #[must_use]
    pub const fn pppoe(mut self, protocol: u16) -> Self {
        self.ppp = Some(protocol);
        self
    }

    /// Another IP version than that of the addresses.
    #[must_use]
    pub const fn version(mut self, version: u8) -> Self {
        self.version = Some(version);
        self
    }

    /// IPv4 options, in words of four bytes.
    #[must_use]
    pub const fn option_words(mut self, words: u8) -> Self {
        self.option_words = words;
        self
    }

    /// An IPv4 header length that is not true, in words.
    #[must_use]
    pub const fn header_words(mut self, words: u8) -> Self {
        self.header_words = Some(words);
        self
    }

    /// A length in the IP header that is not true: the total length of IPv4, the payload length of IPv6.
    #[must_use]
    pub const fn length(mut self, length: u16) -> Self {
        self.length = Some(length);
        self
    }

    /// Makes it a fragment at `offset` (in eight bytes), the last one unless `more` follow.
    #[must_use]
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        if self.source.is_ipv4() {
            self.fragment = (offset & FRAGMENT_OFFSET) | if more { 0x2000 } else { 0 };
            return self;
        }
        let [high, low] = ((offset << 3) | u16::from(more)).to_be_bytes();
        self.extensions.push((extension::FRAGMENT, vec![0, 0, high, low, 0, 0, 0, 1]));
        self
    }

    /// Sets the "don't fragment" bit of IPv4.
    #[must_use]
    pub const fn dont_fragment(mut self) -> Self {
        self.fragment |= 0x4000;
        self
    }

    /// One more IPv6 extension header of `8 * (1 + units)` bytes; the authentication header counts
    /// `4 * (2 + units)`.
    #[must_use]
    pub fn extension(mut self, kind: u8, units: u8) -> Self {
        let len = if kind == extension::AUTHENTICATION {
            4 * (2 + usize::from(units))
        } else {
            8 * (1 + usize::from(units))
        };
        let mut header = vec![0; len];
        header[1] = units;
        self.extensions.push((kind, header));
        self
    }

    /// A TCP data offset that is not true, in words.
    #[must_use]
    pub const fn data_offset(mut self, words: u8) -> Self {
        self.data_offset = Some(words);
        self
    }

    /// Bytes behind the IP packet, as Ethernet pads short frames.
    #[must_use]
    pub const fn padding(mut self, bytes: usize) -> Self {
        self.padding = bytes;
        self
    }

    /// The bytes, from the destination MAC address on.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        for (ethertype, vlan) in &self.tags {
            frame.extend(ethertype.to_be_bytes());
            frame.extend(vlan.to_be_bytes());
        }
        let own = if self.source.is_ipv4() { 0x0800 } else { 0x86DD };
        let packet = self.packet();
        if let Some(protocol) = self.ppp {
            frame.extend(self.ethertype.unwrap_or(PPPOE_SESSION).to_be_bytes());
            // RFC 2516 4: version and type 1, code 0, a session, the length of what follows.
            frame.extend([0x11, 0, 0, 9]);
            frame.extend(((2 + packet.len()) as u16).to_be_bytes());
            frame.extend(protocol.to_be_bytes());
        } else {
            frame.extend(self.ethertype.unwrap_or(own).to_be_bytes());
        }
        frame.extend(packet);
        frame.resize(frame.len() + self.padding, 0xAA);
        frame
    }

    /// The bytes from the IP header on, without padding: what a tunnel carries.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let transport = self.transport();
        let mut packet = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.ipv4(&source.octets(), &destination.octets(), transport.len())
            }
            (source, destination) => self.ipv6(&wide(source), &wide(destination), transport.len()),
        };
        packet.extend(transport);
        packet
    }

    /// Offset of the transport header in the built frame.
    #[must_use]
    pub fn transport_at(&self) -> usize {
        self.build().len() - self.padding - self.transport().len()
    }

    /// RFC 791 3.1.
    fn ipv4(&self, source: &[u8; 4], destination: &[u8; 4], transport_len: usize) -> Vec<u8> {
        let header_len = 20 + 4 * usize::from(self.option_words);
        let words = self.header_words.unwrap_or(5 + self.option_words);
        let length = self.length.unwrap_or((header_len + transport_len) as u16);
        let mut header = vec![self.version.unwrap_or(4) << 4 | words, 0];
        header.extend(length.to_be_bytes());
        header.extend([0, 1]);
        header.extend(self.fragment.to_be_bytes());
        header.extend([64, self.protocol, 0, 0]);
        header.extend(source);
        header.extend(destination);
        // No-operation options.
        header.resize(header_len, 1);
        header
    }

    /// RFC 8200 3 and 4.
    fn ipv6(&self, source: &[u8; 16], destination: &[u8; 16], transport_len: usize) -> Vec<u8> {
        let behind: usize = self.extensions.iter().map(|(_, header)| header.len()).sum();
        let first = self.extensions.first().map_or(self.protocol, |(kind, _)| *kind);
        let mut header = vec![self.version.unwrap_or(6) << 4, 0, 0, 0];
        header.extend(self.length.unwrap_or((behind + transport_len) as u16).to_be_bytes());
        header.extend([first, 64]);
        header.extend(source);
        header.extend(destination);
        let following = self.extensions.iter().skip(1).map(|(kind, _)| *kind).chain([self.protocol]);
        for ((_, extension), next) in self.extensions.iter().zip(following) {
            let at = header.len();
            header.extend(extension);
            header[at] = next;
        }
        header
    }

    fn transport(&self) -> Vec<u8> {
        if let Some(body) = &self.body {
            return body.clone();
        }
        let mut header = Vec::new();
        header.extend(self.source.port().to_be_bytes());
        header.extend(self.destination.port().to_be_bytes());
        if self.protocol == TCP {
            header.extend(self.sequence.to_be_bytes());
            header.extend([0, 0, 0, 2, self.data_offset.unwrap_or(5) << 4, self.tcp_flags]);
            header.extend([0x20, 0, 0, 0, 0, 0]);
        } else if self.protocol == UDP {
            header.extend(((8 + self.payload.len()) as u16).to_be_bytes());
            header.extend([0, 0]);
        }
        header.extend(&self.payload);
        header
    }
}

fn wide(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_syn_is_what_the_rfcs_draw() {
        let frame = Frame::tcp("10.0.0.2:50000", "8.8.4.4:445").build();
        let expected = [
            &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0][..],
            &[0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 8, 8, 4, 4],
            &[0xC3, 0x50, 1, 0xBD, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 2, 0x20, 0, 0, 0, 0, 0],
        ];
        assert_eq!(frame, expected.concat());
    }

    #[test]
    fn each_extension_header_names_the_next() {
        let frame = Frame::udp("[fd00::2]:137", "[2001:4860::1]:137")
            .extension(extension::HOP_BY_HOP, 1)
            .extension(extension::AUTHENTICATION, 4)
            .payload(&[7; 3]);
        let bytes = frame.build();
        assert_eq!(&bytes[18..22], [0, 16 + 24 + 8 + 3, 0, 64], "length, first header, hop limit");
        assert_eq!(&bytes[54..56], [51, 1]);
        assert_eq!(&bytes[70..72], [17, 4]);
        assert_eq!(frame.transport_at(), 94);
        assert_eq!(&bytes[94..], [0, 137, 0, 137, 0, 11, 0, 0, 7, 7, 7]);
    }

    #[test]
    fn a_pppoe_session_stands_between_the_tags_and_the_packet() {
        let frame = Frame::tcp("10.0.0.2:1", "8.8.4.4:445").tag(VLAN, 6).pppoe(0x21);
        let bytes = frame.build();
        assert_eq!(&bytes[12..26], [0x81, 0, 0, 6, 0x88, 0x64, 0x11, 0, 0, 9, 0, 42, 0, 0x21]);
        assert_eq!(bytes[26..], frame.packet());
    }

    #[test]
    fn a_body_takes_the_place_of_the_transport_header() {
        let inner = Frame::tcp("10.0.0.2:1", "8.8.4.4:445").packet();
        let outer = Frame::of(4, "1.1.1.1:0", "9.9.9.9:0").body(&inner).packet();
        assert_eq!(outer[..4], [0x45, 0, 0, 60]);
        assert_eq!(outer[20..], inner);
    }

    #[test]
    fn tags_stand_outermost_first_and_padding_last() {
        let bytes = Frame::tcp("10.0.0.2:1", "8.8.4.4:445").tag(QINQ, 5).tag(VLAN, 6).padding(2).build();
        assert_eq!(&bytes[12..22], [0x88, 0xA8, 0, 5, 0x81, 0, 0, 6, 8, 0]);
        assert_eq!(bytes[bytes.len() - 3..], [0, 0xAA, 0xAA]);
    }
}
