//! Whether a file may be run: only its owner and its group may be able to change it.

use std::{
    fs::Metadata,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Permission bits: anybody may write; anybody may execute; only the owner of a file in the folder may rename it.
const OTHERS_WRITE: u32 = 0o002;
const EXECUTE: u32 = 0o111;
const STICKY: u32 = 0o1000;

/// Why a program is not run; `None` if it may be.
#[must_use]
pub fn problem(program: &Path) -> Option<String> {
    let shown = program.display();
    if !program.is_absolute() {
        return Some(format!("{shown} is not an absolute path: write it from / on"));
    }
    // Symbolic links are followed: what counts is the file that is executed, and every folder on the way to it.
    let (file, about) = match program.canonicalize().and_then(|file| Ok((file.clone(), file.metadata()?))) {
        Ok(found) => found,
        Err(error) => return Some(format!("{shown} cannot be used: {error}")),
    };
    if !about.is_file() {
        return Some(format!("{shown} is not a regular file"));
    }
    if about.permissions().mode() & EXECUTE == 0 {
        return Some(format!("{shown} is not executable: chmod +x {shown}"));
    }
    if about.permissions().mode() & OTHERS_WRITE != 0 {
        return Some(format!(
            "everybody may write {shown} and so change the program that runs: chmod o-w {shown}"
        ));
    }
    let folders = [file.parent(), program.parent()].into_iter().flatten().flat_map(Path::ancestors);
    folders
        .filter(|folder| folder.metadata().is_ok_and(|about| is_open(&about)))
        .map(Path::to_owned)
        .next()
        .map(|folder: PathBuf| {
            let folder = folder.display();
            format!("everybody may write to {folder}, and so replace {shown}: chmod o-w {folder}")
        })
}

/// Whether anybody may replace what somebody else put into the folder.
fn is_open(folder: &Metadata) -> bool {
    let mode = folder.permissions().mode();
    mode & OTHERS_WRITE != 0 && mode & STICKY == 0
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_program_that_anybody_may_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, link) = (folder.path().join("inner"), folder.path().join("link"));
        fs::create_dir(&inner).unwrap();
        let program = inner.join("isolate");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        std::os::unix::fs::symlink(&program, &link).unwrap();
        let says = |path: &Path, words: &str| {
            let found = problem(path).unwrap_or_default();
            assert!(found.contains(words), "{words}: {found}");
        };
        chmod(&program, 0o644);
        says(&program, "is not executable");
        chmod(&program, 0o755);
        assert_eq!((problem(&program), problem(&link)), (None, None));
        chmod(&program, 0o757);
        says(&program, "everybody may write");
        says(&link, "everybody may write");
        chmod(&program, 0o755);
        chmod(&inner, 0o777);
        says(&program, "and so replace");
        says(&link, "and so replace");
        chmod(&inner, 0o1777);
        assert_eq!(problem(&program), None, "in a folder like /tmp nobody else can rename it");
        says(&inner, "is not a regular file");
        says(&folder.path().join("missing"), "No such file");
        says(Path::new("isolate"), "is not an absolute path");
    }
}
