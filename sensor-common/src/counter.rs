//! One name for every outcome. The kernel keeps one `u64` per counter and CPU.
//!
//! Every packet on a watched port is counted [`Seen`](Counter::Seen) and then exactly one of
//! [`OUTCOMES`](Counter::OUTCOMES). Every record is counted as sent or lost, by kind. Frames without readable ports are
//! counted in [`UNPARSED`](Counter::UNPARSED), outside the sum.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Index into a CPU's counters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Counter { $($(#[doc = $doc])+ $variant,)+ }

        impl Counter {
            /// All counters in index order.
            pub const ALL: &'static [Counter] = &[$(Counter::$variant,)+];

            /// The name a person reads, in `snake_case`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Counter::$variant => $name,)+ }
            }
        }
    };
}

counters! {
    /// Packets on a watched port.
    Seen = "seen",
    /// Packets accounted to a flow slot.
    Kept = "kept",
    /// Packets between two internal addresses.
    Lateral = "lateral",
    /// Packets to or from reserved, non-Internet space.
    Reserved = "reserved",
    /// Packets between two external addresses.
    Transit = "transit",
    /// Packets of a client that is exempt.
    ExemptSource = "exempt_source",
    /// Packets of a server that is exempt.
    ExemptDestination = "exempt_destination",
    /// Packets whose transport header ends early although the ports are there.
    ShortTransport = "short_transport",
    /// Packets without a slot (a load-time mistake; zero in a healthy sensor).
    NoSlot = "no_slot",
    /// Frames that end inside the link or network header.
    ShortFrame = "short_frame",
    /// IPv4 and IPv6 fragments after the first, which carry no ports.
    Fragment = "fragment",
    /// First fragments too short for their transport header, and fragments that would overwrite it (RFC 1858).
    EvasiveFragment = "evasive_fragment",
    /// IPv6 packets with more extension headers than are walked.
    LongExtensionChain = "long_extension_chain",
    /// Frames with a link layer that the sensor does not parse (a third VLAN tag, a fifth MPLS label).
    UnknownLink = "unknown_link",
    /// Tunnelled packets whose tunnel the sensor does not parse, if tunnels are watched (PPTP, GRE with source routes).
    UnknownTunnel = "unknown_tunnel",
    /// Records handed to the ring.
    RecordsSent = "records_sent",
    /// Pieces of payload handed to the ring.
    PayloadSent = "payload_sent",
    /// New-flow records that found the ring full (the sweep finds those flows).
    LostOpened = "lost_opened",
    /// Evidence records that found the ring full (the sweep finds that evidence).
    LostRose = "lost_rose",
    /// Close records that found the ring full (the sweep finds them).
    LostClosed = "lost_closed",
    /// Settled records that found the ring full: the totals of an evicted flow.
    LostSettled = "lost_settled",
    /// Pieces of payload that found the ring full.
    LostPayload = "lost_payload",
    /// Records that an agent left out because others had ended in handling them; counted by the agent.
    LostLeftOut = "lost_left_out",
    /// Packets that the lost settled records held.
    LostPackets = "lost_packets",
    /// Flows evicted from their slot by another flow or a restart of the same one.
    Evicted = "evicted",
    /// Marks of flows on unwatched ports that another flow took: another CPU might miss packets of the former.
    FlowMarksReplaced = "flow_marks_replaced",
    /// Pieces of payload that were not sent because their flow had reached its limit of pieces.
    PayloadOver = "payload_over",
    /// Client Initial packets of QUIC that cross the border.
    QuicInitials = "quic_initials",
    /// Those of them that were not handed to the agent: more came in a second than a CPU hands up, or one could not be read.
    QuicInitialsOver = "quic_initials_over",
    /// Times that messages of a flow could not be followed: one begins in a gap of the stream, which may be filled yet; no message
    /// was where one had to begin; or a packet held too many.
    Unfollowed = "unfollowed",
    /// SYNs that the rule `smb-to-internet` would alert on; enforcement drops them.
    WouldDropOutbound = "would_drop_smb_to_internet",
    /// SYNs that the rule `external-access-windows-networking` would alert on; enforcement drops them.
    WouldDropInbound = "would_drop_external_access",
    /// SYNs that were dropped because of the rule `smb-to-internet`.
    DroppedOutbound = "dropped_smb_to_internet",
    /// SYNs that were dropped because of the rule `external-access-windows-networking`.
    DroppedInbound = "dropped_external_access",
    /// Packets of a blocked host, network or pair; a block that is no dry run drops them.
    WouldDropBlocked = "would_drop_block",
    /// Packets that were dropped because of a block.
    DroppedBlocked = "dropped_block",
    /// Packets within a connection that were dropped because of a block: flows keep what passed.
    Blocked = "blocked",
}

impl Counter {
    /// How many counters there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Words that the kernel program keeps on each CPU: the counters, one word of its own, and as many as make it a power of
    /// two, so that a mask keeps an index inside.
    pub const WORDS: usize = (Self::COUNT + 1).next_power_of_two();

    /// The outcomes of a watched packet: their sum is [`Counter::Seen`].
    pub const OUTCOMES: &'static [Counter] = &[
        Counter::Kept,
        Counter::Lateral,
        Counter::Reserved,
        Counter::Transit,
        Counter::ExemptSource,
        Counter::ExemptDestination,
        Counter::ShortTransport,
        Counter::NoSlot,
        Counter::Blocked,
    ];

    /// Packets that could not be tested for a port.
    pub const UNPARSED: &'static [Counter] = &[
        Counter::ShortFrame,
        Counter::Fragment,
        Counter::EvasiveFragment,
        Counter::LongExtensionChain,
        Counter::UnknownLink,
        Counter::UnknownTunnel,
    ];

    /// Records that the ring did not take, or an agent left out.
    pub const LOST_RECORDS: &'static [Counter] = &[
        Counter::LostOpened,
        Counter::LostRose,
        Counter::LostClosed,
        Counter::LostSettled,
        Counter::LostPayload,
        Counter::LostLeftOut,
    ];

    /// What enforcement and blocks did, or would do.
    pub const ENFORCEMENT: &'static [Counter] = &[
        Counter::WouldDropOutbound,
        Counter::WouldDropInbound,
        Counter::DroppedOutbound,
        Counter::DroppedInbound,
        Counter::WouldDropBlocked,
        Counter::DroppedBlocked,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_follow_the_order_of_all() {
        for (index, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, index, "{}", counter.name());
        }
    }

    #[test]
    fn every_counter_has_its_index() {
        let elsewhere = [
            Counter::Seen,
            Counter::RecordsSent,
            Counter::LostPackets,
            Counter::Evicted,
            Counter::FlowMarksReplaced,
            Counter::PayloadSent,
            Counter::PayloadOver,
            Counter::Unfollowed,
            Counter::QuicInitials,
            Counter::QuicInitialsOver,
        ];
        for counter in Counter::ALL {
            let lists = [
                Counter::OUTCOMES,
                Counter::UNPARSED,
                Counter::LOST_RECORDS,
                Counter::ENFORCEMENT,
                &elsewhere,
            ];
            let places = lists.iter().filter(|list| list.contains(counter)).count();
            assert_eq!(places, 1, "{}", counter.name());
        }
    }
}
