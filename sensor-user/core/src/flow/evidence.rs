//! From the signals of a connection to its evidence level.

use sensor_common::slot::{TCP, tcp};
use serde::{Deserialize, Serialize};

use crate::level::EvidenceLevel;

/// Unread payload that the set-up of a session may have, besides the messages that were read.
const SET_UP: u64 = 64 * 1024;

/// A side that sent a SYN and acknowledged something, in one segment or in several.
const SYN_ACK: u8 = tcp::SYN | tcp::ACK;

/// The inputs of the level; index 0 is the client, 1 the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signals {
    pub(super) transport: u8,
    pub(super) tcp_flags: [u8; 2],
    pub(super) packets: [u64; 2],
    pub(super) payload: [u64; 2],
    /// The kind of the server's datagrams.
    pub(super) answer: DatagramContent,
    pub(super) messages: MessageSignals,
}

/// The kind of one side's datagrams. A TCP connection proves the server by its handshake. A datagram has none, so its content
/// must be read: otherwise whatever a game or a resolver sends to port 137 would count as an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DatagramContent {
    /// None was read so far.
    #[default]
    Unread,
    /// They are not NetBIOS.
    Other,
    /// They are NetBIOS. A refusal counts too: the host that refuses a name exists and answers.
    Netbios,
    /// There were some, but none was read in time. Then only the packets count, as for a TCP connection with lost messages.
    Lost,
}

/// Evidence from the messages of a TCP connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageSignals {
    /// Sides that sent SMB or DCE-RPC.
    pub(super) spoken: [bool; 2],
    /// It was SMB, not DCE-RPC on a port of its own.
    pub(super) smb: bool,
    /// The client sent a credential.
    pub(super) credential: bool,
    /// The server accepted a session.
    pub(super) session: bool,
    /// The server connected a share.
    pub(super) share: bool,
    /// Commands that carry content were seen.
    pub(super) content: bool,
    /// Messages were encrypted.
    pub(super) encrypted: bool,
    /// Messages may have been missed: the sensor joined late, or some were not read.
    pub(super) missed: bool,
    /// The server refused log-ons and accepted none.
    pub(super) refused: bool,
    /// Payload beyond the messages that were read.
    pub(super) unread_payload: u64,
}

impl Signals {
    /// The evidence level.
    pub(super) const fn level(&self) -> EvidenceLevel {
        let messages = &self.messages;
        let both = messages.spoken[0] && messages.spoken[1];
        // Plain commands show content by themselves. The volume counts only if they cannot be read.
        let amount = (messages.encrypted || messages.missed) && messages.unread_payload > SET_UP;
        if both && messages.smb && !messages.refused && (messages.content || amount) {
            EvidenceLevel::Data
        } else if messages.share {
            EvidenceLevel::Share
        } else if messages.session || messages.encrypted && both {
            // Messages are encrypted within a session only (MS-SMB2 3.1.4.3).
            EvidenceLevel::Session
        } else if messages.credential {
            EvidenceLevel::Credential
        } else if both {
            EvidenceLevel::Smb
        } else {
            self.of_packets()
        }
    }

    /// The level by headers and counts.
    const fn of_packets(&self) -> EvidenceLevel {
        let [client, server] = self.tcp_flags;
        let both = self.packets[0] > 0 && self.packets[1] > 0;
        if self.transport != TCP {
            let answered = matches!(self.answer, DatagramContent::Netbios | DatagramContent::Lost);
            return if both && answered { EvidenceLevel::Connected } else { EvidenceLevel::Attempt };
        }
        // If only one direction passes the sensor, an acknowledgment with payload after a SYN is the best evidence.
        let one_sided = !both
            && (client & SYN_ACK == SYN_ACK && self.payload[0] > 0
                || server & SYN_ACK == SYN_ACK && self.payload[1] > 0);
        if client & server & tcp::ACK != 0 || one_sided {
            EvidenceLevel::Connected
        } else if server & SYN_ACK == SYN_ACK {
            EvidenceLevel::Answered
        } else if server & tcp::RST != 0 {
            EvidenceLevel::Refused
        } else {
            EvidenceLevel::Attempt
        }
    }
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::UDP;

    use super::*;

    fn signals(tcp_flags: [u8; 2], packets: [u64; 2], payload: [u64; 2]) -> Signals {
        let messages = MessageSignals::default();
        Signals { transport: TCP, tcp_flags, packets, payload, answer: DatagramContent::Unread, messages }
    }

    fn tcp_level(tcp_flags: [u8; 2], packets: [u64; 2], payload: [u64; 2]) -> EvidenceLevel {
        signals(tcp_flags, packets, payload).level()
    }

    #[test]
    fn lone_syn_is_an_attempt_and_a_server_reset_a_refusal() {
        assert_eq!(tcp_level([tcp::SYN, 0], [1, 0], [0, 0]), EvidenceLevel::Attempt);
        assert_eq!(tcp_level([tcp::SYN, tcp::RST], [1, 1], [0, 0]), EvidenceLevel::Refused);
    }

    #[test]
    fn half_open_scan_is_answered_and_not_connected() {
        assert_eq!(tcp_level([tcp::SYN, SYN_ACK], [1, 1], [0, 0]), EvidenceLevel::Answered);
        assert_eq!(tcp_level([tcp::SYN | tcp::RST, SYN_ACK], [2, 1], [0, 0]), EvidenceLevel::Answered);
        assert_eq!(tcp_level([tcp::SYN, SYN_ACK | tcp::RST], [1, 2], [0, 0]), EvidenceLevel::Answered);
    }

