//! Ethernet frames, byte for byte, including frames that no honest sender makes.
//!
//! A frame begins as an ordinary TCP or UDP packet between two ends and is then modified: tagged, fragmented, lengthened by
//! options and extension headers, or given a false length. Checksums stay zero: no hook reads them.

mod bytes;

use std::net::SocketAddr;

use sensor_common::slot::{TCP, UDP, tcp};

/// IEEE 802.1Q customer tag.
pub const VLAN: u16 = 0x8100;
/// IEEE 802.1ad service tag.
pub const QINQ: u16 = 0x88A8;
/// The service tag of switches older than IEEE 802.1ad.
pub const QINQ_OLD: u16 = 0x9100;

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
    /// A packet of any IP protocol. TCP and UDP get their header; others begin with the two ports, followed by
    /// the payload.
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

    /// The bytes after the transport header.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload = bytes.to_vec();
        self
    }

    /// The bytes after the IP header instead of a transport header: the packet inside a tunnel.
    #[must_use]
    pub fn body(mut self, bytes: &[u8]) -> Self {
        self.body = Some(bytes.to_vec());
        self
    }

    /// One more VLAN tag, inside the existing ones.
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

    /// A false IPv4 header length, in words.
    #[must_use]
    pub const fn header_words(mut self, words: u8) -> Self {
        self.header_words = Some(words);
        self
    }

    /// A false length in the IP header: the total length of IPv4, the payload length of IPv6.
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

    /// A false TCP data offset, in words.
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
}

#[cfg(test)]
mod tests;
