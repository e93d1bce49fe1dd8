//! QUIC in the kernel program: client Initial packets, and the flows that the agent asked it to count.

/// Bytes of the start of a datagram that show an Initial packet: the first byte and the version.
pub const START_LEN: usize = 5;

/// Shortest UDP payload with an Initial packet of a client; a server drops a shorter one (RFC 9000 14.1).
pub const SHORTEST_INITIAL: u32 = 1200;

/// Header form and fixed bit of a long header (RFC 9000 17.2).
const LONG_HEADER: u8 = 0xC0;

/// Those and the packet type.
const TYPE: u8 = 0xF0;

/// QUIC version 1 (RFC 9000 15), and its Initial packets (RFC 9000 17.2.2).
const VERSION_1: (u32, u8) = (0x0000_0001, 0xC0);

/// QUIC version 2 and its Initial packets (RFC 9369 3.1, 3.2).
const VERSION_2: (u32, u8) = (0x6B33_43CF, 0xD0);

/// Whether a datagram with this first byte may begin with a long header. Nearly all packets of a connection do not.
#[inline(always)]
#[must_use]
pub const fn may_be_long(first: u8) -> bool {
    first & LONG_HEADER == LONG_HEADER
}

/// Whether a datagram begins with an Initial packet of a version that the sensor knows.
#[inline(always)]
#[must_use]
pub const fn is_initial(start: [u8; START_LEN]) -> bool {
    let [first, a, b, c, d] = start;
    let (version, kind) = (u32::from_be_bytes([a, b, c, d]), first & TYPE);
    version == VERSION_1.0 && kind == VERSION_1.1 || version == VERSION_2.0 && kind == VERSION_2.1
}

/// A flow that the agent asked the kernel program to count: both addresses, the internal one first, and both ports in one word.
/// Everything is in wire order.
pub type QuicFlowKey = [u32; 9];

/// Most flows that are counted at a time.
pub const MAX_FLOWS: usize = 1024;

/// The key of a flow.
#[inline(always)]
#[must_use]
pub const fn flow_key(local: &[u32; 4], remote: &[u32; 4], local_port: u16, remote_port: u16) -> QuicFlowKey {
    let [a, b, c, d] = *local;
    let [e, f, g, h] = *remote;
    [a, b, c, d, e, f, g, h, (local_port as u32) << 16 | remote_port as u32]
}

/// Most Initial packets that each CPU hands up in a second.
pub const INITIALS_PER_SECOND: u32 = 1000;

/// Most of them that are of one flow: more than a ClientHello takes that is sent again a few times.
pub const INITIALS_OF_FLOW: u32 = 16;

/// Counts of flows; a power of two. Flows may share one.
const FLOW_COUNTS: usize = 1024;

/// Bits of a count; those above say in which second it was.
const COUNT_BITS: u32 = 8;

/// The Initial packets that one CPU handed up in the present second.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct InitialWindow {
    /// Kernel tick at which the second began.
    since: u32,
    handed_up: u32,
    of_flows: [u32; FLOW_COUNTS],
}

impl Default for InitialWindow {
    fn default() -> Self {
        Self { since: 0, handed_up: 0, of_flows: [0; FLOW_COUNTS] }
    }
}

impl InitialWindow {
    /// Whether one more of the flow with this hash may be handed up at tick `now`, if a second has so many ticks.
    #[inline(always)]
    #[must_use]
    pub const fn admits(&mut self, now: u32, second: u32, flow: u64) -> bool {
        if now.wrapping_sub(self.since) >= second {
            self.since = now;
            self.handed_up = 0;
        }
        let of_flow = &mut self.of_flows[flow as usize & (FLOW_COUNTS - 1)];
        let this_second = self.since << COUNT_BITS;
        let count =
            if *of_flow >> COUNT_BITS << COUNT_BITS == this_second { *of_flow - this_second } else { 0 };
        if self.handed_up >= INITIALS_PER_SECOND || count >= INITIALS_OF_FLOW {
            return false;
        }
        self.handed_up += 1;
        *of_flow = this_second + count + 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_initial_packets_of_both_versions() {
        assert!(is_initial([0xC3, 0, 0, 0, 1]), "RFC 9001 A.2");
        assert!(is_initial([0xD3, 0x6B, 0x33, 0x43, 0xCF]), "RFC 9369 A.2");
        let others = [
            ([0xE3, 0, 0, 0, 1], "a handshake packet"),
            ([0xC3, 0x6B, 0x33, 0x43, 0xCF], "a Retry of version 2"),
            ([0xD3, 0, 0, 0, 1], "0-RTT"),
            ([0x43, 0, 0, 0, 1], "a short header"),
            ([0xC3, 0, 0, 0, 0], "version negotiation"),
            ([0xC3, 0xFF, 0, 0, 29], "a draft"),
        ];
        for (start, what) in others {
            assert!(!is_initial(start), "{what}");
        }
    }

    #[test]
    fn hands_up_the_first_ones_of_a_flow() {
        let mut window = InitialWindow::default();
        let mut admitted = |now, flow| (0..100).filter(|_| window.admits(now, 100, flow)).count();
        let limit = INITIALS_OF_FLOW as usize;
        assert_eq!((admitted(5_000, 1), admitted(5_000, 2)), (limit, limit));
        assert_eq!(admitted(5_099, 1), 0);
        assert_eq!((admitted(5_100, 3), admitted(5_100, 1)), (limit, limit), "another second");
        assert_eq!(admitted(5_100_u32.wrapping_add(u32::MAX - 10), 1), limit, "across the wrap");
    }

    #[test]
    fn hands_up_no_more_than_the_limit_in_a_second() {
        let mut window = InitialWindow::default();
        let flows = 0..2 * u64::from(INITIALS_PER_SECOND);
        let mut admitted = |now| flows.clone().filter(|flow| window.admits(now, 100, *flow)).count();
        let limit = INITIALS_PER_SECOND as usize;
        assert_eq!(admitted(5_000), limit);
        assert_eq!(admitted(5_099), 0);
        assert_eq!(admitted(5_100), limit);
        assert_eq!(admitted(5_100_u32.wrapping_add(u32::MAX - 10)), limit, "across the wrap");
    }
}
