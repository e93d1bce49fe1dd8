//! The LLVM library that `bpf-linker` loads.
//!
//! `bpf-linker` is linked against no LLVM: it opens the first `libLLVM*` in the folders of `LD_LIBRARY_PATH`, of any version. An
//! LLVM reads bitcode of its own version and older, so one that is older than rustc's fails late and with an obscure error.
//! Therefore one library is chosen here, and the linker sees no other.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::rustc::{Rustc, rustup_toolchains};
use crate::version::Version;

/// A shared LLVM library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlvmLibrary {
    /// The file.
    pub path: PathBuf,
    /// Its version by its file name, which has no third number.
    pub version: Version,
}

impl LlvmLibrary {
    /// Finds the library to use with what `rustc` writes, or says in one phrase why there is none.
    pub(crate) fn find(rustc: &Rustc) -> Result<Self, String> {
        let libraries = folders(rustc).iter().flat_map(|folder| libraries_in(folder)).collect();
        let needed = rustc.version.llvm;
        choose(libraries, needed).ok_or_else(|| {
            format!(
                "no libLLVM {}.{} or newer for rustc {}",
                needed.major, needed.minor, rustc.version.release
            )
        })
    }
}

/// Takes the oldest that is new enough, since the linker was made for the LLVMs of its time; the first found of equals.
fn choose(libraries: Vec<LlvmLibrary>, needed: Version) -> Option<LlvmLibrary> {
    let needed = Version { patch: 0, ..needed };
    libraries.into_iter().filter(|library| library.version >= needed).min_by_key(|library| library.version)
}

/// Where to look, nearest to the rustc first.
fn folders(rustc: &Rustc) -> Vec<PathBuf> {
    let architecture = rustc.version.host.split('-').next().unwrap_or_default();
    let mut folders = vec![
        rustc.sysroot.join("lib"),
        rustc.sysroot.join("lib64"),
        PathBuf::from(format!("/usr/lib/{architecture}-linux-gnu")),
        PathBuf::from("/usr/lib64"),
        PathBuf::from("/usr/lib"),
    ];
    folders.extend(rustup_toolchains().into_iter().map(|sysroot| sysroot.join("lib")));
    if let Ok(entries) = fs::read_dir("/usr/lib") {
        let mut versioned: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("llvm-")))
            .map(|path| path.join("lib"))
            .collect();
        versioned.sort();
        folders.extend(versioned);
    }
    folders
}

fn libraries_in(folder: &Path) -> Vec<LlvmLibrary> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut libraries: Vec<LlvmLibrary> = entries
        .filter_map(|entry| {
            // `libLLVM-22.so` may lead to `libLLVM.so.22.1`, whose name says more.
            let path = fs::canonicalize(entry.ok()?.path()).ok()?;
            let version = version_of_file_name(path.file_name()?.to_str()?)?;
            is_elf(&path).then_some(LlvmLibrary { path, version })
        })
        .collect();
    libraries.sort_by(|a, b| a.path.cmp(&b.path));
    libraries.dedup();
    libraries
}

/// Reads the version from `libLLVM.so.22.1`, `libLLVM.so.22.1-rust-1.95.0-stable`, `libLLVM-15.so.1` and the like.
fn version_of_file_name(name: &str) -> Option<Version> {
    let name = name.strip_prefix("libLLVM")?;
    let version = name.strip_prefix(".so.").or_else(|| name.strip_prefix('-')).and_then(Version::parse)?;
    name.contains(".so").then_some(version)
}

/// Whether a file is a binary: rustup's toolchains also hold linker scripts under a library's name.
fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(name: &str) -> LlvmLibrary {
        LlvmLibrary { path: name.into(), version: version_of_file_name(name).unwrap() }
    }

    #[test]
    fn file_names_show_the_version() {
        for (name, major, minor) in [
            ("libLLVM.so.22.1", 22, 1),
            ("libLLVM.so.22.1-rust-1.95.0-stable", 22, 1),
            ("libLLVM-15.so.1", 15, 0),
            ("libLLVM-14.so", 14, 0),
            ("libLLVM-22-rust-1.95.0-stable.so", 22, 0),
        ] {
            assert_eq!(version_of_file_name(name), Some(Version::new(major, minor, 0)), "{name}");
        }
    }

    #[test]
    fn other_files_are_no_llvm_library() {
        for name in ["libLLVM.so", "libLLVMCore.a", "libLLVM-C.so", "libLTO.so.22.1", "libLLVM-22.a"] {
            assert_eq!(version_of_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn takes_the_oldest_library_that_is_new_enough() {
        let libraries =
            vec![library("libLLVM.so.23.1"), library("libLLVM-15.so.1"), library("libLLVM.so.22.1")];
        assert_eq!(choose(libraries, Version::new(22, 1, 8)), Some(library("libLLVM.so.22.1")));
    }

    #[test]
    fn takes_the_nearest_of_equal_libraries() {
        let libraries = vec![library("libLLVM.so.22.1"), library("libLLVM.so.22.1-rust-1.95.0-stable")];
        assert_eq!(choose(libraries, Version::new(22, 1, 2)), Some(library("libLLVM.so.22.1")));
    }

    #[test]
    fn does_not_take_a_library_older_than_the_bitcode() {
        assert_eq!(choose(vec![library("libLLVM.so.21.1")], Version::new(22, 1, 2)), None);
    }
}
