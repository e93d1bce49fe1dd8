//! Publishes the state of the agent once a second, for clients of the HTTP listener.

use std::time::Instant;

use anyhow::{Context as _, Result};

use super::{Sensor, executing::Exec};
use crate::{
    enforcement::Enforcement,
    http::{BlockState, ExemptionState, InterfaceState, RingState, Snapshot},
    response::Block,
};

impl Sensor {
    /// Publishes the state of the agent, if anybody may ask for it.
    pub(super) fn publish(&mut self) -> Result<()> {
        if self.http.is_none() {
            return Ok(());
        }
        let snapshot = self.snapshot()?;
        if let Some(http) = &self.http {
            http.publish(snapshot);
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        let at = self.now()?.at;
        let counters = self.kernel.counter_values().context("cannot read the kernel's counters")?;
        let rules = self.config.profile.profile().rules.iter().map(|rule| rule.rule.id);
        let findings = self.pipeline.findings();
        let count = |rule| (rule, findings.get(rule).copied().unwrap_or_default());
        Ok(Snapshot {
            at,
            taken: Instant::now(),
            started: self.since.started,
            statistics: self.pipeline.statistics(counters),
            incidents: self.pipeline.incident_tally(),
            findings: rules.map(count).collect(),
            outputs: self.pipeline.output_status(),
            interfaces: self.interface_states(),
            stages: self.stages.clone(),
            programs: self.kernel.program_runs(),
            slots: (self.kernel.slots.used(), self.kernel.slots.count()),
            ring: RingState { size: self.kernel.records.size(), peak: self.kernel.records.peak() },
            enforces: self.enforcement != Enforcement::Off,
            enforcement: self.enforcement.to_string(),
            learning_until: self.pipeline.learning_until(at),
            profile: self.config.profile.name(),
            threat_prefixes: self.config.threats.len(),
            reloads: self.reloads,
            exemptions: self.exemption_states(at),
            blocks: self.block_states(),
            exec: self.exec.as_ref().map(Exec::counts).unwrap_or_default(),
        })
    }

    fn block_states(&self) -> Vec<BlockState> {
        let state = |block: &Block| BlockState { block: block.clone(), packets: self.packets(block) };
        self.blocks.all().iter().map(state).collect()
    }

    fn exemption_states(&mut self, at: sensor_core::time::Timestamp) -> Vec<ExemptionState> {
        let exemptions = self.pipeline.exemptions();
        let hits = exemptions.hits();
        let state = |one: &sensor_core::exempt::Exemption| {
            let hit = hits.get(&one.id);
            ExemptionState {
                id: one.id.clone(),
                in_force: one.is_in_force(at),
                expires: one.expires,
                connections: hit.map_or(0, |hit| hit.connections),
                packets: hit.map_or(0, |hit| hit.packets),
                last: hit.map(|hit| hit.last),
            }
        };
        exemptions.all().iter().map(state).collect()
    }

    /// Interfaces that are watched, that cannot be watched, and configured ones that are not there.
    fn interface_states(&self) -> Vec<InterfaceState> {
        let mut states: Vec<InterfaceState> = Vec::new();
        for attached in &self.attached {
            let name = attached.interface.name.clone();
            let state = match self.refused.reason(attached.interface.index) {
                Some(reason) => Err(reason.to_owned()),
                None => Ok(attached.to_string()),
            };
            states.push(InterfaceState { name, state });
        }
        let is_attached = |index: u32| self.attached.iter().any(|one| one.interface.index == index);
        for (_, one) in self.refused.iter().filter(|(index, _)| !is_attached(*index)) {
            states.push(InterfaceState { name: one.name.clone(), state: Err(one.reason.clone()) });
        }
        for wanted in &self.config.interfaces {
            if !states.iter().any(|state| wanted.matches(&state.name)) {
                let reason = "there is no such interface".to_owned();
                states.push(InterfaceState { name: wanted.to_string(), state: Err(reason) });
            }
        }
        states
    }
}
