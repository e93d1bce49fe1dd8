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
    /// Both sides took part: TCP acknowledged both ways, or NetBIOS answered over UDP.
    Established,
    /// SMB was spoken.
    Smb,
    /// The client gave away an NTLM response or a Kerberos ticket.
    AuthenticatedAttempt,
    /// The server accepted a session.
    Session,
    /// A share was connected.
    Share,
    /// Data moved: over a connected share, or of another service both ways.
    Data,
}

/// Payload beyond the connection of a share that still says nothing: disconnecting and logging off take some.
const SHARE_OVERHEAD: u64 = 512;

/// Payload that no session set-up takes beside what was read of it: whoever sent more moved data.
pub(crate) const MORE_THAN_SET_UP: u64 = 64 * 1024;

/// What evidence is read from; index 0 is the client, 1 the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) transport: u8,
    pub(super) tcp_flags: [u8; 2],
    pub(super) packets: [u64; 2],
    pub(super) payload: [u64; 2],
    /// What the server's datagrams are.
    pub(super) answer: Words,
    /// What is known of an SMB conversation; `None` for another service.
    pub(super) smb: Option<SeenOfSmb>,
}

/// What a side's datagrams are. A connection shows by its handshake that the server is there; a datagram has none, and
/// whatever a game or a resolver exchanges from port 137 would pass for an answer, if its words were not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Words {
    /// None was told so far.
    #[default]
    Awaited,
    /// They are no NetBIOS.
    Foreign,
    /// They are NetBIOS. A refusal is too: whoever refuses a name is there and says so.
    Netbios,
    /// None was told in time, though there were some. Then it is the packets alone that speak, as where a connection's
    /// messages are lost.
    Lost,
}

/// What is known of an SMB conversation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SeenOfSmb {
    pub(super) spoken: bool,
    pub(super) encrypted: bool,
    pub(super) authentication: bool,
    pub(super) session: bool,
    /// Payload since a share was connected.
    pub(super) since_share: Option<u64>,
    /// Payload of the messages that were read, which are those of a set-up.
    pub(super) read: u64,
    /// The server refused a log-on, and let nobody in so far.
    pub(super) refused: bool,
    /// The sensor joined after the conversation had begun.
    pub(super) joined_late: bool,
}

