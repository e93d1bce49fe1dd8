//! Checksums, in the form of sha256sum(1).

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Writes the checksums of the files beside them.
pub(crate) fn write(files: &[PathBuf], output: &Path) -> Result<()> {
    let lines = files.iter().map(|path| {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(format!("{}  {name}\n", hexadecimal(&Sha256::digest(bytes))))
    });
    let text = lines.collect::<Result<String>>()?;
    fs::write(output.join("SHA256SUMS"), text).context("writing SHA256SUMS")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "abc").unwrap();
        write(&[path], folder.path()).unwrap();
        // The first example of FIPS 180-2.
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fs::read_to_string(folder.path().join("SHA256SUMS")).unwrap(), format!("{sum}  file\n"));
    }
}
