//! The user as whom the program runs, and its privileges.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use caps::{CapSet, Capability, CapsHashSet};
use nix::{
    sys::prctl,
    unistd::{User, getuid},
};

/// The only user whose name permits what root may do.
const ROOT: &str = "root";

/// What the thread needs to run a program as another user, and to kill it.
const TO_SWITCH: [Capability; 3] = [Capability::CAP_SETUID, Capability::CAP_SETGID, Capability::CAP_KILL];

/// As whom the program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// As the user of the agent. The other user is the configured one, as whom the agent may not run it.
    OfTheAgent {
        /// Name of the agent's user.
        name: String,
        /// Name of the user that was asked for, if it is another one.
        instead_of: Option<String>,
    },
    /// As another user.
    Other {
        /// Its name.
        name: String,
        /// Its number.
        uid: u32,
        /// The number of its group.
        gid: u32,
    },
    /// As root, which the configuration names.
    Root,
}

impl Identity {
    /// The one to use for a configured user. Reads the user database, which may take a while.
    ///
    /// # Errors
    /// If the program would run as root, which nobody asked for, or if there is no such user.
    pub fn of(user: Option<&str>) -> Result<Self> {
        let is_root = getuid().is_root();
        let Some(name) = user else {
            if is_root {
                bail!(
                    "response.exec would be run as root: name a user of its own with response.exec_user, or allow it with \
                     exec_user = \"root\""
                );
            }
            return Ok(Self::OfTheAgent { name: own_name(), instead_of: None });
        };
        let user = User::from_name(name)
            .with_context(|| format!("cannot look for the user {name}, whom response.exec_user names"))?
            .with_context(|| format!("there is no user {name}, whom response.exec_user names"))?;
        if user.uid.is_root() && name != ROOT {
            bail!("{name} is another name for root: write response.exec_user = \"root\" if that is meant");
        }
        if user.uid == getuid() {
            return Ok(if is_root {
                Self::Root
            } else {
                Self::OfTheAgent { name: user.name, instead_of: None }
            });
        }
        let may = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
        match (is_root, TO_SWITCH.into_iter().all(may)) {
            (true, true) => {
                Ok(Self::Other { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
            }
            (true, false) => bail!(
                "the agent is root and may not run response.exec as {name}: it lacks CAP_SETUID, CAP_SETGID or CAP_KILL"
            ),
            (false, _) => Ok(Self::OfTheAgent { name: own_name(), instead_of: Some(user.name) }),
        }
    }

    /// User and group of the program, if they are not those of the agent.
    pub(super) const fn ids(&self) -> Option<(u32, u32)> {
        match self {
            Self::Other { uid, gid, .. } => Some((*uid, *gid)),
            Self::OfTheAgent { .. } | Self::Root => None,
        }
    }

    /// Name of the user as whom the program runs.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::OfTheAgent { name, .. } | Self::Other { name, .. } => name,
            Self::Root => ROOT,
        }
    }

    /// The capabilities of the thread that runs the program.
    pub(super) fn needed(&self) -> Vec<Capability> {
        match self {
            Self::Root => caps::all().into_iter().collect(),
            Self::Other { .. } => TO_SWITCH.into(),
            Self::OfTheAgent { .. } => vec![],
        }
    }

    /// Gives up, for the calling thread and the programs that it starts, all privileges that are not needed to start them. Only
    /// root that was asked for keeps its own.
    pub(super) fn confine(&self) -> Result<()> {
        if *self == Self::Root {
            return Ok(());
        }
        let kept: CapsHashSet = self.needed().into_iter().collect();
        for set in [CapSet::Ambient, CapSet::Inheritable] {
            caps::clear(None, set).context("cannot give up capabilities")?;
        }
        for set in [CapSet::Effective, CapSet::Permitted] {
            caps::set(None, set, &kept).context("cannot give up capabilities")?;
        }
        prctl::set_no_new_privs().context("cannot give up new privileges")
    }
}

fn own_name() -> String {
    let uid = getuid();
    User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name)
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfTheAgent { name, instead_of: Some(other) } => {
                write!(f, "as {name}, the user of the agent, which may not run it as {other}")
            }
            _ => write!(f, "as {}", self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_runs_nothing_that_nobody_named() {
        if !getuid().is_root() {
            assert!(matches!(Identity::of(None).unwrap(), Identity::OfTheAgent { instead_of: None, .. }));
            return;
        }
        let refused = Identity::of(None).unwrap_err().to_string();
        assert!(refused.contains("would be run as root"), "{refused}");
        assert_eq!(Identity::of(Some("root")).unwrap(), Identity::Root);
        let nobody = Identity::of(Some("nobody")).unwrap();
        assert_eq!((nobody.to_string().as_str(), nobody.ids().is_some()), ("as nobody", true));
    }

    #[test]
    fn unknown_user_is_named() {
        let refused = Identity::of(Some("no-such-user")).unwrap_err().to_string();
        assert!(refused.contains("there is no user no-such-user"), "{refused}");
    }
}
