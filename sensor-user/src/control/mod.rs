//! Talking to the running agent: a socket in its state directory, one line each way.
//!
//! A request is a JSON object in a line, the answer is one too. Whoever may write to the state directory may ask.

mod client;
mod server;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::{
    client::{ControlError, ask},
    server::{Asked, Control},
};

/// Bytes of a request or an answer at most.
const LONGEST: u64 = 64 * 1024;

/// What the agent can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Request {
    /// Whether enforcement is in force.
    EnforcementStatus,
    /// Put enforcement into force.
    EnforcementOn {
        /// For so many seconds; 0 is without end, and without a number it is what the configuration says.
        seconds: Option<u64>,
    },
    /// End enforcement.
    EnforcementOff,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Answer {
    /// In words, for a person.
    pub told: String,
    /// Whether it was done.
    pub done: bool,
}

/// Where the socket is.
#[must_use]
pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}