impl Evidence {
    /// All levels, rising.
    pub const ALL: [Self; 8] = [
        Self::Attempt,
        Self::Refused,
        Self::Established,
        Self::Smb,
        Self::AuthenticatedAttempt,
        Self::Session,
        Self::Share,
        Self::Data,
    ];

    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Refused => "refused",
            Self::Established => "established",
            Self::Smb => "smb",
            Self::AuthenticatedAttempt => "authenticated-attempt",
            Self::Session => "session",
            Self::Share => "share",
            Self::Data => "data",
        }
    }

    /// The level of a name in documents.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    pub(super) fn of(seen: &Seen) -> Self {
        let connection = Self::of_connection(seen);
        match &seen.smb {
            Some(smb) => connection.max(Self::of_smb(smb, seen.payload)),
            None if connection == Self::Established && seen.transport == TCP => {
                if seen.payload[0] > 0 && seen.payload[1] > 0 { Self::Data } else { connection }
            }
            None => connection,
        }
    }

    /// By the messages. What nothing shows is [`Attempt`](Self::Attempt), the least there is.
    fn of_smb(smb: &SeenOfSmb, payload: [u64; 2]) -> Self {
        let both = payload[0] > 0 && payload[1] > 0;
        let moved = payload[0] + payload[1];
        // Many log-ons take as much as data, and move none.
        let unseen = moved.saturating_sub(smb.read);
        let joined_late = smb.joined_late && !smb.refused;
        let unseen_set_up = smb.spoken && (unseen > MORE_THAN_SET_UP || joined_late && both);
        if smb.since_share.is_some_and(|bytes| bytes > SHARE_OVERHEAD) || unseen_set_up {
            Self::Data
        } else if smb.since_share.is_some() {
            Self::Share
        } else if smb.session || smb.encrypted {
            // Messages are encrypted in a session alone (MS-SMB2 3.1.4.3).
            Self::Session
        } else if smb.authentication {
            Self::AuthenticatedAttempt
        } else if smb.spoken {
            Self::Smb
        } else {
            Self::Attempt
        }
    }

    const fn of_connection(seen: &Seen) -> Self {
        let [client, server] = seen.tcp_flags;
        let both = seen.packets[0] > 0 && seen.packets[1] > 0;
        if seen.transport != TCP {
            let answered = matches!(seen.answer, Words::Netbios | Words::Lost);
            return if both && answered { Self::Established } else { Self::Attempt };
        }
        // Where only one direction passes the sensor, an acknowledgment with payload is the best there is.
        let one_sided = !both
            && (client & tcp::ACK != 0 && seen.payload[0] > 0
                || server & tcp::ACK != 0 && seen.payload[1] > 0);
        // Or one of the server's that neither begins nor refuses anything: the sensor came when there was no more to come.
        let late = seen.packets[0] == 0 && server & (tcp::ACK | tcp::SYN | tcp::RST) == tcp::ACK;
        if client & server & tcp::ACK != 0 || one_sided || late {
            Self::Established
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
        let answer = Words::Awaited;
        Evidence::of(&Seen { transport: TCP, tcp_flags, packets, payload, answer, smb: None })
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
    fn an_end_that_the_server_tells_after_the_sensor_came_shows_a_connection() {
        for flags in [tcp::ACK, tcp::ACK | tcp::FIN] {
            assert_eq!(tcp_flow([0, flags], [0, 1], [0, 0]), Evidence::Established);
        }
        assert_eq!(
            tcp_flow([0, tcp::ACK | tcp::SYN], [0, 1], [0, 0]),
            Evidence::Attempt,
            "an answer to a SYN"
        );
        assert_eq!(tcp_flow([0, tcp::ACK | tcp::RST], [0, 1], [0, 0]), Evidence::Refused);
        assert_eq!(tcp_flow([tcp::ACK, 0], [1, 0], [0, 0]), Evidence::Attempt, "as a scan sends it");
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
    fn udp_is_established_when_netbios_answered() {
        let udp = |packets, answer| {
            let (tcp_flags, payload) = ([0; 2], [50, 50]);
            Evidence::of(&Seen { transport: UDP, tcp_flags, packets, payload, answer, smb: None })
        };
        assert_eq!(udp([3, 0], Words::Awaited), Evidence::Attempt);
        assert_eq!(udp([1, 1], Words::Netbios), Evidence::Established);
        assert_eq!(udp([1, 1], Words::Lost), Evidence::Established, "nothing says that it was no answer");
        assert_eq!(udp([1, 1], Words::Awaited), Evidence::Attempt, "its words are still to come");
        assert_eq!(udp([9, 9], Words::Foreign), Evidence::Attempt, "whatever that was, no NetBIOS");
        assert_eq!(udp([0, 1], Words::Netbios), Evidence::Attempt, "nobody was seen to ask");
    }

    fn smb(smb: SeenOfSmb, payload: [u64; 2]) -> Evidence {
        let tcp_flags = [tcp::SYN | tcp::ACK; 2];
        let answer = Words::Awaited;
        Evidence::of(&Seen { transport: TCP, tcp_flags, packets: [5, 5], payload, answer, smb: Some(smb) })
    }

    #[test]
    fn smb_rises_by_its_messages_and_not_by_its_bytes() {
        let spoken = SeenOfSmb { spoken: true, ..SeenOfSmb::default() };
        assert_eq!(smb(SeenOfSmb::default(), [100, 100]), Evidence::Established, "whatever that was, no SMB");
        assert_eq!(smb(spoken, [100, 100]), Evidence::Smb);
        let tried = SeenOfSmb { authentication: true, ..spoken };
        assert_eq!(smb(tried, [900, 500]), Evidence::AuthenticatedAttempt);
        let session = SeenOfSmb { session: true, ..tried };
        assert_eq!(smb(session, [900, 600]), Evidence::Session);
        assert_eq!(smb(SeenOfSmb { encrypted: true, ..tried }, [900, 600]), Evidence::Session);
        let share = |since| SeenOfSmb { since_share: Some(since), ..session };
        assert_eq!(smb(share(0), [900, 600]), Evidence::Share);
        assert_eq!(smb(share(400), [900, 600]), Evidence::Share, "logging off");
        assert_eq!(smb(share(600), [900, 600]), Evidence::Data);
    }

    #[test]
    fn data_shows_itself_where_the_set_up_was_missed() {
        let spoken = SeenOfSmb { spoken: true, ..SeenOfSmb::default() };
        assert_eq!(smb(spoken, [100_000, 100]), Evidence::Data);
        let late = SeenOfSmb { joined_late: true, ..spoken };
        assert_eq!(smb(late, [100, 100]), Evidence::Data);
        assert_eq!(smb(late, [100, 0]), Evidence::Smb);
        let refused = |read| SeenOfSmb { refused: true, read, authentication: true, ..late };
        assert_eq!(smb(refused(60_000), [100_000, 100]), Evidence::AuthenticatedAttempt, "many log-ons");
        assert_eq!(smb(refused(0), [100_000, 100]), Evidence::Data, "nobody read what that was");
    }

    #[test]
    fn evidence_is_ordered() {
        assert!(Evidence::ALL.is_sorted());
    }
}
