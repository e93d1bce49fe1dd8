//! The baseline programs, loaded.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    programs::{Program, SchedClassifier, Xdp},
};

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("SMB_BENCH_BPF_OBJECT"));

/// A loaded set of baseline programs with maps of its own.
pub(crate) struct Baseline {
    ebpf: Ebpf,
}

impl Baseline {
    /// Loads all programs; `prepare` sets the sizes of their maps.
    pub(crate) fn load<'a>(prepare: impl FnOnce(&mut EbpfLoader<'a>)) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        prepare(&mut loader);
        let mut ebpf = loader.load(OBJECT).context("create the maps of the baseline programs")?;
        for (name, program) in ebpf.programs_mut() {
            match program {
                Program::Xdp(xdp) => xdp.load(),
                Program::SchedClassifier(classifier) => classifier.load(),
                _ => Ok(()),
            }
            .with_context(|| format!("load the baseline program {name}"))?;
        }
        Ok(Self { ebpf })
    }

    /// With maps of the least size.
    pub(crate) fn small() -> Result<Self> {
        Self::load(|_| {})
    }

    /// An XDP program by name.
    pub(crate) fn xdp(&self, name: &str) -> Result<&Xdp> {
        let program = self.ebpf.program(name).and_then(|program| program.try_into().ok());
        program.with_context(|| format!("the baselines have no XDP program {name}"))
    }

    /// An XDP program by name, to be attached.
    pub(crate) fn xdp_mut(&mut self, name: &str) -> Result<&mut Xdp> {
        let program = self.ebpf.program_mut(name).and_then(|program| program.try_into().ok());
        program.with_context(|| format!("the baselines have no XDP program {name}"))
    }

    /// A TC program by name.
    pub(crate) fn classifier(&self, name: &str) -> Result<&SchedClassifier> {
        let program = self.ebpf.program(name).and_then(|program| program.try_into().ok());
        program.with_context(|| format!("the baselines have no TC program {name}"))
    }

    /// The object, for its maps.
    pub(crate) const fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }
}
