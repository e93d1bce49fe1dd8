//! The configured program, and its bounds.

use std::{path::PathBuf, time::Duration};

use sensor_core::level::Severity;

/// The program and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOptions {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Name of the user as whom it runs; `None` is the user of the agent.
    pub user: Option<String>,
    /// Least severity of an incident for which it runs.
    pub min_severity: Severity,
    /// Time after which it is killed.
    pub timeout: Duration,
    /// Most runs in a minute.
    pub per_minute: usize,
}
