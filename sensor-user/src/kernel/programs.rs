//! Lets the kernel verify the programs of the object, each when it is first used.

use aya::{
    Ebpf,
    programs::{ProgramError, SchedClassifier, Xdp},
};

use super::object::{LoadError, program};

/// A program by its name.
pub(super) fn find<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, LoadError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program>,
{
    ebpf.program_mut(name).and_then(|program| program.try_into().ok()).ok_or(LoadError::Missing(name))
}

/// Loads the XDP program for scattered frames or, on a kernel without support (before 5.18), the one for linear frames.
pub(super) fn load_xdp(ebpf: &mut Ebpf) -> Result<&'static str, LoadError> {
    match load_program::<Xdp>(ebpf, program::XDP_FRAGS) {
        Ok(()) => Ok(program::XDP_FRAGS),
        Err(error) => {
            tracing::debug!("no XDP for frames in several buffers: {error}");
            load_program::<Xdp>(ebpf, program::XDP_IN).map(|()| program::XDP_IN)
        }
    }
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

/// Verifies a program.
pub(super) fn load_program<P: Loadable>(ebpf: &mut Ebpf, name: &'static str) -> Result<(), LoadError>
where
    for<'a> &'a mut P: TryFrom<&'a mut aya::programs::Program>,
{
    find::<P>(ebpf, name)?.load().map_err(|source| LoadError::Verifier { name, source })
}
