//! The transport header: TCP flags, and where the payload is.

use zerocopy::FromBytes;

use super::Ports;
use crate::{bytes::Bytes, slot::TCP};

/// RFC 9293 3.1: five words.
const TCP_MIN_LEN: usize = 20;

/// What the transport header adds: TCP flags, and where the payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// TCP flags (RFC 9293 3.1); 0 for UDP.
    pub tcp_flags: u8,
    /// TCP sequence number, in the machine's order; 0 for UDP.
    pub sequence: u32,
    /// Offset of the payload in the frame.
    pub payload_at: usize,
    /// Bytes of payload by the IP header's length; padding is not payload.
    pub payload_len: u32,
}

#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct TcpTail {
    offset: u8,
    flags: u8,
}

/// Reads the transport header of `ports`. `ip_len` is the length of the IP packet in bytes.
#[inline(always)]
pub fn segment<B: Bytes + Copy>(frame: B, ports: &Ports, ip_len: u32) -> Option<Segment> {
    let (tcp_flags, sequence, header_len) = if ports.transport == TCP {
        let tail: TcpTail = frame.load(ports.segment_at() + 12)?;
        let sequence: u32 = frame.load(ports.segment_at() + 4)?;
        // RFC 9293 3.1: at least five words; a smaller data offset is read as five.
        (tail.flags, u32::from_be(sequence), (usize::from(tail.offset >> 4) * 4).max(TCP_MIN_LEN))
    } else {
        // RFC 768: eight bytes. The length field must be there.
        let _: u16 = frame.load(ports.segment_at() + 4)?;
        (0, 0, 8)
    };
    let payload_at = ports.segment_at() + header_len;
    let before = (payload_at - ports.network_at()) as u32;
    Some(Segment { tcp_flags, sequence, payload_at, payload_len: ip_len.saturating_sub(before) })
}
