//! The state of the agent, for `smb-sensor status`.

use std::time::Instant;

use anyhow::{Context as _, Result};
use sensor_common::counter::Counter;
use sensor_core::time::Timestamp;

use super::{Sensor, executing::Exec};
use crate::{
    kernel::{attach::Direction, counters::CounterValues, interface::Interface},
    rfc3339::rfc3339,
    sinks::OutputStatus,
    status::{
        BySeverity, Connections, Exemptions, Failure, Incidents, InterfaceStatus, Output, Packets, Reload,
        Ring, Slots, Status, Store, problems,
    },
    wall_clock,
};

/// When things happened that the status reports.
pub(super) struct Since {
    pub(super) started: Timestamp,
    running: Instant,
    last_reload: Option<Reload>,
}

impl Since {
    /// The agent starts now.
    pub(super) fn start() -> Self {
        Self { started: wall_clock::now(), running: Instant::now(), last_reload: None }
    }

    /// The configuration was read again, or was not taken.
    pub(super) fn note_reload(&mut self, error: Option<&str>) {
        self.last_reload = Some(Reload { at: rfc3339(wall_clock::now()), error: error.map(str::to_owned) });
    }
}

impl Sensor {
    /// The present state.
    ///
    /// # Errors
    /// If the clock or the kernel's counters cannot be read.
    pub(super) fn status(&mut self) -> Result<Status> {
        let now = self.now()?;
        let counters = self.kernel.counter_values().context("cannot read the kernel's counters")?;
        let outputs = self.pipeline.output_status();
        let last_lost = self.pipeline.last_lost_record();
        let mut status = self.figures(counters);
        status.interfaces = self.interface_status();
        status.ring.last_lost = last_lost.map(rfc3339);
        status.exemptions = self.exemption_status(now.at, status.exemptions.connections);
        status.exec = self.exec.as_ref().map(Exec::status);
        status.outputs = outputs.iter().map(output).collect();
        status.problems = problems(&status, &outputs, last_lost, now.at);
        Ok(status)
    }

    /// What the statistics and the configuration say.
    fn figures(&self, counters: CounterValues) -> Status {
        let statistics = self.pipeline.statistics(counters);
        let (kernel, core, documents) = (&statistics.kernel, &statistics.core, &statistics.output);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: rfc3339(self.since.started),
            uptime_seconds: self.since.running.elapsed().as_secs(),
            profile: self.config.profile.to_string(),
            packets: Packets {
                seen: kernel.get(Counter::Seen),
                kept: kernel.get(Counter::Kept),
                lost: kernel.get(Counter::LostPackets),
                unparsed: kernel.sum(Counter::UNPARSED),
            },
            ring: Ring {
                bytes: self.config.kernel.ring_bytes,
                records: kernel.get(Counter::RecordsSent),
                lost: kernel.sum(Counter::LOST_RECORDS),
                last_lost: None,
            },
            slots: Slots {
                per_cpu: self.config.kernel.flow_slots,
                cpus: self.kernel.slots.cpus(),
                evicted: kernel.get(Counter::Evicted),
            },
            connections: Connections {
                open: core.connections,
                evicted: statistics.evicted_connections,
                untracked: statistics.untracked,
            },
            store: Store {
                bytes: None,
                max_bytes: self.config.journal.bytes,
                documents: documents.documents,
                unsaved: documents.unsaved,
                lost: documents.dropped + documents.lost,
                expired: documents.expired,
                failure: self.committed.failure(),
            },
            incidents: Incidents {
                open: BySeverity::of(core.incidents_open_by_severity.map(|count| count as u64)),
                opened: BySeverity::of(core.incidents_opened),
                held_back: core.held_back,
            },
            exemptions: Exemptions { connections: core.exempted, ..Exemptions::default() },
            enforcement: self.enforcement.to_string(),
            last_reload: self.since.last_reload.clone(),
            ..Status::default()
        }
    }

    /// What is watched, and what should be.
    fn interface_status(&self) -> Vec<InterfaceStatus> {
        let present = Interface::all().unwrap_or_default();
        let is_there = |index: u32| present.iter().any(|(known, _)| *known == index);
        let mut all: Vec<_> = self
            .attached
            .iter()
            // One may be gone since they were last looked after.
            .filter(|one| is_there(one.interface.index))
            .map(|one| {
                let missing = one.missing();
                let how = |direction, how: String| (!missing.contains(&direction)).then_some(how);
                InterfaceStatus {
                    name: one.interface.name.clone(),
                    incoming: how(Direction::Incoming, one.ingress.to_string()),
                    outgoing: how(Direction::Outgoing, one.egress.to_string()),
                    reason: one.instead.clone(),
                }
            })
            .collect();
        for wanted in &self.config.interfaces {
            let matching: Vec<_> =
                present.iter().map(|(_, name)| name).filter(|name| wanted.matches(name)).collect();
            let unwatched = |name: &str, reason: &str| InterfaceStatus {
                name: name.to_owned(),
                reason: Some(reason.to_owned()),
                ..InterfaceStatus::default()
            };
            // A pattern is for interfaces that may come.
            if matching.is_empty() && !wanted.is_pattern() && all.iter().all(|one| !wanted.matches(&one.name))
            {
                all.push(unwatched(&wanted.to_string(), "it is not there"));
            }
            for name in matching {
                if all.iter().all(|one| one.name != *name) {
                    all.push(unwatched(name, "it cannot be watched; the log says why"));
                }
            }
        }
        all
    }

    fn exemption_status(&mut self, now: Timestamp, connections: u64) -> Exemptions {
        let exemptions = self.pipeline.exemptions();
        let in_force = exemptions.all().iter().filter(|one| one.is_in_force(now));
        let never_matched = in_force.clone().filter(|one| !exemptions.hits().contains_key(&one.id)).count();
        let in_force = in_force.count();
        Exemptions { in_force, expired: exemptions.all().len() - in_force, never_matched, connections }
    }
}

fn output(one: &OutputStatus) -> Output {
    Output {
        name: one.name.clone(),
        delivered: one.written,
        waiting: one.waiting,
        errors: one.errors,
        refused: one.refused,
        lost: one.lost,
        can_deliver: one.ability.as_ref().map(Result::is_ok),
        last_success: one.last_success.map(rfc3339),
        last_error: one
            .last_error
            .as_ref()
            .map(|(at, reason)| Failure { at: rfc3339(*at), reason: reason.clone() }),
    }
}
