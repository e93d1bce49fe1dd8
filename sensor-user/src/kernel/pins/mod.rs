//! The kernel program in a BPF file system: pinned objects outlive the agent, and the next agent reuses them.
//!
//! Each state directory has a folder of its own. It holds `maps`, `programs`, `links` and, written last, `about`, which describes
//! the rest. Without `about` the folder is incomplete and cannot be used. The file system is in memory: a reboot empties it.

mod about;
mod bpffs;
mod links;

pub use self::{
    about::About,
    links::{LinkPin, Place},
};

pub use self::bpffs::can_pin;

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::DirBuilderExt as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Where the folders are, unless the configuration names another place.
pub const DEFAULT_DIRECTORY: &str = "/sys/fs/bpf/smb-sensor";

/// The parts of a folder.
const FOLDERS: [&str; 4] = ["maps", STAGED, "programs", "links"];

/// Where new maps are until the programs that use them are attached.
const STAGED: &str = "maps-next";

/// Why something cannot be pinned, or not be taken over.
#[derive(Debug, Error)]
pub enum PinError {
    /// There is no BPF file system.
    #[error("{} cannot hold pins: {reason}", path.display())]
    NoBpffs {
        /// Where it should be.
        path: PathBuf,
        /// Why there is none.
        reason: String,
    },
    /// A file or folder there.
    #[error("cannot {operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's message.
        #[source]
        source: io::Error,
    },
    /// A map, program or link there.
    #[error("cannot {operation} {}: {reason}", path.display())]
    Object {
        /// What was tried.
        operation: &'static str,
        /// Its file.
        path: PathBuf,
        /// The kernel's message.
        reason: String,
    },
}

impl PinError {
    /// Something about the map, program or link at `path` failed.
    pub(super) fn object(operation: &'static str, path: &Path, reason: &impl ToString) -> Self {
        Self::Object { operation, path: path.to_owned(), reason: reason.to_string() }
    }
}

/// The folder of one state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinFolder {
    path: PathBuf,
}

impl PinFolder {
    /// The folder below `directory` of the agent with this state directory.
    #[must_use]
    pub fn of(directory: &Path, state_dir: &Path) -> Self {
        let state_dir = fs::canonicalize(state_dir).unwrap_or_else(|_| state_dir.to_owned());
        Self { path: directory.join(folder_name(&state_dir)) }
    }

    /// All folders below `directory`.
    ///
    /// # Errors
    /// If it cannot be read; one that is missing holds none.
    pub fn all(directory: &Path) -> Result<Vec<Self>, PinError> {
        let all = entries(directory)?;
        // The root of the file system has files of the kernel's.
        let mut all: Vec<_> =
            all.into_iter().filter(|path| path.is_dir()).map(|path| Self { path }).collect();
        all.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(all)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is pinned here; `None` if nothing is, or not all of it.
    #[must_use]
    pub fn about(&self) -> Option<About> {
        About::read(&self.path.join("about"))
    }

    /// Makes the folders, and the file system where that is possible.
    ///
    /// # Errors
    /// [`PinError`] with the reason.
    pub fn prepare(&self) -> Result<(), PinError> {
        bpffs::find(&self.path)?;
        for name in FOLDERS {
            let path = self.path.join(name);
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|source| PinError::File { operation: "make the folder", path, source })?;
        }
        Ok(())
    }

    /// The file of a map, by its name in the object.
    #[must_use]
    pub fn map(&self, name: &str) -> PathBuf {
        self.path.join("maps").join(file_name(name))
    }

    /// The file of a new map whose programs are not attached yet.
    #[must_use]
    pub fn staged(&self, name: &str) -> PathBuf {
        self.path.join(STAGED).join(file_name(name))
    }

