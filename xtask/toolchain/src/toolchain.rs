//! The compiler, the linker and the library that the linker loads.

use std::path::PathBuf;

use crate::linker::Linker;
use crate::llvm::LlvmLibrary;
use crate::missing::Missing;
use crate::rustc::{Rustc, output_of};
use crate::version::RustcVersion;

/// The byte order of the machine that runs the kernel program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    /// x86-64, AArch64, RISC-V.
    Little,
    /// s390x.
    Big,
}

impl Endian {
    /// The byte order of this machine.
    pub const fn host() -> Self {
        if cfg!(target_endian = "big") { Self::Big } else { Self::Little }
    }

    /// The Rust target of the kernel program.
    pub const fn target(self) -> &'static str {
        match self {
            Self::Little => "bpfel-unknown-none",
            Self::Big => "bpfeb-unknown-none",
        }
    }
}

/// The tools that compile the kernel program.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: Rustc,
    /// The linker.
    pub linker: Linker,
    /// The library that the linker loads.
    pub llvm: LlvmLibrary,
}

impl Toolchain {
    /// Finds the toolchain for objects that this host loads.
    pub fn find() -> Result<Self, Missing> {
        Self::find_for(Endian::host())
    }

    /// Finds the toolchain for objects of a byte order, which an agent for another host may need.
    pub fn find_for(endian: Endian) -> Result<Self, Missing> {
        let rustc = Rustc::find(endian.target());
        let linker = Linker::find();
        let llvm = rustc.as_ref().ok().map(LlvmLibrary::find);
        match (rustc, linker, llvm) {
            (Ok(rustc), Ok(linker), Some(Ok(llvm))) => Ok(Self { rustc, linker, llvm }),
            (rustc, linker, llvm) => {
                Err(Missing { rustc: rustc.err(), linker: linker.err(), llvm: llvm.and_then(Result::err) })
            }
        }
    }

    /// The `clippy-driver` that belongs to the rustc, or one phrase saying why there is none.
    ///
    /// A lint pass reads the libraries that the rustc wrote, so it must be of the very same build.
    pub fn clippy_driver(&self) -> Result<PathBuf, String> {
        let path = self.rustc.path.with_file_name("clippy-driver");
        let version = output_of(&path, ["--rustc", "-vV"])
            .map_err(|reason| format!("no clippy for the BPF rustc ({}: {reason})", path.display()))?;
        let same = RustcVersion::parse(&version).is_some_and(|version| version == self.rustc.version);
        if same { Ok(path) } else { Err(format!("{} is not of the BPF rustc's build", path.display())) }
    }

    /// Says in three lines what was found.
    pub fn describe(&self) -> String {
        let Self { rustc, linker, llvm } = self;
        let core = match rustc.core {
            crate::CoreSource::Precompiled => "with a BPF core",
            crate::CoreSource::Source => "with the sources of core",
        };
        format!(
            "rustc {} {core}: {}\nbpf-linker {}: {}\nLLVM {}.{}: {}",
            rustc.version.release,
            rustc.path.display(),
            linker.version,
            linker.path.display(),
            llvm.version.major,
            llvm.version.minor,
            llvm.path.display()
        )
    }
}
