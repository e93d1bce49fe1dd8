//! The source distribution: every file under version control, and the kernel objects, for machines that cannot compile them.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    generated::run,
    release::{NAME, Release},
    tarball,
};

/// Folder of the objects in the sources; the agent's build script looks there.
const PREBUILT: &str = "sensor-ebpf/prebuilt";

/// Makes the tarball from the sources and a folder of objects; gives its path.
pub(crate) fn make(
    sources: &Path,
    objects: &Path,
    release: &Release,
    scratch: &Path,
    output: &Path,
) -> Result<PathBuf> {
    for file in tracked(sources)? {
        copy(&sources.join(&file), &scratch.join(&file))?;
    }
    let mut count = 0;
    for kind in folders_in(objects)? {
        for object in folders_in(&kind)? {
            let inside = object.strip_prefix(objects).context("the object is in another folder")?;
            copy(&object, &scratch.join(PREBUILT).join(inside))?;
            count += 1;
        }
    }
    if count == 0 {
        bail!("{} has no objects", objects.display());
    }
    let name = format!("{NAME}-{}", release.version);
    tarball::packed(scratch, &name, &output.join(format!("{name}-source.tar.gz")), release)
}

/// Files under version control.
fn tracked(sources: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    let listed = run(git.args(["ls-files", "-z"]).current_dir(sources))?;
    let files: Vec<_> = listed
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| PathBuf::from(OsStr::from_bytes(name)))
        // One that was removed and is still in the index.
        .filter(|name| sources.join(name).symlink_metadata().is_ok())
        .collect();
    if files.is_empty() {
        bail!("{} has no files under version control", sources.display())
    } else {
        Ok(files)
    }
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    listed().with_context(|| format!("listing {}", folder.display()))
}

/// Copies a file with its mode, or a symbolic link as such.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = || {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        if from.symlink_metadata()?.is_symlink() {
            return symlink(fs::read_link(from)?, to);
        }
        fs::copy(from, to).map(drop)
    };
    copied().with_context(|| format!("copying {}", from.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_tracked_files_and_the_objects_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let [sources, objects, scratch, output] =
            ["sources", "objects", "scratch", "output"].map(|name| folder.path().join(name));
        let put = |path: PathBuf| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        };
        for file in ["Cargo.toml", "src/main.rs", "target/x", "gone"] {
            put(sources.join(file));
        }
        let git = |arguments: &[&str]| {
            run(Command::new("git").args(arguments).current_dir(&sources)).unwrap();
        };
        git(&["init", "--quiet"]);
        git(&["add", "Cargo.toml", "src", "gone"]);
        fs::remove_file(sources.join("gone")).unwrap();
        put(objects.join("bpfel-x86_64/smb-sensor-bpf.o"));
        fs::create_dir(&output).unwrap();
        let release = Release { version: "1.2.3".into(), architecture: "x86_64", epoch: 1 };
        let path = make(&sources, &objects, &release, &scratch, &output).unwrap();
        assert_eq!(path, output.join("smb-sensor-1.2.3-source.tar.gz"));
        let listed = run(Command::new("tar").arg("--list").arg("--file").arg(&path)).unwrap();
        let listed = String::from_utf8(listed).unwrap();
        let files: Vec<_> = listed.lines().filter(|line| !line.ends_with('/')).collect();
        let wanted = ["Cargo.toml", "sensor-ebpf/prebuilt/bpfel-x86_64/smb-sensor-bpf.o", "src/main.rs"];
        assert_eq!(files, wanted.map(|name| format!("smb-sensor-1.2.3/{name}")));
        fs::remove_dir_all(&objects).unwrap();
        fs::create_dir(&objects).unwrap();
        let error = make(&sources, &objects, &release, &scratch, &output).unwrap_err().to_string();
        assert!(error.contains("has no objects"), "{error}");
    }
}
