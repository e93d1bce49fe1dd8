//! One reading of a running agent.

use std::{path::Path, time::Instant};

use sensor_core::level::Severity;

use crate::{
    alerts::{self, Line},
    status::{self, Status},
    storage::{IncidentQuery, Reader},
};

/// Most incidents of a sample: the worst, and of these the latest.
const MAX_INCIDENTS: usize = 200;

/// A reading.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) taken: Instant,
    /// The state of the agent, or why there is none.
    pub(super) status: Result<Status, String>,
    /// Incidents in the store, whether or not the agent answers.
    pub(super) incidents: Vec<(Severity, Line)>,
}

impl Sample {
    /// Asks the agent of this state directory, and reads its store.
    pub(super) fn take(state_dir: &Path) -> Self {
        let status = status::ask(state_dir).map_err(|error| format!("{error:#}"));
        Self { taken: Instant::now(), status, incidents: incidents(state_dir) }
    }
}

/// Those in the store, if it can be read: there is none before the first start.
fn incidents(state_dir: &Path) -> Vec<(Severity, Line)> {
    let rows = Reader::open(state_dir).and_then(|reader| reader.incidents(&IncidentQuery::default()));
    let incidents = rows.unwrap_or_default().into_iter().take(MAX_INCIDENTS);
    incidents.filter_map(|row| alerts::line(&row)).collect()
}
