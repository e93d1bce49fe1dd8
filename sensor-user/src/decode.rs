//! Records and slots from the kernel to observations.
//!
//! Checked decoding: the first stage of the agent. Takes bytes, gives an [`Observation`] or says what is wrong with
//! them; never trusts a length, a version or an enum value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sensor_common::{
    headers::VLAN_PRESENT,
    slot::{FlowLine, RECORD_V4_LEN, RECORD_V6_LEN, RECORD_VERSION, RecordKind, Slot, TCP, UDP},
};
use thiserror::Error;
use zerocopy::FromBytes;

/// What identifies a conversation: transport and both ends, internal end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    /// IP protocol number.
    pub transport: u8,
    /// Internal end.
    pub local: SocketAddr,
    /// External end.
    pub remote: SocketAddr,
    /// Index of the interface it passes.
    pub ifindex: u32,
}

/// The state of a flow on one CPU, as the kernel told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Flow.
    pub key: FlowKey,
    /// CPU whose slot it is.
    pub cpu: u16,
    /// Which stay in that slot: counts only grow within one, and a settled record ends it.
    pub generation: u32,
    /// Evidence marks, see [`sensor_common::slot::mark`].
    pub marks: u16,
    /// TCP flags seen from internal and external side.
    pub tcp_flags: [u8; 2],
    /// Counts since the flow took its slot or was last settled.
    pub counts: Counts,
    /// Kernel ticks of the first packet.
    pub first: u32,
    /// Kernel ticks of the last packet.
    pub last: u32,
    /// VLAN identifier.
    pub vlan: Option<u16>,
}

/// Packets, bytes and payload of each direction: from the internal side, from the external side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets.
    pub packets: [u64; 2],
    /// Bytes of IP packets.
    pub bytes: [u64; 2],
    /// Bytes of payload.
    pub payload: [u64; 2],
}

impl Counts {
    /// All packets.
    #[must_use]
    pub const fn total_packets(&self) -> u64 {
        self.packets[0] + self.packets[1]
    }

    /// What came since `earlier` counts of the same stay in a slot.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less =
            |now: [u64; 2], then: [u64; 2]| [now[0].saturating_sub(then[0]), now[1].saturating_sub(then[1])];
        Self {
            packets: less(self.packets, earlier.packets),
            bytes: less(self.bytes, earlier.bytes),
            payload: less(self.payload, earlier.payload),
        }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        for side in 0..2 {
            self.packets[side] += other.packets[side];
            self.bytes[side] += other.bytes[side];
            self.payload[side] += other.payload[side];
        }
    }
}

/// A record that is none.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Neither an IPv4 nor an IPv6 record.
    #[error("a record of {0} bytes; {RECORD_V4_LEN} or {RECORD_V6_LEN} expected")]
    Length(usize),
    /// Another layout.
    #[error("record version {0}; this agent reads {RECORD_VERSION}")]
    Version(u8),
    /// Unknown kind.
    #[error("record kind {0} is unknown")]
    Kind(u8),
    /// Unknown address family, or one that does not fit the length.
    #[error("address family {family} in a record of {length} bytes")]
    Family {
        /// Family.
        family: u8,
        /// Length.
        length: usize,
    },
    /// Unknown transport.
    #[error("transport protocol {0} is neither TCP nor UDP")]
    Transport(u8),
}

/// Decodes a record off the ring.
///
/// # Errors
/// [`DecodeError`] for anything that this version of the kernel program does not write.
pub fn record(bytes: &[u8]) -> Result<(RecordKind, Observation), DecodeError> {
    let slot = match bytes.len() {
        RECORD_V4_LEN => FlowLine::read_from_bytes(bytes).map(|line| Slot { line, ..Slot::default() }).ok(),
        RECORD_V6_LEN => Slot::read_from_bytes(bytes).ok(),
        _ => None,
    }
    .ok_or(DecodeError::Length(bytes.len()))?;
    if slot.line.version != RECORD_VERSION {
        return Err(DecodeError::Version(slot.line.version));
    }
    let kind = RecordKind::from_wire(slot.line.kind).ok_or(DecodeError::Kind(slot.line.kind))?;
    let expected = if slot.line.family == 4 { RECORD_V4_LEN } else { RECORD_V6_LEN };
    if bytes.len() != expected {
        return Err(DecodeError::Family { family: slot.line.family, length: bytes.len() });
    }
    Ok((kind, observation(&slot)?))
}

