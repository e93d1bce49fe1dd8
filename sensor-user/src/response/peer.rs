//! The user who asked for a response, or the agent itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who asked for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// A process that asked over the control socket, by the credentials that the kernel gives.
    User {
        /// Its user.
        uid: u32,
        /// The name of that user, if it has one here.
        name: Option<String>,
    },
    /// Somebody who sent a form of the page, by the name that was typed there.
    Page {
        /// That name.
        name: String,
    },
    /// The agent itself, as configured.
    Agent,
}

impl Peer {
    /// The user with this number. Reads the user database, which may take a while.
    #[must_use]
    pub fn of_uid(uid: u32) -> Self {
        let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
        Self::User { uid, name: user.map(|user| user.name) }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { uid, name: Some(name) } => write!(f, "{name} (uid {uid})"),
            Self::User { uid, name: None } => write!(f, "uid {uid}"),
            Self::Page { name } => write!(f, "{} (status page)", name.escape_debug()),
            Self::Agent => f.write_str("the agent"),
        }
    }
}
