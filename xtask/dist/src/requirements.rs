//! The libraries that the agent needs, with the versions of their symbols, as its ELF header says.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};
use object::{
    Endianness,
    elf::FileHeader64,
    read::elf::{ElfFile, FileHeader as _},
};

/// Libraries and versions: `libc.so.6` and `GLIBC_2.34`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirements(BTreeSet<(String, String)>);

impl Requirements {
    /// Those of a program.
    pub(crate) fn of(program: &Path) -> Result<Self> {
        let bytes = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
        Self::read(&bytes).with_context(|| format!("reading the libraries of {}", program.display()))
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let file = ElfFile::<FileHeader64<Endianness>>::parse(bytes)?;
        let endian = file.endian();
        let sections = file.elf_header().sections(endian, bytes)?;
        let mut all = BTreeSet::new();
        let Some((mut libraries, link)) = sections.gnu_verneed(endian, bytes)? else { return Ok(Self(all)) };
        let strings = sections.strings(endian, bytes, link)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        while let Some((library, mut versions)) = libraries.next()? {
            let name = text(library.file(endian, strings)?);
            while let Some(version) = versions.next()? {
                all.insert((name.clone(), text(version.name(endian, strings)?)));
            }
        }
        Ok(Self(all))
    }

    /// As packages of Debian: `libc6 (>= 2.34)`.
    pub(crate) fn debian(&self) -> Vec<String> {
        let newest = |prefix: &str| {
            let versions = self.0.iter().filter_map(|(_, version)| version.strip_prefix(prefix));
            versions.max_by_key(|version| numbers(version)).map(str::to_owned)
        };
        let packages = [("libc6", "GLIBC_"), ("libgcc-s1", "GCC_")];
        let needed = packages.iter().filter_map(|(package, prefix)| Some((package, newest(prefix)?)));
        needed.map(|(package, version)| format!("{package} (>= {version})")).collect()
    }

    /// As what packages of Fedora and its kin provide: `libc.so.6(GLIBC_2.34)(64bit)`.
    pub(crate) fn fedora(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(library, version)| format!("{library}({version})(64bit)"))
    }
}

/// `2.34` by its numbers.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_version_counts_by_number() {
        let all = [("libc.so.6", "GLIBC_2.9"), ("libm.so.6", "GLIBC_2.29"), ("libgcc_s.so.1", "GCC_3.0")];
        let all = all.map(|(library, version)| (library.to_owned(), version.to_owned()));
        let requirements = Requirements(all.into());
        assert_eq!(requirements.debian(), ["libc6 (>= 2.29)", "libgcc-s1 (>= 3.0)"]);
        assert!(requirements.fedora().any(|one| one == "libm.so.6(GLIBC_2.29)(64bit)"));
    }

    #[test]
    fn reads_a_program() {
        let own = Requirements::of(&std::env::current_exe().unwrap()).unwrap();
        assert!(own.debian().iter().any(|package| package.starts_with("libc6 (>= 2.")), "{own:?}");
    }
}
