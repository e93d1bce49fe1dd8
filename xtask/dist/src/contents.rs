//! The files that the packages install, and their places.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// A file of the packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) source: PathBuf,
    /// Absolute path of the installed file.
    pub(crate) path: String,
    pub(crate) kind: Kind,
}

/// How a package treats a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Program,
    Plain,
    /// Changes by the administrator stay.
    Config,
    Documentation,
    License,
}

impl Kind {
    pub(crate) const fn mode(self) -> u32 {
        match self {
            Self::Program => 0o755,
            _ => 0o644,
        }
    }
}

/// Folder of the documentation.
const DOC: &str = "/usr/share/doc/smb-sensor";

/// Single files of the sources. /usr/lib/systemd is found by every systemd of the supported distributions.
const SINGLE: [(&str, &str, Kind); 13] = [
    ("packaging/systemd/smb-sensor.service", "/usr/lib/systemd/system/smb-sensor.service", Kind::Plain),
    ("packaging/systemd/smb-sensor.sysusers", "/usr/lib/sysusers.d/smb-sensor.conf", Kind::Plain),
    ("packaging/systemd/smb-sensor.tmpfiles", "/usr/lib/tmpfiles.d/smb-sensor.conf", Kind::Plain),
    ("packaging/logrotate/smb-sensor", "/etc/logrotate.d/smb-sensor", Kind::Config),
    ("smb-sensor.example.toml", "/usr/share/doc/smb-sensor/examples/smb-sensor.toml", Kind::Documentation),
    ("README.md", "/usr/share/doc/smb-sensor/README.md", Kind::Documentation),
    ("ARCHITECTURE.md", "/usr/share/doc/smb-sensor/ARCHITECTURE.md", Kind::Documentation),
    ("CHANGELOG.md", "/usr/share/doc/smb-sensor/CHANGELOG.md", Kind::Documentation),
    ("SECURITY.md", "/usr/share/doc/smb-sensor/SECURITY.md", Kind::Documentation),
    // Debian's place for licenses.
    ("packaging/debian/copyright", "/usr/share/doc/smb-sensor/copyright", Kind::License),
    ("LICENSE-MIT", "/usr/share/licenses/smb-sensor/LICENSE-MIT", Kind::License),
    ("LICENSE-APACHE", "/usr/share/licenses/smb-sensor/LICENSE-APACHE", Kind::License),
    ("LICENSE-GPL-2.0", "/usr/share/licenses/smb-sensor/LICENSE-GPL-2.0", Kind::License),
];

/// Folders of the sources whose files are installed below the documentation, so that links between them hold.
const FOLDERS: [&str; 8] = [
    "docs",
    "docs/adr",
    "docs/bench",
    "docs/images",
    "packaging/elasticsearch",
    "packaging/grafana",
    "packaging/prometheus",
    "packaging/webhook",
];

/// All files, by their path.
pub(crate) fn contents(sources: &Path, generated: &[Entry]) -> Result<Vec<Entry>> {
    let mut all = generated.to_vec();
    for (source, path, kind) in SINGLE {
        all.push(Entry { source: sources.join(source), path: path.to_owned(), kind });
    }
    for folder in FOLDERS {
        for source in files_in(&sources.join(folder))? {
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            all.push(Entry { path: format!("{DOC}/{folder}/{name}"), kind: Kind::Documentation, source });
        }
    }
    all.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(all)
}

/// The files of a folder, without those of its folders.
pub(crate) fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let all = listed().with_context(|| format!("listing {}", folder.display()))?;
    Ok(all.into_iter().filter(|path| path.is_file()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_installed_once() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let all = contents(&sources, &[]).unwrap();
        assert!(all.iter().all(|one| one.source.is_file()), "{all:#?}");
        let mut paths: Vec<_> = all.iter().map(|one| &one.path).collect();
        paths.dedup();
        assert_eq!(paths.len(), all.len());
        assert!(paths.iter().any(|path| *path == "/usr/share/doc/smb-sensor/docs/operation.md"));
    }
}
