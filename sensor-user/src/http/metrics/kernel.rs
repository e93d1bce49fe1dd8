//! Metrics of the kernel program, its slots and its ring.

use std::fmt;

use sensor_common::counter::Counter;
use sensor_core::rules::{external_access, smb_to_internet};

use super::families::Families;
use crate::http::snapshot::Snapshot;

/// Counters with a family of their own. All others are values of a family with labels.
const SINGLE: &[(Counter, &str, &str)] = &[
    (Counter::Seen, "packets_seen", "Packets on a watched port"),
    (Counter::RecordsSent, "records_sent", "Records of flows that the kernel program put into the ring"),
    (
        Counter::PayloadSent,
        "payload_pieces_sent",
        "Pieces of messages that the kernel program put into the ring",
    ),
    (
        Counter::PayloadOver,
        "payload_pieces_over_limit",
        "Pieces of messages that were not sent because their flow had sent 512",
    ),
    (
        Counter::LostPackets,
        "lost_packets",
        "Packets whose counts were in records that the ring could not take",
    ),
    (Counter::Evicted, "flow_slot_evictions", "Flows that left their slot because another flow needed it"),
    (
        Counter::FlowMarksReplaced,
        "flow_marks_replaced",
        "Connections on unwatched ports whose mark another one took, also within kernel.flow_idle after their end, so that another CPU might miss their packets",
    ),
    (Counter::Unfollowed, "unfollowed_messages", "Times that the messages of a flow could not be followed"),
    (Counter::QuicInitials, "quic_initials", "First packets of QUIC connections that cross the border"),
    (
        Counter::QuicInitialsOver,
        "quic_initials_over_limit",
        "First packets of QUIC connections that were not read because too many came",
    ),
];

pub(super) fn encode(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let kernel = &snapshot.statistics.kernel;
    for (counter, name, help) in SINGLE {
        families.counter(name, help, kernel.get(*counter))?;
    }
    let values = |counters: &'static [Counter], label: &'static str| {
        counters.iter().map(move |one| ([(label, one.name())], kernel.get(*one)))
    };
    families.counters(
        "packets",
        "Packets on a watched port, by outcome; together as many as were seen",
        values(Counter::OUTCOMES, "outcome"),
    )?;
    families.counters(
        "unparsed_packets",
        "Packets whose ports could not be read, by reason",
        values(Counter::UNPARSED, "reason"),
    )?;
    let lost = Counter::LOST_RECORDS.iter();
    families.counters(
        "lost_records",
        "Records that the ring could not take, or the agent left out, by kind",
        lost.map(|one| ([("kind", one.name().trim_start_matches("lost_"))], kernel.get(*one))),
    )?;
    let by_rule = |outbound: Counter, inbound: Counter| {
        [(outbound, smb_to_internet::META.id), (inbound, external_access::META.id)]
            .map(|(counter, rule)| ([("rule", rule)], kernel.get(counter)))
    };
    families.counters(
        "enforcement_matches",
        "SYNs that enforcement drops or would drop, by rule",
        by_rule(Counter::WouldDropOutbound, Counter::WouldDropInbound),
    )?;
    families.counters(
        "enforcement_drops",
        "SYNs that enforcement dropped, by rule",
        by_rule(Counter::DroppedOutbound, Counter::DroppedInbound),
    )?;
    let programs = || snapshot.programs.iter().map(|one| ([("program", one.name)], one));
    families.second_counters(
        "program_run_time_seconds",
        "Time that a kernel program ran, while kernel.bpf_stats_enabled is 1",
        programs().map(|(labels, one)| (labels, one.time)),
    )?;
    families.counters(
        "program_runs",
        "Packets for which a kernel program ran, while kernel.bpf_stats_enabled is 1",
        programs().map(|(labels, one)| (labels, one.count)),
    )?;
    for (name, help, counter) in [
        (
            "block_matches",
            "Packets of blocked hosts, networks and pairs, dry runs included",
            Counter::WouldDropBlocked,
        ),
        ("block_drops", "Packets that were dropped because of a block", Counter::DroppedBlocked),
    ] {
        families.counter(name, help, kernel.get(counter))?;
    }
    let accounted = snapshot.statistics.flow_packets;
    let kept = i64::try_from(kernel.get(Counter::Kept)).unwrap_or(i64::MAX);
    families.gauge(
        "unaccounted_packets",
        "Kept packets that are in no connection; 0 as long as no record is lost",
        (kept - accounted) as f64,
    )?;
    let (used, slots) = snapshot.slots;
    families.gauge("flow_slots", "Flow slots of all CPUs", slots as f64)?;
    families.gauge(
        "flow_slots_used",
        "Flow slots that hold a flow; one that is over stays until another needs its slot",
        used as f64,
    )?;
    families.gauge(
        "ring_size_bytes",
        "Size of the ring between kernel and agent",
        snapshot.ring.size as f64,
    )?;
    families.gauge(
        "ring_peak_bytes",
        "Most bytes that waited in the ring at a time since the start",
        snapshot.ring.peak as f64,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_in_exactly_one_family() {
        let single: Vec<_> = SINGLE.iter().map(|(counter, ..)| *counter).collect();
        let families =
            [&single, Counter::OUTCOMES, Counter::UNPARSED, Counter::LOST_RECORDS, Counter::ENFORCEMENT];
        for counter in Counter::ALL {
            let places = families.iter().filter(|family| family.contains(counter)).count();
            assert_eq!(places, 1, "{}", counter.name());
        }
    }
}
