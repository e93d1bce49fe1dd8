//! The bytes of a frame: its headers, one around the other.

use std::net::IpAddr;

use sensor_common::slot::{TCP, UDP};

use super::Frame;

/// EtherType of a PPPoE session (RFC 2516).
const PPPOE_SESSION: u16 = 0x8864;

impl Frame {
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

    /// The bytes from the IP header on, without padding: the content of a tunnel.
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
