//! How far a conversation got.

use std::fmt;

use sensor_common::slot::{TCP, tcp};

/// How far a conversation got, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The client tried; nothing that completes a connection was seen. A port that answers a SYN but gets no further
    /// packet of the client stays here.
    Attempt,
    /// The server refused.
    Refused,
    /// Both sides took part: TCP acknowledged both ways, or UDP answered.
    Established,
    /// Payload went both ways over an established connection.
    Data,
}

/// What evidence is read from; index 0 is the client, 1 the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) transport: u8,
    pub(super) tcp_flags: [u8; 2],
    pub(super) packets: [u64; 2],
    pub(super) payload: [u64; 2],
}

impl Evidence {
    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Refused => "refused",
            Self::Established => "established",
            Self::Data => "data",
        }
    }

    pub(super) const fn of(seen: &Seen) -> Self {
        let [client, server] = seen.tcp_flags;
        let both = seen.packets[0] > 0 && seen.packets[1] > 0;
        if seen.transport != TCP {
            return if both { Self::Established } else { Self::Attempt };
        }
        // Where only one direction passes the sensor, an acknowledgment with payload is the best there is.
        let one_sided = !both
            && (client & tcp::ACK != 0 && seen.payload[0] > 0
                || server & tcp::ACK != 0 && seen.payload[1] > 0);
        if client & server & tcp::ACK != 0 || one_sided {
            if seen.payload[0] > 0 && seen.payload[1] > 0 { Self::Data } else { Self::Established }
        } else if server & tcp::RST != 0 {
            Self::Refused
        } else {
            Self::Attempt
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::UDP;

    use super::*;

    fn tcp_flow(tcp_flags: [u8; 2], packets: [u64; 2], payload: [u64; 2]) -> Evidence {
        Evidence::of(&Seen { transport: TCP, tcp_flags, packets, payload })
    }

    #[test]
    fn a_lone_syn_is_an_attempt() {
        assert_eq!(tcp_flow([tcp::SYN, 0], [1, 0], [0, 0]), Evidence::Attempt);
    }

    #[test]
    fn a_half_open_scan_stays_an_attempt() {
        assert_eq!(tcp_flow([tcp::SYN | tcp::RST, tcp::SYN | tcp::ACK], [2, 1], [0, 0]), Evidence::Attempt);
    }

    #[test]
    fn a_reset_from_the_server_is_a_refusal() {
        assert_eq!(tcp_flow([tcp::SYN, tcp::RST], [1, 1], [0, 0]), Evidence::Refused);
    }

    #[test]
    fn a_handshake_is_established_and_stays_so_after_a_reset() {
        let (client, server) = (tcp::SYN | tcp::ACK, tcp::SYN | tcp::ACK);
        assert_eq!(tcp_flow([client, server], [2, 1], [0, 0]), Evidence::Established);
        assert_eq!(tcp_flow([client, server | tcp::RST], [2, 2], [0, 0]), Evidence::Established);
        assert_eq!(tcp_flow([client, server], [3, 1], [100, 0]), Evidence::Established, "one side talks");
    }

    #[test]
    fn payload_both_ways_is_data() {
        assert_eq!(tcp_flow([tcp::ACK, tcp::ACK], [2, 2], [10, 10]), Evidence::Data);
    }

    #[test]
    fn one_direction_alone_is_never_data() {
        assert_eq!(tcp_flow([tcp::ACK, 0], [9, 0], [500, 0]), Evidence::Established);
        assert_eq!(tcp_flow([tcp::ACK, 0], [1, 0], [0, 0]), Evidence::Attempt, "a bare ACK proves nothing");
    }

    #[test]
    fn udp_is_established_when_answered() {
        let udp =
            |packets| Evidence::of(&Seen { transport: UDP, tcp_flags: [0; 2], packets, payload: [50, 50] });
        assert_eq!(udp([3, 0]), Evidence::Attempt);
        assert_eq!(udp([1, 1]), Evidence::Established);
    }

    #[test]
    fn evidence_is_ordered() {
        assert!(Evidence::Attempt < Evidence::Refused);
        assert!(Evidence::Refused < Evidence::Established);
        assert!(Evidence::Established < Evidence::Data);
    }
}
