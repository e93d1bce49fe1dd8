//! The write-ahead log of the old journal: records with a checksum. A crash may have torn the last record.

use std::{fs, path::Path};

use tracing::warn;

use super::{OldDocument, OldFileError};
use crate::storage::DocumentKind;

/// Layout of a record, its first byte.
const LAYOUT: u8 = 1;

/// Layout, kind, length of the text, sequence and time; a checksum of eight bytes follows.
const HEADER: usize = 1 + 1 + 4 + 8 + 8;
const CHECKSUM: usize = 8;

/// The documents of a file, up to the first that is torn.
pub(super) fn read(path: &Path) -> Result<Vec<OldDocument>, OldFileError> {
    let bytes = fs::read(path)?;
    let mut rest = bytes.as_slice();
    let mut documents = Vec::new();
    while let Some((document, behind)) = decode(rest) {
        documents.push(document);
        rest = behind;
    }
    match rest.first() {
        None => {}
        Some(&LAYOUT | &0) => {
            warn!(
                "the last {} bytes of {} were torn by a crash and are left out",
                rest.len(),
                path.display()
            );
        }
        Some(other) => return Err(OldFileError::Layout(u64::from(*other), u64::from(LAYOUT))),
    }
    Ok(documents)
}

fn decode(bytes: &[u8]) -> Option<(OldDocument, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let (sum, rest) = rest.split_at_checked(CHECKSUM)?;
    let length = u32::from_le_bytes(header.get(2..6)?.try_into().ok()?);
    let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    if header[0] != LAYOUT || checksum(header, text) != sum {
        return None;
    }
    let document = OldDocument {
        kind: if header[1] == 1 { DocumentKind::Flow } else { DocumentKind::Incident },
        sequence: u64::from_le_bytes(header.get(6..14)?.try_into().ok()?),
        time: i64::from_le_bytes(header.get(14..22)?.try_into().ok()?),
        text: str::from_utf8(text).ok()?.to_owned(),
    };
    Some((document, rest))
}

fn checksum(header: &[u8], text: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header).update(text);
    let mut checksum = [0; CHECKSUM];
    hasher.finalize_xof().fill(&mut checksum);
    checksum
}
