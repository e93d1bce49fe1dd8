//! The owner programs at a cgroup: they record who opens a connection there.
//!
//! Takes the folder of a cgroup of the unified hierarchy, gives the kernel's record of a connection. The programs are attached by
//! BPF links, so they are detached when the process ends, even if it is killed.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, MapData},
    programs::{CgroupAttachMode, CgroupSockAddr, ProgramError, SockOps},
};
use sensor_common::owner::{CONNECTION_KEY_LEN, ConnectionKey, OPENER_LEN, Opener};
use thiserror::Error;
use zerocopy::{FromBytes as _, transmute};

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("SMB_OWNER_BPF_OBJECT"));

/// Programs at connect(2).
const AT_CONNECT: [&str; 2] = ["smb_connect4", "smb_connect6"];

/// The program before the SYN.
const BEFORE_SYN: &str = "smb_syn";

/// The map that the agent reads.
const OPENERS: &str = "OPENERS";

/// Why the owner programs do not run.
#[derive(Debug, Error)]
pub enum OwnerError {
    /// The maps were refused.
    #[error("cannot create the maps of the owner programs: {0}")]
    Maps(#[source] aya::EbpfError),
    /// The verifier refused a program, or the kernel its kind.
    #[error("the kernel refused the owner program {name}: {source}")]
    Refused {
        /// Program.
        name: &'static str,
        /// The kernel's message.
        #[source]
        source: ProgramError,
    },
    /// The cgroup cannot be opened.
    #[error("cannot open the cgroup {}: {source}", path.display())]
    Cgroup {
        /// Its folder.
        path: PathBuf,
        /// The kernel's message.
        #[source]
        source: std::io::Error,
    },
    /// The cgroup does not accept a program.
    #[error("cannot attach the owner program {name} to the cgroup {}: {source}", path.display())]
    Attach {
        /// Program.
        name: &'static str,
        /// Folder of the cgroup.
        path: PathBuf,
        /// The kernel's message.
        #[source]
        source: ProgramError,
    },
    /// The embedded object lacks a program.
    #[error("the embedded object has no {0}: it does not belong to this agent; build both together")]
    Missing(&'static str),
    /// The map has another layout.
    #[error("the map of openers has another layout than this agent expects: {0}")]
    Layout(#[source] aya::maps::MapError),
}

/// The owner programs, verified but not attached.
pub struct OwnerPrograms {
    ebpf: Ebpf,
}

/// The attached owner programs. Dropping it detaches them.
pub struct AttachedOwners {
    // The links are in here, and a program ends with its link.
    _ebpf: Ebpf,
    openers: HashMap<MapData, [u8; CONNECTION_KEY_LEN], [u8; OPENER_LEN]>,
}

impl OwnerPrograms {
    /// Lets the kernel verify them.
    ///
    /// # Errors
    /// [`OwnerError`]; nothing stays behind in the kernel.
    pub fn load() -> Result<Self, OwnerError> {
        let mut ebpf = EbpfLoader::new().load(OBJECT).map_err(OwnerError::Maps)?;
        for name in AT_CONNECT {
            let program = find::<CgroupSockAddr>(&mut ebpf, name)?;
            program.load().map_err(|source| OwnerError::Refused { name, source })?;
        }
        let program = find::<SockOps>(&mut ebpf, BEFORE_SYN)?;
        program.load().map_err(|source| OwnerError::Refused { name: BEFORE_SYN, source })?;
        Ok(Self { ebpf })
    }

    /// Attaches them to the cgroup in `folder`, beside other programs: from then on the connections of all
    /// processes in it and below are recorded.
    ///
    /// # Errors
    /// [`OwnerError`]; links made before the failure are detached again.
    pub fn attach(mut self, folder: &Path) -> Result<AttachedOwners, OwnerError> {
        let cgroup =
            File::open(folder).map_err(|source| OwnerError::Cgroup { path: folder.to_owned(), source })?;
        let refused = |name| move |source| OwnerError::Attach { name, path: folder.to_owned(), source };
        // A link always goes beside other programs; the kernel refuses flags with it.
        for name in AT_CONNECT {
            let program = find::<CgroupSockAddr>(&mut self.ebpf, name)?;
            program.attach(&cgroup, CgroupAttachMode::Single).map_err(refused(name))?;
        }
        // Last, so that it finds the callers.
        let program = find::<SockOps>(&mut self.ebpf, BEFORE_SYN)?;
        program.attach(&cgroup, CgroupAttachMode::Single).map_err(refused(BEFORE_SYN))?;
        let map = self.ebpf.take_map(OPENERS).ok_or(OwnerError::Missing(OPENERS))?;
        let openers = HashMap::try_from(map).map_err(OwnerError::Layout)?;
        Ok(AttachedOwners { _ebpf: self.ebpf, openers })
    }
}

impl AttachedOwners {
    /// The recorded opener of a connection.
    #[must_use]
    pub fn opener(&self, connection: &ConnectionKey) -> Option<Opener> {
        let key: [u8; CONNECTION_KEY_LEN] = transmute!(*connection);
        // No failure but "no such entry" happens for an existing map, and it means the same to the caller.
        let value = self.openers.get(&key, 0).ok()?;
        Opener::read_from_bytes(&value).ok()
    }
}

fn find<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, OwnerError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program>,
{
    ebpf.program_mut(name).and_then(|program| program.try_into().ok()).ok_or(OwnerError::Missing(name))
}
