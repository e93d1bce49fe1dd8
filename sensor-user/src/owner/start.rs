//! Starts attribution as configured, or continues without it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use caps::{CapSet, Capability};
use tracing::{info, warn};

use super::{
    Attribution,
    attribution::Sources,
    cgroup::unified_hierarchy,
    process::{Processes, numbers_mean_the_same},
    user::UserNames,
};
use crate::{
    config::{AttributionChoice, ProcessOptions},
    kernel::owner::OwnerPrograms,
};
use sensor_core::{
    process::{NoProcesses, ProcessLookup},
    time::TickClock,
};

/// Inode number of the root of every cgroup hierarchy.
const ROOT: u64 = 1;

/// The reach of attribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Folder of the cgroup whose processes are named.
    pub folder: PathBuf,
    /// Whether the cgroup has all processes, or those that the configuration names.
    pub whole: bool,
    /// Whether process numbers here are those of the kernel.
    pub numbers_mean_the_same: bool,
    /// Whether the program files of other users' processes may be read.
    pub reads_others: bool,
}

impl Reach {
    /// What is lost, and what to do; empty if nothing is.
    #[must_use]
    pub fn lost(&self) -> Vec<&'static str> {
        let mut lost = Vec::new();
        if !self.whole {
            lost.push(
                "other processes are not named: this is the cgroup of a container; start the sensor outside it",
            );
        }
        if !self.numbers_mean_the_same {
            lost.push(
                "program files are not named: process numbers here are not those of the host (for a container: --pid=host)",
            );
        } else if !self.reads_others {
            lost.push("program files of other users' processes are not named without CAP_SYS_PTRACE");
        }
        lost
    }
}

/// The reach of attribution, or why it is impossible and what to do.
///
/// # Errors
/// If there is no cgroup to attach to.
pub fn reach(options: &ProcessOptions) -> Result<Reach, String> {
    let folder = options.cgroup.clone().or_else(unified_hierarchy).ok_or(
        "no unified cgroup hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup, or name one with process.cgroup",
    )?;
    let about = cgroup_at(&folder).map_err(|error| {
        format!("{} is no cgroup of the unified hierarchy ({error}): see process.cgroup", folder.display())
    })?;
    Ok(Reach {
        whole: options.cgroup.is_some() || about.ino() == ROOT,
        folder,
        numbers_mean_the_same: numbers_mean_the_same(),
        reads_others: caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_PTRACE).unwrap_or(false),
    })
}

/// Recognises a cgroup's folder by a file that only cgroups of the unified hierarchy have.
fn cgroup_at(folder: &Path) -> io::Result<fs::Metadata> {
    fs::metadata(folder.join("cgroup.controllers"))?;
    fs::metadata(folder)
}

/// Attaches the owner programs. The sensor does not depend on them, so a failure is only logged, once.
#[must_use]
pub fn start(
    options: &ProcessOptions,
    clock: TickClock,
    users: Arc<UserNames>,
) -> Box<dyn ProcessLookup + Send> {
    if options.attribution == AttributionChoice::Off {
        return Box::new(NoProcesses);
    }
    let reach = match reach(options) {
        Ok(reach) => reach,
        Err(reason) => {
            warn!("alerts name no process: {reason}");
            return Box::new(NoProcesses);
        }
    };
    match OwnerPrograms::load().and_then(|programs| programs.attach(&reach.folder)) {
        Ok(attached) => {
            info!("alerts name the process of connections opened below {}", reach.folder.display());
            for lost in reach.lost() {
                warn!("{lost}");
            }
            Box::new(Attribution::new(attached, clock, sources(&reach, users)))
        }
        Err(error) => {
            warn!("alerts name no process: {error}");
            Box::new(NoProcesses)
        }
    }
}

fn sources(reach: &Reach, users: Arc<UserNames>) -> Sources {
    let hertz = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    let hertz = hertz.and_then(|hertz| u64::try_from(hertz).ok()).filter(|_| reach.numbers_mean_the_same);
    Sources {
        processes: hertz.map(|hertz| Processes::of(PathBuf::from("/proc"), hertz)),
        cgroups: unified_hierarchy(),
        users,
    }
}
