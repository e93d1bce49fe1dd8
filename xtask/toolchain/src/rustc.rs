//! The rustc that compiles the kernel program: the installed ones, and the choice of one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::RUSTC_VARIABLE;
use crate::version::{RustcVersion, Version};

/// The oldest rustc that compiles this workspace: `rust-version` in the root Cargo.toml.
const OLDEST: Version = Version::new(1, 90, 0);

/// Where the BPF `core` library of a rustc comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoreSource {
    /// The sysroot holds it compiled, as Debian's `libstd-rust-web-dev-bpf` puts it there.
    Precompiled,
    /// The sysroot holds its source (`rust-src`), from which cargo builds it.
    Source,
}

/// A rustc that can compile the kernel program.
#[derive(Debug, Clone)]
pub struct Rustc {
    /// The executable.
    pub path: PathBuf,
    /// The folder that holds its `bin` and `lib`.
    pub sysroot: PathBuf,
    /// What it says about itself.
    pub version: RustcVersion,
    /// Where its BPF `core` comes from.
    pub core: CoreSource,
}

impl Rustc {
    /// Finds the rustc to use for `target` (`bpfel-unknown-none`), or says in one phrase why there is none.
    pub(crate) fn find(target: &str) -> Result<Self, String> {
        if let Some(path) = env::var_os(RUSTC_VARIABLE) {
            return inspect(Path::new(&path), target)
                .map_err(|reason| format!("{RUSTC_VARIABLE}={}: {reason} (unset it?)", path.display()));
        }
        let candidates: Vec<Self> =
            candidate_paths().iter().filter_map(|path| inspect(path, target).ok()).collect();
        choose(candidates).ok_or_else(|| {
            format!("no rustc {}.{} or newer with a BPF `core` library", OLDEST.major, OLDEST.minor)
        })
    }
}

/// Takes the first with a precompiled `core`; without one, the newest that can build `core`, nightlies first because
/// building `core` is theirs by right and asks a stable one for a favour (`RUSTC_BOOTSTRAP`).
fn choose(candidates: Vec<Rustc>) -> Option<Rustc> {
    let precompiled = candidates.iter().position(|rustc| rustc.core == CoreSource::Precompiled);
    let chosen = precompiled.or_else(|| {
        let newest = candidates.iter().enumerate().max_by_key(|(position, rustc)| {
            (rustc.version.nightly, rustc.version.release, std::cmp::Reverse(*position))
        });
        newest.map(|(position, _)| position)
    })?;
    candidates.into_iter().nth(chosen)
}

/// The rustc on PATH, the distribution's, and those of rustup; the same one may come twice.
fn candidate_paths() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = on_path("rustc").into_iter().collect();
    paths.push(PathBuf::from("/usr/bin/rustc"));
    paths.extend(rustup_toolchains().into_iter().map(|sysroot| sysroot.join("bin/rustc")));
    paths.retain(|path| path.is_file());
    paths
}

