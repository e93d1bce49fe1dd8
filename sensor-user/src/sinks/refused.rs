//! Documents that a destination refuses for good, kept with the reason.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{rfc3339::rfc3339, storage::DocumentRow, wall_clock};

/// Bytes at which a file is put aside as `.1`, in the place of the one before.
const MAX_BYTES: u64 = 8 << 20;

/// The file of refused documents of an output, `refused-NAME.jsonl` in the state directory. Its owner alone may read it.
#[derive(Debug)]
pub(super) struct RefusedFile {
    path: PathBuf,
    most: u64,
}

impl RefusedFile {
    pub(super) fn of(name: &str, state_dir: &Path) -> Self {
        Self { path: state_dir.join(format!("refused-{name}.jsonl")), most: MAX_BYTES }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a document with the reason, as one line.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn add(&self, document: &DocumentRow, reason: &str) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|file| file.len() >= self.most) {
            fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
        }
        let at = Value::from(rfc3339(wall_clock::now()));
        // The document is JSON already.
        let line = format!(
            "{{\"refused\":{at},\"reason\":{},\"document\":{}}}\n",
            Value::from(reason),
            document.body
        );
        OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?.write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sensor_core::level::Severity;

    use super::*;
    use crate::storage::DocumentKind;

    #[test]
    fn keeps_refused_documents_within_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let refused = RefusedFile { most: 1_000, ..RefusedFile::of("siem", folder.path()) };
        for sequence in 0..100 {
            let document = DocumentRow {
                sequence,
                id: sequence.to_string(),
                kind: DocumentKind::Incident,
                severity: Some(Severity::High),
                at: 0,
                body: format!("{{\"n\":{sequence}}}"),
                brief: Vec::new(),
            };
            refused.add(&document, "mapping \"x\"").unwrap();
        }
        let names = ["refused-siem.jsonl", "refused-siem.jsonl.1"];
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len());
        for name in names {
            let path = folder.path().join(name);
            let metadata = fs::metadata(&path).unwrap();
            assert!(metadata.len() < 1_200 && metadata.permissions().mode() & 0o777 == 0o600);
        }
        let last = fs::read_to_string(refused.path()).unwrap();
        let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
        assert_eq!((&last["reason"], &last["document"]["n"]), (&"mapping \"x\"".into(), &99.into()));
    }
}
