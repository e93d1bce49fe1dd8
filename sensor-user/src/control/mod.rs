//! Talking to the running agent: a socket in its state directory, one line each way.
//!
//! A request is a JSON object in a line, and so is the answer. Everyone who may open the socket may ask: the user that the agent
//! runs as, and root. Incidents and documents are read from the store, not over this socket.

mod client;
mod server;

use std::{
    io,
    path::{Path, PathBuf},
};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::explain;

pub use self::{
    client::{ControlError, ask},
    server::{Asked, Control},
};

/// Bytes of a request or an answer at most.
const MAX_LINE_LEN: u64 = 64 * 1024;

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
    /// Explain addresses; the answer in words is the explanation as JSON.
    Explain(explain::Query),
    /// Read the configuration and the exemptions again, as at SIGHUP.
    Reload,
    /// Save what exemptions have covered, for whoever reads it.
    SaveHits,
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// What is asked.
    #[serde(flatten)]
    pub(crate) request: Request,
    /// Nanoseconds of CLOCK_BOOTTIME after which nobody waits for the answer any more.
    pub(crate) before: u64,
}

impl Request {
    /// Whether it is carried out even when nobody waits for the answer any more: what makes packets pass is.
    const fn outlives_its_asker(&self) -> bool {
        !matches!(self, Self::EnforcementOn { .. })
    }
}

/// Nanoseconds of CLOCK_BOOTTIME.
fn boot_nanos() -> io::Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Answer {
    /// The answer as text, for a person.
    pub text: String,
    /// Whether it was done.
    pub done: bool,
}

/// Where the socket is.
#[must_use]
pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}
