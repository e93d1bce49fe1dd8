//! Finds the toolchain of the kernel program, and compiles the program.
//!
//! The kernel program is Rust for the target `bpfel-unknown-none` (`bpfeb-unknown-none` where the host is big-endian).
//! Compiling it takes three things that a plain Rust installation does not have together:
//!
//! 1. a rustc that can give the program a `core` library for BPF: precompiled in its sysroot, or as source (`rust-src`);
//! 2. `bpf-linker`, which turns rustc's bitcode into one BPF object;
//! 3. a `libLLVM` for `bpf-linker` to load, at least as new as the one that rustc wrote the bitcode with.
//!
//! [`Toolchain::find`] looks for them and installs nothing: that is the work of `cargo xtask setup`.
//! The crate uses the standard library alone, because the agent's build script depends on it.

mod compile;
mod linker;
mod llvm;
mod missing;
mod prebuilt;
mod rustc;
mod toolchain;
mod version;

pub use compile::{BuildError, BuildRequest, KernelObject, OWNER_BINARY};
pub use linker::Linker;
pub use llvm::LlvmLibrary;
pub use missing::Missing;
pub use prebuilt::{PREBUILT_VARIABLE, Prebuilt};
pub use rustc::{CoreSource, Rustc};
pub use toolchain::{Endian, Toolchain};
pub use version::{RustcVersion, Version};

/// Names the rustc that compiles the kernel program, as a path. Without it, one is looked for.
pub const RUSTC_VARIABLE: &str = "SMB_SENSOR_BPF_RUSTC";

/// Names the `bpf-linker` to use, as a path. Without it, one is looked for.
pub const LINKER_VARIABLE: &str = "SMB_SENSOR_BPF_LINKER";

/// The version of `bpf-linker` that `cargo xtask setup` installs; known to work with LLVM 22.
pub const LINKER_VERSION: &str = "0.10.3";