    #[test]
    fn completed_handshake_stays_connected_whatever_follows() {
        assert_eq!(tcp_level([SYN_ACK, SYN_ACK], [2, 1], [0, 0]), EvidenceLevel::Connected);
        assert_eq!(tcp_level([SYN_ACK, SYN_ACK | tcp::RST], [2, 2], [0, 0]), EvidenceLevel::Connected);
        let much = tcp_level([SYN_ACK, SYN_ACK], [900, 900], [1 << 20, 1 << 20]);
        assert_eq!(much, EvidenceLevel::Connected, "of another protocol nothing more is concluded");
    }

    #[test]
    fn one_sided_payload_after_a_syn_is_connected_and_a_stray_segment_an_attempt() {
        assert_eq!(tcp_level([SYN_ACK, 0], [9, 0], [500, 0]), EvidenceLevel::Connected);
        assert_eq!(tcp_level([SYN_ACK, 0], [2, 0], [0, 0]), EvidenceLevel::Attempt);
        assert_eq!(tcp_level([tcp::ACK, 0], [1, 0], [500, 0]), EvidenceLevel::Attempt, "anybody can send it");
    }

    #[test]
    fn udp_is_connected_once_netbios_answers() {
        let udp = |packets, answer| {
            let one = signals([0; 2], packets, [50, 50]);
            Signals { transport: UDP, answer, ..one }.level()
        };
        assert_eq!(udp([3, 0], DatagramContent::Unread), EvidenceLevel::Attempt);
        assert_eq!(udp([1, 1], DatagramContent::Netbios), EvidenceLevel::Connected);
        assert_eq!(
            udp([1, 1], DatagramContent::Lost),
            EvidenceLevel::Connected,
            "it may have been an answer"
        );
        assert_eq!(udp([1, 1], DatagramContent::Unread), EvidenceLevel::Attempt, "its content is to come");
        assert_eq!(udp([9, 9], DatagramContent::Other), EvidenceLevel::Attempt, "that is no NetBIOS");
        assert_eq!(udp([0, 1], DatagramContent::Netbios), EvidenceLevel::Attempt, "nobody was seen to ask");
    }

    fn smb(messages: MessageSignals) -> EvidenceLevel {
        let one = signals([SYN_ACK; 2], [5, 5], [900, 600]);
        Signals { messages: MessageSignals { smb: true, ..messages }, ..one }.level()
    }

    const SPOKEN: MessageSignals = MessageSignals {
        spoken: [true; 2],
        smb: true,
        credential: false,
        session: false,
        share: false,
        content: false,
        encrypted: false,
        missed: false,
        refused: false,
        unread_payload: 0,
    };

    #[test]
    fn smb_needs_messages_of_both_sides() {
        assert_eq!(smb(SPOKEN), EvidenceLevel::Smb);
        for spoken in [[true, false], [false, true]] {
            assert_eq!(smb(MessageSignals { spoken, ..SPOKEN }), EvidenceLevel::Connected);
        }
    }

    #[test]
    fn smb_rises_by_its_messages() {
        let credential = MessageSignals { credential: true, ..SPOKEN };
        assert_eq!(smb(credential), EvidenceLevel::Credential);
        assert_eq!(smb(MessageSignals { spoken: [true, false], ..credential }), EvidenceLevel::Credential);
        let session = MessageSignals { session: true, ..credential };
        assert_eq!(smb(session), EvidenceLevel::Session);
        assert_eq!(smb(MessageSignals { encrypted: true, ..credential }), EvidenceLevel::Session);
        let alone = MessageSignals { encrypted: true, spoken: [true, false], ..SPOKEN };
        assert_eq!(smb(alone), EvidenceLevel::Connected, "one side can send what it likes");
        let share = MessageSignals { share: true, ..session };
        assert_eq!(smb(share), EvidenceLevel::Share);
        assert_eq!(smb(MessageSignals { content: true, ..share }), EvidenceLevel::Data);
    }

    #[test]
    fn setup_echo_and_logoff_are_no_data() {
        let much = MessageSignals { share: true, session: true, unread_payload: 1 << 30, ..SPOKEN };
        assert_eq!(smb(much), EvidenceLevel::Share);
        let refused =
            MessageSignals { refused: true, credential: true, missed: true, content: true, ..SPOKEN };
        assert_eq!(smb(MessageSignals { unread_payload: 1 << 30, ..refused }), EvidenceLevel::Credential);
    }

    #[test]
    fn volume_counts_where_messages_are_encrypted_or_missing() {
        for hidden in
            [MessageSignals { encrypted: true, ..SPOKEN }, MessageSignals { missed: true, ..SPOKEN }]
        {
            let little = smb(MessageSignals { unread_payload: SET_UP, ..hidden });
            assert!(little < EvidenceLevel::Data, "{hidden:?}");
            assert_eq!(smb(MessageSignals { unread_payload: SET_UP + 1, ..hidden }), EvidenceLevel::Data);
        }
        let rpc = MessageSignals { smb: false, missed: true, unread_payload: 1 << 30, ..SPOKEN };
        let one = signals([SYN_ACK; 2], [5, 5], [900, 600]);
        assert_eq!(Signals { messages: rpc, ..one }.level(), EvidenceLevel::Smb);
    }
}
