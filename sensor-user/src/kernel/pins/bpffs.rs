//! The BPF file system.

use std::{fs, path::Path};

use nix::{
    mount::{MsFlags, mount},
    sys::statfs::{FsType, statfs},
};

use super::PinError;

/// Magic number of the file system (include/uapi/linux/magic.h).
const BPF_FS_MAGIC: FsType = FsType(0xCAFE_4A11);

/// Where it usually is.
const USUAL: &str = "/sys/fs/bpf";

/// What is to be done so that something can be pinned.
enum Needed {
    Nothing,
    /// The file system is to be mounted at the usual place.
    Mount,
}

/// Makes sure that `path`, which may be missing, is on a BPF file system; mounts one at the usual place if none is there.
pub(super) fn find(path: &Path) -> Result<(), PinError> {
    match needed(path)? {
        Needed::Nothing => Ok(()),
        Needed::Mount => {
            let mounted = mount(Some("bpf"), USUAL, Some("bpf"), MsFlags::empty(), Some("mode=0700"));
            mounted.map_err(|errno| PinError::NoBpffs {
                path: path.to_owned(),
                reason: format!("there is no BPF file system at {USUAL}, and none can be mounted: {errno}"),
            })
        }
    }
}

/// Whether something can be pinned below `directory`, as far as that can be tried without a trace.
///
/// # Errors
/// [`PinError`] with the reason.
pub fn can_pin(directory: &Path) -> Result<(), PinError> {
    if matches!(needed(directory)?, Needed::Mount) {
        return Ok(());
    }
    let is_new = !directory.exists();
    let tried = directory.join(format!("tried-{}", std::process::id()));
    let made = fs::DirBuilder::new().recursive(true).create(&tried).and_then(|()| fs::remove_dir(&tried));
    if is_new {
        let _ = fs::remove_dir(directory);
    }
    made.map_err(|source| PinError::File {
        operation: "make a folder in",
        path: directory.to_owned(),
        source,
    })
}

fn needed(path: &Path) -> Result<Needed, PinError> {
    let Some(there) = path.ancestors().find(|folder| folder.exists()) else { return Ok(Needed::Nothing) };
    if is_bpffs(there) {
        return Ok(Needed::Nothing);
    }
    let failed = |reason: String| PinError::NoBpffs { path: path.to_owned(), reason };
    if !path.starts_with(USUAL) {
        return Err(failed("there is no BPF file system (mount -t bpf bpf FOLDER makes one)".to_owned()));
    }
    if fs::read_link("/proc/self/ns/mnt").ok() != fs::read_link("/proc/1/ns/mnt").ok() {
        return Err(failed(format!(
            "there is no BPF file system at {USUAL}, and one that the agent mounts in its own mount namespace would end with it; \
             mount it outside: mount -t bpf bpf {USUAL}"
        )));
    }
    Ok(Needed::Mount)
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|info| info.filesystem_type() == BPF_FS_MAGIC)
}
