//! The process on this machine that opened a connection, if known. The caller looks it up.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{address::FiveTuple, time::Moment};

/// The process that opened a connection. Its texts are escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process number outside all PID namespaces.
    pub pid: u32,
    /// Name of the process. `None` if another of its threads opened the connection and the process was gone before its
    /// own name was read.
    pub name: Option<String>,
    /// The thread that opened the connection, unless it is the first of the process.
    pub thread: Option<Thread>,
    /// User number outside all user namespaces.
    pub user: u32,
    /// Name of the user in /etc/passwd; `None` also for a process in a container, which has names of its own.
    pub user_name: Option<String>,
    /// The program file.
    pub executable: Option<Executable>,
    /// Number of the cgroup in the unified hierarchy.
    pub cgroup_id: u64,
    /// Path of that cgroup below the root of the hierarchy.
    pub cgroup: Option<String>,
    /// The container.
    pub container: Option<Container>,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
}

/// A program file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executable {
    /// Path, in the mount namespace of the process.
    pub path: String,
    /// Whether the file had been deleted.
    pub deleted: bool,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Identifier: mostly 64 hexadecimal digits, a name with LXC and systemd-nspawn.
    pub id: String,
    /// The engine, if the name of the cgroup shows it.
    pub runtime: Option<String>,
}

/// A connection that is new to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The connection.
    pub tuple: FiveTuple,
    /// Kernel ticks of its first observed packet.
    pub ticks: u32,
    /// Whether that packet was the first of the connection.
    pub from_the_start: bool,
}

/// Finds the process that opened a connection.
pub trait ProcessLookup {
    /// The process behind a connection that was just opened from the internal side.
    fn process_of(&mut self, opening: &Opening, now: Moment) -> Option<Arc<Process>>;
}

/// Knows no process, as on a gateway.
#[derive(Clone, Copy, Debug)]
pub struct NoProcesses;

impl ProcessLookup for NoProcesses {
    fn process_of(&mut self, _: &Opening, _: Moment) -> Option<Arc<Process>> {
        None
    }
}

impl fmt::Debug for dyn ProcessLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessLookup")
    }
}