/// Decodes a flow slot.
///
/// # Errors
/// [`DecodeError`] for a slot with an impossible family or transport.
pub fn observation(slot: &Slot) -> Result<Observation, DecodeError> {
    let line = &slot.line;
    if line.transport != TCP && line.transport != UDP {
        return Err(DecodeError::Transport(line.transport));
    }
    let (local, remote) = match line.family {
        4 => (v4(line.local_low), v4(line.remote_low)),
        6 => (v6(slot.wide.local_high, line.local_low), v6(slot.wide.remote_high, line.remote_low)),
        family => {
            return Err(DecodeError::Family { family, length: RECORD_V6_LEN });
        }
    };
    Ok(Observation {
        key: FlowKey {
            transport: line.transport,
            local: SocketAddr::new(local, u16::from_be(line.local_port)),
            remote: SocketAddr::new(remote, u16::from_be(line.remote_port)),
            ifindex: line.ifindex,
        },
        cpu: line.cpu,
        generation: line.generation,
        marks: line.marks,
        tcp_flags: line.tcp_flags,
        counts: Counts {
            packets: line.packets.map(u64::from),
            bytes: line.bytes.map(u64::from),
            payload: line.payload.map(u64::from),
        },
        first: line.first,
        last: line.last,
        vlan: (line.vlan & VLAN_PRESENT != 0).then_some(line.vlan & 0x0FFF),
    })
}

fn v4(wire: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(wire.to_ne_bytes()))
}

fn v6(high: [u32; 3], low: u32) -> IpAddr {
    let mut octets = [0; 16];
    for (chunk, word) in octets.chunks_exact_mut(4).zip([high[0], high[1], high[2], low]) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    IpAddr::V6(Ipv6Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::*;

    fn line() -> FlowLine {
        FlowLine {
            version: RECORD_VERSION,
            kind: RecordKind::Opened as u8,
            transport: TCP,
            family: 4,
            local_low: u32::from_ne_bytes([10, 0, 0, 2]),
            remote_low: u32::from_ne_bytes([8, 8, 4, 4]),
            local_port: 50_000u16.to_be(),
            remote_port: 445u16.to_be(),
            packets: [1, 0],
            vlan: VLAN_PRESENT | 7,
            ..FlowLine::default()
        }
    }

    #[test]
    fn an_ipv4_record_is_its_first_line() {
        let (kind, seen) = record(line().as_bytes()).unwrap();
        assert_eq!(kind, RecordKind::Opened);
        assert_eq!(seen.key.local, "10.0.0.2:50000".parse().unwrap());
        assert_eq!(seen.key.remote, "8.8.4.4:445".parse().unwrap());
        assert_eq!(seen.vlan, Some(7));
        assert_eq!(seen.counts.packets, [1, 0]);
    }

    #[test]
    fn an_ipv6_record_has_both_lines() {
        let octets: [u8; 16] = "fd00:1::2".parse::<Ipv6Addr>().unwrap().octets();
        let words: [u32; 4] =
            std::array::from_fn(|i| u32::from_ne_bytes(octets[i * 4..i * 4 + 4].try_into().unwrap()));
        let mut slot =
            Slot { line: FlowLine { family: 6, local_low: words[3], ..line() }, ..Slot::default() };
        slot.wide.local_high = [words[0], words[1], words[2]];
        let (_, seen) = record(slot.as_bytes()).unwrap();
        assert_eq!(seen.key.local, "[fd00:1::2]:50000".parse().unwrap());
    }

    #[test]
    fn what_this_kernel_program_does_not_write_is_refused_by_name() {
        let refuse = |line: FlowLine| record(line.as_bytes()).unwrap_err();
        assert_eq!(record(&[0; 63]), Err(DecodeError::Length(63)));
        assert_eq!(refuse(FlowLine { version: 9, ..line() }), DecodeError::Version(9));
        assert_eq!(refuse(FlowLine { kind: 0, ..line() }), DecodeError::Kind(0));
        assert_eq!(refuse(FlowLine { transport: 1, ..line() }), DecodeError::Transport(1));
        assert_eq!(refuse(FlowLine { family: 6, ..line() }), DecodeError::Family { family: 6, length: 64 });
        let wide = Slot { line: line(), ..Slot::default() };
        assert_eq!(record(wide.as_bytes()), Err(DecodeError::Family { family: 4, length: 128 }));
    }
}
