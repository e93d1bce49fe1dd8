//! Ethernet frames with TCP in IPv4 or IPv6, and with UDP in IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// FIN, SYN, RST, PSH and ACK as in the TCP header (RFC 9293 3.1).
pub(crate) mod flag {
    /// Synchronise sequence numbers.
    pub(crate) const SYN: u8 = 2;
    /// Acknowledgment is significant.
    pub(crate) const ACK: u8 = 16;
}

/// Bytes before the content of a WRITE request: the headers of NetBIOS, SMB2 and the command.
pub(crate) const WRITE_HEAD: usize = 4 + 64 + 48;

/// One TCP segment for a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Source.
    pub from: (IpAddr, u16),
    /// Destination, of the same family.
    pub to: (IpAddr, u16),
    /// TCP flags.
    pub flags: u8,
    /// Bytes of payload, as in the middle of a stream: nothing looks like a message header.
    pub payload: usize,
    /// Sequence number. That of the SYN is 1.
    pub sequence: u32,
}

/// Hardware address of every receiver of frames, unlike that of any interface: the receiving stack drops such frames
/// first, so that its own work does not hide the cost of earlier steps.
const NOBODY: [u8; 6] = [2, 0, 0, 0, 0, 0xFE];
const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 1];

impl Segment {
    /// An acknowledgement from `from` to `to`.
    pub(crate) fn new(from: (impl Into<IpAddr>, u16), to: (impl Into<IpAddr>, u16)) -> Self {
        Self {
            from: (from.0.into(), from.1),
            to: (to.0.into(), to.1),
            flags: flag::ACK,
            payload: 0,
            sequence: 1,
        }
    }

    /// With other flags.
    pub(crate) const fn flags(self, flags: u8) -> Self {
        Self { flags, ..self }
    }

    /// With a payload.
    pub(crate) const fn payload(self, payload: usize) -> Self {
        Self { payload, ..self }
    }

    /// With another sequence number.
    pub(crate) const fn sequence(self, sequence: u32) -> Self {
        Self { sequence, ..self }
    }

    /// The other way.
    pub(crate) const fn back(self) -> Self {
        Self { from: self.to, to: self.from, ..self }
    }

    /// The frame, at least 60 bytes (IEEE 802.3 less the check sum).
    pub(crate) fn frame(self) -> Vec<u8> {
        let mut frame = [NOBODY, SENDER].concat();
        let tcp = self.tcp();
        match (self.from.0, self.to.0) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                frame.extend([8, 0]);
                frame.extend(ipv4(from, to, 6, tcp.len()));
            }
            (from, to) => {
                frame.extend([0x86, 0xDD]);
                frame.extend(ipv6(wide(from), wide(to), tcp.len()));
            }
        }
        frame.extend(tcp);
        frame.resize(frame.len().max(60), 0);
        frame
    }

    /// The frame with an SMB2 NEGOTIATE request of a client (RFC 1002 4.3.1, MS-SMB2 2.2.1 and 2.2.3) as payload.
    pub(crate) fn smb(self) -> Vec<u8> {
        const MESSAGE: usize = 64 + 36;
        let mut message = vec![0; 4 + MESSAGE];
        message[3] = MESSAGE as u8;
        message[4..10].copy_from_slice(&[0xFE, b'S', b'M', b'B', 64, 0]);
        message[4 + 64] = 36;
        let length = message.len();
        let mut frame = self.payload(length).frame();
        let at = frame.len() - length;
        frame[at..].copy_from_slice(&message);
        frame
    }

    /// The frame with the head of an SMB2 WRITE request (MS-SMB2 2.2.21) as payload, in the longest message there is.
    pub(crate) fn smb_write(self) -> Vec<u8> {
        let mut head = vec![0; WRITE_HEAD];
        head[..4].copy_from_slice(&[0, 0xFF, 0xFF, 0xFF]);
        head[4..10].copy_from_slice(&[0xFE, b'S', b'M', b'B', 64, 0]);
        // The command, and the size of its structure.
        head[4 + 12] = 9;
        head[4 + 64] = 49;
        let mut frame = self.payload(WRITE_HEAD).frame();
        let at = frame.len() - WRITE_HEAD;
        frame[at..].copy_from_slice(&head);
        frame
    }

    fn tcp(&self) -> Vec<u8> {
        let mut tcp = [self.from.1.to_be_bytes(), self.to.1.to_be_bytes()].concat();
        // Sequence and acknowledgment number, header of 32 bytes.
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend([0, 0, 0, 1, 0x80, self.flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        // Two NOPs and time stamps (RFC 7323 3.2), as nearly all segments have them.
        tcp.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
        tcp.extend((0..self.payload).map(|at| 0x5A ^ at as u8));
        tcp
    }
}

fn wide(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// A frame with a UDP datagram (RFC 768) without a check sum.
pub(crate) fn datagram(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len();
    let mut frame = [NOBODY, SENDER].concat();
    frame.extend([8, 0]);
    frame.extend(ipv4(from.0, to.0, 17, length));
    frame.extend([from.1, to.1, length as u16, 0].map(u16::to_be_bytes).concat());
    frame.extend(payload);
    frame
}

fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: usize) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(((20 + payload) as u16).to_be_bytes());
    // All ones as identification: the generator of live traffic counts on it.
    header.extend([0xFF, 0xFF, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let sum: u32 = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let check_sum = !((folded & 0xFFFF) + (folded >> 16)) as u16;
    header[10..12].copy_from_slice(&check_sum.to_be_bytes());
    header
}

fn ipv6(from: Ipv6Addr, to: Ipv6Addr, payload: usize) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((payload as u16).to_be_bytes());
    header.extend([6, 64]);
    header.extend(from.octets());
    header.extend(to.octets());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_lengths_of_their_headers() {
        let v4 = Segment::new((Ipv4Addr::new(10, 0, 0, 2), 50_000), (Ipv4Addr::new(8, 8, 4, 4), 445));
        let frame = v4.payload(100).frame();
        assert_eq!(frame.len(), 14 + 20 + 32 + 100);
        assert_eq!(u16::from_be_bytes([frame[16], frame[17]]), 152);
        let v6 = Segment::new((Ipv6Addr::LOCALHOST, 1), (Ipv6Addr::LOCALHOST, 2));
        assert_eq!(v6.frame().len(), 14 + 40 + 32);
    }
}
