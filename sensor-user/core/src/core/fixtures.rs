//! A core for tests, with the events that it gave.

use std::{sync::Arc, time::Duration};

use sensor_common::slot::{RecordKind, mark};
use sensor_dissect::FingerprintKey;

use super::{Core, Input, Start};
use crate::{
    event::Event,
    incident::StoredIncident,
    process::NoProcesses,
    profile::{self, ProfileName},
    record::{Counts, Observation, fixtures::observed},
    rules::limits::Limits,
    service::ServicePorts,
    settings::Settings,
    terms::KnownTerms,
    time::{Moment, TickClock, Timestamp},
};

/// Time for an attempt to be answered, seconds.
pub(super) const SETTLED: i64 = 3;

pub(super) fn at(seconds: i64) -> Moment {
    Moment { at: Timestamp::from_unix_seconds(seconds), ticks: (seconds * 250) as u32 }
}

pub(super) fn settings() -> Settings {
    Settings {
        profile: ProfileName::Sensor,
        rulebook: profile::Settings::default(),
        watched: ServicePorts::default(),
        exemptions: vec![],
        threats: Arc::default(),
        assets: Arc::default(),
        limits: Limits::default(),
        attempt_settle: Duration::from_secs(SETTLED as u64),
        flow_idle: Duration::from_secs(1_800),
        flow_capacity: 1_024,
        incident_idle: Duration::from_secs(3_600),
        flow_summaries: false,
        shared_terms: false,
        recording: false,
    }
}

/// A core, and what it said.
pub(super) struct Sensor {
    pub(super) core: Core,
    pub(super) events: Vec<Event>,
}

impl Sensor {
    pub(super) fn new(settings: Settings) -> Self {
        Self::going_on(settings, vec![])
    }

    /// One whose kernel program began to see packets at this moment.
    pub(super) fn started(settings: Settings, now: Moment) -> Self {
        let mut sensor = Self::new(settings);
        sensor.core.started = Some(now.at);
        sensor
    }

    /// With the incidents of an earlier run.
    pub(super) fn going_on(settings: Settings, incidents: Vec<StoredIncident>) -> Self {
        let start = Start {
            terms: KnownTerms::in_memory(&settings.rulebook.windows),
            settings,
            clock: TickClock::with_tick(4_000_000),
            fingerprint_key: FingerprintKey::new([1; 32]),
            incidents,
            connections: vec![],
            started: None,
        };
        Self { core: Core::new(start, Box::new(NoProcesses)), events: vec![] }
    }

    pub(super) fn step(&mut self, input: Input<'_>, now: Moment) {
        self.core.step(input, now, &mut self.events);
    }

    /// A connection took its slot.
    pub(super) fn sees(&mut self, seen: &Observation, now: Moment) {
        self.core.observe(Some(RecordKind::Opened), seen, now);
        self.core.settle_changes(now.at, &mut self.events);
    }
}

/// A connection that began now with the SYN of one side.
pub(super) fn began(local: &str, remote: &str, marks: u16, tcp_flags: [u8; 2], now: Moment) -> Observation {
    let packets = tcp_flags.map(|flags| u64::from(flags != 0));
    let mut seen = Observation {
        marks: mark::OPENED_BY_SYN | marks,
        tcp_flags,
        counts: Counts { packets, bytes: packets.map(|n| n * 60), ..Counts::default() },
        first: now.ticks,
        last: now.ticks,
        ..observed(remote)
    };
    seen.id.tuple.local = local.parse().unwrap();
    seen
}
