//! Confines threads: their capabilities, the system calls that they may make, and the files that they may change.
//!
//! What a thread cannot do any more, a mistake in it cannot do either. Each restriction is for the thread itself and the threads that
//! it starts, and for as long as they live.

use std::{
    collections::BTreeMap,
    env,
    ffi::c_long,
    path::{Path, PathBuf},
    sync::Arc,
};

use caps::Capability;
use landlock::{
    ABI, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, path_beneath_rules,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use thiserror::Error;
use tracing::{debug, warn};

use crate::kernel::privileges;

/// System calls that are refused with EPERM. The agent needs none of them once it is attached, apart from `execve` in the thread of
/// `[response] exec`, which is not restricted.
const REFUSED: &[c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // The kernel.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_personality,
    libc::SYS_syslog,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // The clocks.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    // Keys.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // File systems and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
];

/// The newest Landlock rights that are asked for; an older kernel enforces those that it knows. Linux 6.2.
const RIGHTS: ABI = ABI::V3;

/// Why a thread could not be confined.
#[derive(Debug, Error)]
pub enum ConfineError {
    /// Its capabilities.
    #[error("it keeps capabilities: {0}")]
    Capabilities(#[from] caps::errors::CapsError),
    /// Its system calls.
    #[error("its system calls are not restricted: {0}")]
    Calls(#[from] seccompiler::Error),
    /// Its files.
    #[error("its access to files is not restricted: {0}")]
    Files(#[from] RulesetError),
}

/// What a thread may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed<'a> {
    /// Capabilities that it keeps.
    pub capabilities: &'a [Capability],
    /// It may change files outside the state directory.
    pub files: bool,
    /// It may run programs; then its system calls are not restricted, because theirs would be.
    pub programs: bool,
}

/// Confines threads of one agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Confinement {
    /// Where every thread may change files; without one, files are not restricted.
    state_dir: Option<Arc<PathBuf>>,
}

impl Confinement {
    pub(super) fn with_state_dir(state_dir: &Path) -> Self {
        Self { state_dir: Some(Arc::new(state_dir.to_owned())) }
    }

    /// Confines the calling thread, which has this name. A restriction that the kernel refuses is logged.
    pub(super) fn apply(&self, name: &str, allowed: &Allowed<'_>) {
        let complain = |result: Result<(), ConfineError>| {
            if let Err(error) = result {
                warn!("thread {name} is not confined: {error}");
            }
        };
        complain(privileges::keep_only(allowed.capabilities).map_err(ConfineError::from));
        if allowed.programs {
            return;
        }
        if let Some(state_dir) = self.state_dir.as_deref().filter(|_| !allowed.files) {
            complain(restrict_files(state_dir));
        }
        complain(restrict_calls());
    }
}

/// Restricts the system calls of the calling thread, which gains no new privileges any more. The kernel refuses none where it was
/// built without seccomp.
///
/// # Errors
/// If the kernel refuses the filter.
pub fn restrict_calls() -> Result<(), ConfineError> {
    let arch = TargetArch::try_from(env::consts::ARCH).map_err(seccompiler::Error::from)?;
    let rules: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|number| (*number, vec![])).collect();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(seccompiler::Error::from)?;
    apply_filter(&program)?;
    Ok(())
}

/// Whether this kernel has the Landlock rights that threads are denied.
///
/// # Errors
/// What is missing.
pub fn has_landlock() -> Result<(), RulesetError> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset.handle_access(AccessFs::from_write(RIGHTS))?.create()?;
    Ok(())
}

/// Takes from the calling thread the right to change files outside this folder, and to run any.
fn restrict_files(state_dir: &Path) -> Result<(), ConfineError> {
    let restricted = AccessFs::from_write(RIGHTS) | AccessFs::Execute;
    let status = Ruleset::default()
        .handle_access(restricted)?
        .create()?
        .add_rules(path_beneath_rules([state_dir], AccessFs::from_write(RIGHTS)))?
        .restrict_self()?;
    if status.ruleset == RulesetStatus::NotEnforced {
        debug!("this kernel has no Landlock, or it is turned off");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command, thread};

    use nix::{
        errno::Errno,
        mount::{MntFlags, umount2},
        sched::{CloneFlags, unshare},
    };

    use super::*;

    /// Both calls below are refused without this capability.
    const ALL: Allowed<'static> =
        Allowed { capabilities: &[Capability::CAP_SYS_ADMIN], files: true, programs: false };

    /// What a confined thread gives.
    fn confined<T: Send>(
        confinement: &Confinement,
        allowed: &Allowed<'_>,
        work: impl FnOnce() -> T + Send,
    ) -> T {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                confinement.apply("test", allowed);
                work()
            });
            thread.join().unwrap()
        })
    }

    #[test]
    fn thread_changes_files_in_the_state_directory_alone_and_reads_all() {
        let folder = tempfile::tempdir().unwrap();
        let (state, other) = (folder.path().join("state"), folder.path().join("other"));
        fs::create_dir(&state).unwrap();
        fs::write(&other, "before").unwrap();
        let confinement = Confinement::with_state_dir(&state);
        let work = || {
            let inside =
                fs::write(state.join("file"), "text").and_then(|()| fs::remove_file(state.join("file")));
            let changed = fs::write(&other, "after").or_else(|_| fs::remove_file(&other));
            (inside.is_ok(), changed.is_ok(), fs::read_to_string(&other).unwrap_or_default())
        };
        let of = |text: &str| text.to_owned();
        assert_eq!(confined(&confinement, &Allowed::default(), work), (true, false, of("before")));
        let files = Allowed { files: true, ..Allowed::default() };
        assert_eq!(confined(&confinement, &files, work), (true, true, of("after")));
    }

    #[test]
    fn only_a_thread_that_may_run_programs_runs_one() {
        let confinement = Confinement::default();
        let runs = || Command::new("/bin/true").status().is_ok();
        assert!(!confined(&confinement, &Allowed::default(), runs));
        assert!(confined(&confinement, &Allowed { programs: true, ..Allowed::default() }, runs));
        assert!(runs(), "the other threads are not concerned");
    }

    #[test]
    fn system_calls_that_the_agent_does_not_need_are_refused() {
        // Without the filter the first fails with another error, and root may do the second.
        let calls = || {
            let umount = umount2("/no/such/place", MntFlags::empty()).unwrap_err();
            (umount, unshare(CloneFlags::CLONE_NEWUTS).err())
        };
        let before = confined(&Confinement::default(), &Allowed { programs: true, ..ALL }, calls);
        assert_ne!(before.0, Errno::EPERM);
        let confined = confined(&Confinement::default(), &ALL, calls);
        assert_eq!(confined, (Errno::EPERM, Some(Errno::EPERM)));
    }
}
