//! The programs: those of the object, which the kernel verifies when each is first used, or the pinned ones of an earlier run.

use std::{collections::BTreeMap, fs};

use aya::{
    Ebpf,
    maps::{Map, MapData},
    programs::{Program, ProgramError, SchedClassifier, Xdp},
};
use aya_obj::programs::XdpAttachType;

use super::{
    object::{LoadError, program},
    pins::{PinError, PinFolder},
};

/// The programs and their maps.
pub(super) enum Programs {
    /// Of the object.
    Object(Box<Ebpf>),
    /// Pinned ones.
    Pinned {
        /// Where.
        folder: PinFolder,
        /// By name.
        programs: BTreeMap<&'static str, Program>,
    },
}

impl Programs {
    /// The pinned ones.
    ///
    /// # Errors
    /// If one is missing or cannot be opened.
    pub(super) fn pinned(folder: &PinFolder) -> Result<Self, PinError> {
        let mut programs = BTreeMap::new();
        for name in program::PACKET_PATH.iter().chain(&[program::CLOCK]) {
            let path = folder.program(name);
            if !path.exists() {
                continue;
            }
            let is_xdp =
                matches!(*name, program::XDP_IN | program::XDP_FRAGS | program::XDP_IP | program::CLOCK);
            let opened = if is_xdp {
                Xdp::from_pin(&path, XdpAttachType::Interface).map(Program::Xdp)
            } else {
                SchedClassifier::from_pin(&path).map(Program::SchedClassifier)
            };
            programs.insert(*name, opened.map_err(|error| PinError::object("open", &path, &error))?);
        }
        Ok(Self::Pinned { folder: folder.clone(), programs })
    }

    /// Pins those that are loaded.
    ///
    /// # Errors
    /// As the kernel says.
    pub(super) fn pin(&mut self, folder: &PinFolder) -> Result<(), PinError> {
        let Self::Object(ebpf) = self else { return Ok(()) };
        for (name, program) in ebpf.programs_mut() {
            if program.fd().is_err() {
                continue;
            }
            let path = folder.program(name);
            let _ = fs::remove_file(&path);
            program.pin(&path).map_err(|error| PinError::object("pin", &path, &error))?;
        }
        Ok(())
    }

    /// A program by its name.
    pub(super) fn get(&self, name: &str) -> Option<&Program> {
        match self {
            Self::Object(ebpf) => ebpf.program(name),
            Self::Pinned { programs, .. } => programs.get(name),
        }
    }

    /// A program by its name, to use it.
    pub(super) fn find<'a, P>(&'a mut self, name: &'static str) -> Result<&'a mut P, LoadError>
    where
        &'a mut P: TryFrom<&'a mut Program>,
    {
        let program = match self {
            Self::Object(ebpf) => ebpf.program_mut(name),
            Self::Pinned { programs, .. } => programs.get_mut(name),
        };
        program.and_then(|program| program.try_into().ok()).ok_or(LoadError::Missing(name))
    }

    /// A map by its name.
    pub(super) fn take_map(&mut self, name: &'static str) -> Result<Map, LoadError> {
        match self {
            Self::Object(ebpf) => ebpf.take_map(name).ok_or(LoadError::Missing(name)),
            Self::Pinned { folder, .. } => pinned_map(folder, name),
        }
    }

    /// The XDP program for scattered frames or, on a kernel without support (before 5.18), the one for linear frames; gives its name.
    pub(super) fn load_xdp(&mut self) -> Result<&'static str, LoadError> {
        if let Self::Pinned { programs, .. } = self {
            let known = [program::XDP_FRAGS, program::XDP_IN];
            return known
                .into_iter()
                .find(|name| programs.contains_key(name))
                .ok_or(LoadError::Missing("XDP program"));
        }
        match self.load::<Xdp>(program::XDP_FRAGS) {
            Ok(()) => Ok(program::XDP_FRAGS),
            Err(error) => {
                tracing::debug!("no XDP for frames in several buffers: {error}");
                self.load::<Xdp>(program::XDP_IN).map(|()| program::XDP_IN)
            }
        }
    }

    /// Verifies a program.
    pub(super) fn load<P: Loadable>(&mut self, name: &'static str) -> Result<(), LoadError>
    where
        for<'a> &'a mut P: TryFrom<&'a mut Program>,
    {
        self.find::<P>(name)?.load().map_err(|source| LoadError::Verifier { name, source })
    }
}

/// A pinned map.
pub(super) fn pinned_map(folder: &PinFolder, name: &str) -> Result<Map, LoadError> {
    let path = folder.map(name);
    let opened = MapData::from_pin(&path).and_then(Map::from_map_data);
    opened.map_err(|error| PinError::object("open", &path, &error).into())
}

/// A kind of program that is loaded by its name alone.
pub(super) trait Loadable {
    fn load(&mut self) -> Result<(), ProgramError>;
}

impl Loadable for Xdp {
    fn load(&mut self) -> Result<(), ProgramError> {
        Self::load(self)
    }
}

impl Loadable for SchedClassifier {
    fn load(&mut self) -> Result<(), ProgramError> {
        Self::load(self)
    }
}