/// The folders of the toolchains that rustup has installed, by name.
pub(crate) fn rustup_toolchains() -> Vec<PathBuf> {
    let home =
        env::var_os("RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".rustup")));
    let Some(entries) = home.and_then(|home| fs::read_dir(home.join("toolchains")).ok()) else {
        return Vec::new();
    };
    let mut toolchains: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    toolchains.sort();
    toolchains
}

/// Where a program of this name stands first on PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Asks the rustc at `path` what it is; the error is one phrase saying why it cannot serve.
fn inspect(path: &Path, target: &str) -> Result<Rustc, String> {
    let version = output_of(path, ["-vV"])?;
    let version = RustcVersion::parse(&version).ok_or("it does not tell its version as rustc does")?;
    if version.release < OLDEST {
        return Err(format!("it is rustc {}, and {OLDEST} or newer is needed", version.release));
    }
    let sysroot = PathBuf::from(output_of(path, ["--print", "sysroot"])?.trim());
    let core = core_source(&sysroot, target)
        .ok_or_else(|| format!("its sysroot {} has no BPF `core` library", sysroot.display()))?;
    Ok(Rustc { path: real_executable(path, &sysroot), sysroot, version, core })
}

/// What stands behind a rustup proxy, which would choose anew for each folder it is called in.
fn real_executable(path: &Path, sysroot: &Path) -> PathBuf {
    let real = sysroot.join("bin/rustc");
    if real.is_file() { real } else { path.to_owned() }
}

/// Where a sysroot would give the BPF `core` from, if at all.
fn core_source(sysroot: &Path, target: &str) -> Option<CoreSource> {
    let libraries = fs::read_dir(sysroot.join("lib/rustlib").join(target).join("lib"));
    let is_core = |name: &OsStr| {
        name.to_str().is_some_and(|name| name.starts_with("libcore-") && name.ends_with(".rlib"))
    };
    if libraries.is_ok_and(|files| files.filter_map(Result::ok).any(|file| is_core(&file.file_name()))) {
        return Some(CoreSource::Precompiled);
    }
    let source = sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs");
    source.is_file().then_some(CoreSource::Source)
}

/// What a program prints when run with `arguments`; the error is one phrase.
pub(crate) fn output_of<const N: usize>(program: &Path, arguments: [&str; N]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        // A rustup proxy must not answer by installing the toolchain that some folder asks for.
        .env("RUSTUP_AUTO_INSTALL", "0")
        .output()
        .map_err(|error| format!("it cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("it fails when run with {}: {}", arguments.join(" "), output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "its output is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rustc(name: &str, release: &str, core: CoreSource) -> Rustc {
        let text = format!("release: {release}\nLLVM version: 22.1.2\nhost: x86_64-unknown-linux-gnu\n");
        let version = RustcVersion::parse(&text).unwrap();
        Rustc { path: name.into(), sysroot: PathBuf::new(), version, core }
    }

    fn chosen(candidates: Vec<Rustc>) -> Option<String> {
        choose(candidates).map(|rustc| rustc.path.display().to_string())
    }

    #[test]
    fn prefers_a_precompiled_core_to_a_newer_nightly_with_sources() {
        let candidates = vec![
            rustc("nightly", "1.98.0-nightly", CoreSource::Source),
            rustc("distribution", "1.96.0", CoreSource::Precompiled),
        ];
        assert_eq!(chosen(candidates).as_deref(), Some("distribution"));
    }

    #[test]
    fn takes_the_first_of_two_precompiled_cores() {
        let candidates = vec![
            rustc("on path", "1.95.0", CoreSource::Precompiled),
            rustc("elsewhere", "1.96.0", CoreSource::Precompiled),
        ];
        assert_eq!(chosen(candidates).as_deref(), Some("on path"));
    }

    #[test]
    fn prefers_a_nightly_to_a_newer_stable_with_sources_alone() {
        let candidates = vec![
            rustc("stable", "1.99.0", CoreSource::Source),
            rustc("nightly", "1.97.0-nightly", CoreSource::Source),
        ];
        assert_eq!(chosen(candidates).as_deref(), Some("nightly"));
    }

    #[test]
    fn takes_the_newest_with_sources_alone() {
        let candidates =
            vec![rustc("old", "1.95.0", CoreSource::Source), rustc("new", "1.96.0", CoreSource::Source)];
        assert_eq!(chosen(candidates).as_deref(), Some("new"));
    }

    #[test]
    fn without_candidates_there_is_no_choice() {
        assert_eq!(chosen(Vec::new()), None);
    }

    #[test]
    fn refuses_a_missing_program_with_the_reason() {
        let reason = inspect(Path::new("/nonexistent/rustc"), "bpfel-unknown-none").unwrap_err();
        assert!(reason.starts_with("it cannot be run: "), "{reason}");
    }

    #[test]
    fn refuses_a_program_that_is_no_rustc_with_the_reason() {
        let reason = inspect(Path::new("/bin/echo"), "bpfel-unknown-none").unwrap_err();
        assert!(reason.contains("does not tell its version"), "{reason}");
    }

    #[test]
    fn oldest_rustc_is_that_of_the_workspace() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        let asked = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
        assert_eq!(Version::parse(asked), Some(OLDEST));
    }
}
