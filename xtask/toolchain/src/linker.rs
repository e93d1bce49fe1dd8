//! `bpf-linker`: the installed ones, and the choice of one.

use std::env;
use std::path::{Path, PathBuf};

use crate::rustc::{on_path, output_of};
use crate::version::Version;
use crate::{LINKER_VARIABLE, LINKER_VERSION};

/// The oldest `bpf-linker` that is used when found; older ones were made for LLVMs before rustc 1.90's.
const OLDEST: Version = Version::new(0, 10, 0);

/// A `bpf-linker`.
#[derive(Debug, Clone)]
pub struct Linker {
    /// The executable.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
}

impl Linker {
    /// Finds the linker to use, or says in one phrase why there is none.
    pub(crate) fn find() -> Result<Self, String> {
        if let Some(path) = env::var_os(LINKER_VARIABLE) {
            return inspect(Path::new(&path))
                .map_err(|reason| format!("{LINKER_VARIABLE}={}: {reason} (unset it?)", path.display()));
        }
        let mut refused = None;
        for path in candidate_paths() {
            match inspect(&path) {
                Ok(linker) => return Ok(linker),
                Err(reason) => refused = refused.or_else(|| Some(format!(" ({}: {reason})", path.display()))),
            }
        }
        Err(format!("no bpf-linker{}", refused.unwrap_or_default()))
    }
}

/// PATH first, then the folders that `cargo install` writes to, which need not be on PATH.
fn candidate_paths() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = on_path("bpf-linker").into_iter().collect();
    let roots = [env::var_os("CARGO_INSTALL_ROOT"), env::var_os("CARGO_HOME")];
    let mut roots: Vec<PathBuf> = roots.into_iter().flatten().map(PathBuf::from).collect();
    roots.extend(env::home_dir().map(|home| home.join(".cargo")));
    paths.extend(roots.into_iter().map(|root| root.join("bin/bpf-linker")));
    paths.retain(|path| path.is_file());
    paths
}

fn inspect(path: &Path) -> Result<Linker, String> {
    let output = output_of(path, ["--version"])?;
    let version = parse_version(&output).ok_or("it does not tell its version as bpf-linker does")?;
    if version < OLDEST {
        return Err(format!(
            "it is version {version}, and {OLDEST} or newer is needed, best {LINKER_VERSION}"
        ));
    }
    Ok(Linker { path: path.to_owned(), version })
}

/// Reads `bpf-linker 0.10.3`.
fn parse_version(output: &str) -> Option<Version> {
    output.lines().find_map(|line| Version::parse(line.strip_prefix("bpf-linker ")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_that_the_linker_prints() {
        assert_eq!(parse_version("\nbpf-linker 0.10.3\n"), Some(Version::new(0, 10, 3)));
        assert_eq!(parse_version("GNU ld 2.40\n"), None);
    }

    #[test]
    fn refuses_a_missing_linker_with_the_reason() {
        let reason = inspect(Path::new("/nonexistent/bpf-linker")).unwrap_err();
        assert!(reason.starts_with("it cannot be run: "), "{reason}");
    }

    #[test]
    fn accepts_the_version_that_setup_installs() {
        assert!(Version::parse(LINKER_VERSION).unwrap() >= OLDEST);
    }
}
