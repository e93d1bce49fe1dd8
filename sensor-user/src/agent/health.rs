//! The health of the sensor, for outputs that report it.

use std::{sync::Arc, time::Instant};

use sensor_common::counter::Counter;

use super::Sensor;
use crate::{
    enforcement::Enforcement,
    health::{Health, HealthBoard, Lost, OutputHealth},
    kernel::counters::CounterValues,
    rfc3339::rfc3339,
    wall_clock,
};

/// What the report of the sensor begins with.
pub(super) struct HealthReport {
    board: Arc<HealthBoard>,
    host: String,
    started: Instant,
}

impl HealthReport {
    pub(super) fn on(board: Arc<HealthBoard>) -> Self {
        let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
        Self { board, host, started: Instant::now() }
    }
}

impl Sensor {
    /// Posts the health at this moment.
    pub(super) fn post_health(&self, counters: CounterValues) {
        let outputs = self.pipeline.output_status().into_iter().map(|one| OutputHealth {
            name: one.name,
            written: one.written,
            waiting: one.waiting,
            errors: one.errors,
            refused: one.refused,
        });
        let documents = self.pipeline.output_counts();
        self.health.board.post(Health {
            at: rfc3339(wall_clock::now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.health.host.clone(),
            uptime: self.health.started.elapsed().as_secs(),
            interval: 0,
            interfaces: self.attached.iter().map(|one| one.interface.name.clone()).collect(),
            enforcing: self.enforcement != Enforcement::Off,
            packets: counters.get(Counter::Seen),
            lost: Lost {
                records: counters.sum(Counter::LOST_RECORDS),
                packets: counters.get(Counter::LostPackets),
                documents: documents.dropped + documents.lost + documents.expired_waiting,
            },
            outputs: outputs.collect(),
        });
    }
}
