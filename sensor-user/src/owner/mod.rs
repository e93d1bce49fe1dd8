//! Whose connection it is: the process on this machine that opened a conversation.
//!
//! Takes the ends of a conversation and the time of its first packet, gives the owner, or nothing: a conversation that
//! merely passes this machine has none, and none is guessed. What the kernel wrote down when the process called connect(2)
//! (process and thread number, name, user, cgroup) stays true when the process is gone; what is read from /proc afterwards
//! is taken only from the same process, see [`process`].

mod attribution;
mod cgroup;
mod container;
mod process;
mod start;
mod user;

pub use attribution::{Attribution, Openers};
pub use container::Container;
pub use process::Executable;
pub use start::{Reach, reach, start};

use std::sync::Arc;

use crate::{flow::Conversation, kernel::ticks::Moment};

/// The process that opened a connection. Texts are fit to be shown: see [`shown`](mod@shown).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Number of the process, as it is outside all PID namespaces.
    pub process: u32,
    /// Name of the process. `None` when another of its threads opened the connection and the process was gone before its
    /// own name was read.
    pub name: Option<String>,
    /// The thread that opened the connection, unless it is the process's first.
    pub thread: Option<Thread>,
    /// Number of the user, as it is outside all user namespaces.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
}

/// A conversation that was seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its ends.
    pub ends: Conversation,
    /// Kernel ticks of the first packet that was seen of it.
    pub ticks: u32,
    /// Whether that packet was its first, and no later one.
    pub from_the_start: bool,
}

/// Who knows owners.
pub trait Owners {
    /// The owner of a conversation that was just opened from the internal side.
    fn owner_of(&mut self, opening: &Opening, now: Moment) -> Option<Arc<Owner>>;
}

/// Nobody is known, as on a gateway.
#[derive(Clone, Copy, Debug)]
pub struct NoOwners;

impl Owners for NoOwners {
    fn owner_of(&mut self, _: &Opening, _: Moment) -> Option<Arc<Owner>> {
        None
    }
}
