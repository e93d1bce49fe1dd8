//! Metrics of the agent: connections, incidents, rules, exemptions, configuration.

use std::fmt;

use sensor_core::level::{EvidenceLevel, Severity};

use super::families::{Families, seconds};
use crate::{http::snapshot::Snapshot, response::exec::ExecResult, runtime::logging};

pub(super) fn encode(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    process(snapshot, families)?;
    connections(snapshot, families)?;
    incidents(snapshot, families)?;
    exemptions(snapshot, families)?;
    exec(snapshot, families)?;
    configuration(snapshot, families)
}

fn process(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let version = env!("CARGO_PKG_VERSION");
    families.gauges(
        "build_info",
        "Version of the agent and active profile; always 1",
        [([("version", version), ("profile", snapshot.profile)], 1.0)],
    )?;
    families.gauge(
        "start_time_seconds",
        "When the agent started, since the Unix epoch",
        seconds(snapshot.started),
    )?;
    families.gauge(
        "last_sweep_time_seconds",
        "When the flow slots were last read, since the Unix epoch; once a second",
        seconds(snapshot.at),
    )?;
    families.gauges(
        "interface_attached",
        "Whether a configured interface is watched: 1 or 0",
        snapshot
            .interfaces
            .iter()
            .map(|one| ([("interface", one.name.as_str())], f64::from(u8::from(one.state.is_ok())))),
    )?;
    families.latencies(
        "stage_duration_seconds",
        "Time that a stage took: read from packet to agent, core until its documents are made, store until they are committed",
        snapshot.stages.all().map(|(stage, latency)| ([("stage", stage)], latency)),
    )?;
    families.counter("lost_log_lines", "Lines that standard error did not take", logging::lost_lines())
}

fn connections(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let all = &snapshot.statistics;
    families.gauge("connections", "Connections that are followed now", all.core.connections as f64)?;
    families.counter(
        "evicted_connections",
        "Connections that left the agent's table before they were over because it was full",
        all.evicted_connections,
    )?;
    families.counter(
        "untracked_observations",
        "Observations that found the agent's table full",
        all.untracked,
    )?;
    families.counter(
        "unread_payload_pieces",
        "Pieces of messages that were not read because all readers were in use",
        all.unread,
    )?;
    families.counter("undecodable_records", "Records that this agent cannot read", all.core.undecodable)?;
    families.counter("exempted_connections", "Connections that an exemption covered", all.core.exempted)?;
    families.counter(
        "flow_summaries_left_out",
        "Connections that have no summary because too many ended at once",
        all.core.summaries_left_out,
    )?;
    families.counter("quic_client_hellos", "ClientHellos of QUIC that were read", all.quic.hellos)?;
    families.counter(
        "quic_client_hellos_given_up",
        "ClientHellos of QUIC that were given up before they were whole",
        all.quic.given_up,
    )?;
    families.counter(
        "quic_uncounted_connections",
        "Connections with SMB over QUIC whose packets are not counted because too many are",
        all.quic.uncounted,
    )?;
    let (packets, changes) = all.unrecorded;
    families.counter("unrecorded_packets", "Packets that came too fast to be recorded", packets)?;
    families.counter(
        "unrecorded_incident_changes",
        "Changes of incidents that came too fast for the recording",
        changes,
    )
}

fn incidents(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let core = &snapshot.statistics.core;
    let by_severity = |counts: [u64; 4]| Severity::ALL.into_iter().map(Severity::name).zip(counts);
    families.counters(
        "opened_incidents",
        "Incidents that were opened since the start, by their severity then",
        by_severity(core.incidents_opened).map(|(severity, count)| ([("severity", severity)], count)),
    )?;
    families.counter(
        "destinations_decided_alone",
        "New destinations about which no other sensor answered in time, or that were too many to ask about",
        core.decided_alone,
    )?;
    families.counter("held_back_incidents", "Incidents that the quota held back", core.held_back)?;
    families.counter(
        "forgotten_early_incidents",
        "Incidents that were forgotten before seven days had passed, because 65536 others are remembered",
        core.forgotten_early,
    )?;
    let tally = &snapshot.incidents;
    let states = [("open", tally.open), ("closed", tally.closed)];
    families.gauges(
        "incidents",
        "Incidents that are open or were active in the last seven days, by severity and state",
        states.into_iter().flat_map(|(state, counts)| {
            by_severity(counts)
                .map(move |(severity, count)| ([("severity", severity), ("state", state)], count as f64))
        }),
    )?;
    families.gauges(
        "incidents_by_evidence",
        "The same incidents, by how far they got",
        EvidenceLevel::ALL
            .into_iter()
            .zip(tally.evidence)
            .map(|(level, count)| ([("level", level.name())], count as f64)),
    )?;
    families.counters(
        "findings",
        "Findings since the start, by rule; each counts once for an incident",
        snapshot.findings.iter().map(|(rule, count)| ([("rule", *rule)], *count)),
    )
}

fn exemptions(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let all = || snapshot.exemptions.iter().map(|one| ([("exemption", one.id.as_str())], one));
    families.gauges(
        "exemption_in_force",
        "Whether an exemption has not expired: 1 or 0",
        all().map(|(labels, one)| (labels, f64::from(u8::from(one.in_force)))),
    )?;
    families.gauges(
        "exemption_expiry_time_seconds",
        "When an exemption expires, since the Unix epoch, if it does",
        all().filter_map(|(labels, one)| Some((labels, seconds(one.expires?)))),
    )?;
    families.counters(
        "exemption_connections",
        "Connections that an exemption covered, earlier runs included",
        all().map(|(labels, one)| (labels, one.connections)),
    )?;
    families.counters(
        "exemption_packets",
        "Packets that the kernel let pass by an exemption, earlier runs included",
        all().map(|(labels, one)| (labels, one.packets)),
    )?;
    families.gauges(
        "exemption_last_hit_time_seconds",
        "When an exemption last covered something, since the Unix epoch",
        all().filter_map(|(labels, one)| Some((labels, seconds(one.last?)))),
    )
}

fn exec(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    families.counters(
        "exec_runs",
        "Runs of the program of response.exec, by how they ended",
        ExecResult::NAMES
            .into_iter()
            .zip(snapshot.exec.by_result)
            .map(|(result, count)| ([("result", result)], count)),
    )?;
    families.counter(
        "exec_left_out",
        "Incidents for which response.exec was not run because too many waited for it",
        snapshot.exec.left_out,
    )
}

fn configuration(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let reloads = &snapshot.reloads;
    families.gauge(
        "config_last_reload_successful",
        "Whether the last reload of the configuration was applied: 1 or 0",
        f64::from(u8::from(reloads.last_applied)),
    )?;
    families.gauge(
        "config_last_reload_success_time_seconds",
        "When a configuration was last applied, since the Unix epoch; at first the start",
        seconds(reloads.applied_at),
    )?;
    families.counters(
        "config_reloads",
        "Reloads of the configuration since the start, by outcome",
        [([("outcome", "applied")], reloads.applied), ([("outcome", "refused")], reloads.refused)],
    )?;
    families.gauge("threat_list_prefixes", "Prefixes on threat lists", snapshot.threat_prefixes as f64)?;
    families.gauge(
        "enforcement_active",
        "Whether the agent drops packets now: 1 or 0",
        f64::from(u8::from(snapshot.enforces)),
    )?;
    families.gauge(
        "learning",
        "Whether destinations are still learnt and none is reported as rare: 1 or 0",
        f64::from(u8::from(snapshot.learning_until.is_some())),
    )
}