    /// The pinned maps, each with its file.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn maps(&self) -> Result<Vec<(String, PathBuf)>, PinError> {
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let all = entries(&self.path.join("maps"))?;
        Ok(all.into_iter().filter_map(|path| Some((name(&path)?, path))).collect())
    }

    /// Whether nothing is pinned here, or nothing that can be seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        FOLDERS.iter().all(|name| entries(&self.path.join(name)).map_or(true, |all| all.is_empty()))
    }

    /// Removes new maps that never came to be used.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn clear_staged(&self) -> Result<(), PinError> {
        entries(&self.path.join(STAGED))?.iter().try_for_each(|path| remove(path))
    }

    /// From here on the folder is incomplete: removes what says what it holds and, unless they stay, the maps.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn begin_change(&self, maps_stay: bool) -> Result<(), PinError> {
        remove(&self.path.join("about"))?;
        let gone = if maps_stay { vec![] } else { entries(&self.path.join("maps"))? };
        gone.iter().chain(&entries(&self.path.join("programs"))?).try_for_each(|path| remove(path))
    }

    /// Puts the new maps in the place of those of the same name.
    ///
    /// # Errors
    /// If a file cannot be renamed.
    pub fn move_staged(&self) -> Result<(), PinError> {
        for staged in entries(&self.path.join(STAGED))? {
            let Some(name) = staged.file_name() else { continue };
            let place = self.path.join("maps").join(name);
            remove(&place)?;
            fs::rename(&staged, &place).map_err(|source| PinError::File {
                operation: "rename",
                path: staged.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// The file of a program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.path.join("programs").join(name)
    }

    /// Says what is pinned here; to be written when everything else is there.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn write_about(&self, about: &About) -> Result<(), PinError> {
        about.write(&self.path.join("about"))
    }

    /// Removes everything, which detaches what is attached by a link. Filters are not.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn remove_all(&self) -> Result<(), PinError> {
        for pin in self.links()? {
            pin.remove()?;
        }
        self.begin_change(false)?;
        self.clear_staged()?;
        for folder in FOLDERS.iter().chain(&[""]) {
            let path = self.path.join(folder);
            match fs::remove_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|source| PinError::File {
                    operation: "remove the folder",
                    path,
                    source,
                })?,
            }
        }
        Ok(())
    }
}

/// The name of a state directory's folder: readable, and different for each.
fn folder_name(state_dir: &Path) -> String {
    let bytes = state_dir.as_os_str().as_bytes();
    let readable: String = state_dir
        .to_string_lossy()
        .trim_matches('/')
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .collect();
    let begin = readable.len().saturating_sub(100);
    format!("{}-{}", &readable[begin..], &blake3::hash(bytes).to_hex()[..8])
}

/// A BPF file system takes no dots.
fn file_name(name: &str) -> String {
    name.trim_start_matches('.').replace('.', "_")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, PinError> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(source) => Err(PinError::File { operation: "list", path: folder.to_owned(), source }),
    }
}

/// Removes a pin, if it is there.
fn remove(path: &Path) -> Result<(), PinError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => {
            removed.map_err(|source| PinError::File { operation: "remove", path: path.to_owned(), source })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_directory_has_a_folder_of_its_own() {
        let name = |path: &str| folder_name(Path::new(path));
        assert!(name("/var/lib/smb-sensor").starts_with("var-lib-smb-sensor-"));
        assert_ne!(name("/a/b"), name("/a-b"));
        let long = format!("/{}", "x".repeat(300));
        assert!(name(&long).len() < 120 && !name("/a.b/c").contains('.'));
    }

    #[test]
    fn file_names_have_no_dots() {
        let folder = PinFolder { path: "/p".into() };
        assert_eq!(folder.map(".bss.udp_ports"), Path::new("/p/maps/bss_udp_ports"));
        assert_eq!(folder.map("SLOTS"), Path::new("/p/maps/SLOTS"));
    }

    #[test]
    fn folder_without_pins_holds_nothing() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(PinFolder::all(&directory.path().join("missing")).unwrap(), []);
        let folder = PinFolder::of(directory.path(), Path::new("/var/lib/smb-sensor"));
        assert_eq!(folder.about(), None);
        let error = folder.prepare().unwrap_err().to_string();
        assert!(error.contains("no BPF file system"), "{error}");
        folder.remove_all().unwrap();
    }
}
