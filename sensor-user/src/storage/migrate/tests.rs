//! The state directory of a killed agent: three of seven documents are delivered, and two of the seven are in the write-ahead
//! log.

use sensor_core::terms::{KnownTerms, TermClock};

use super::*;
use crate::{
    state::Restored,
    storage::{Bounds, DocumentQuery, Opened, Reader, Rows, TERM_CLOCK, Writer},
};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/storage/migrate/fixtures");

/// A state directory with these files of the earlier version.
fn earlier() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in FILES {
        fs::copy(Path::new(FIXTURES).join(name), directory.path().join(name)).unwrap();
    }
    directory
}

/// Opens the store and closes it again.
fn opened(directory: &Path) -> Rows {
    let Opened { rows, .. } = Writer::open(directory, Bounds::default(), 0).unwrap();
    rows
}

/// The documents, by the number that each has, with their severity.
fn documents(directory: &Path, query: &DocumentQuery) -> Vec<(u64, Option<Severity>)> {
    let mut found = Vec::new();
    let each = |document: crate::storage::DocumentRow| {
        let body: serde_json::Value = serde_json::from_str(&document.body).unwrap();
        found.push((body["number"].as_u64().unwrap(), document.severity));
        true
    };
    Reader::open(directory).unwrap().documents(query, each).unwrap();
    found
}

/// Documents with these numbers: all are of incidents of high severity.
fn numbered(numbers: &[u64]) -> Vec<(u64, Option<Severity>)> {
    numbers.iter().map(|number| (*number, Some(Severity::High))).collect()
}

#[test]
fn takes_over_terms_hits_and_documents_and_keeps_the_files_aside() {
    let directory = earlier();
    let rows = opened(directory.path());
    let restored = Restored::of(&rows);
    let mut terms: Vec<String> =
        restored.terms.iter().map(|row| format!("{} {}", row.rule, row.address)).collect();
    terms.sort();
    let rule = "rare-smb-destination";
    assert_eq!(
        terms,
        ["2001:4860:4860::8844", "8.8.4.4", "8.8.8.8"].map(|address| format!("{rule} {address}"))
    );
    let last = 1_790_000_000_000_000_000;
    assert!(restored.terms.iter().all(|row| row.last == last));
    let clock = restored.clock.unwrap();
    assert_eq!(clock.learning_since, Some(last));
    let reading = clock.reading.unwrap();
    assert_eq!(
        (reading.clocks.wall.unix_nanos(), reading.clocks.boot, reading.steady),
        (last, Some(7), last)
    );
    let hit = restored.hits["pair"];
    assert_eq!((hit.connections, hit.packets, hit.last.unix_nanos()), (2, 3, last));

    let all = documents(directory.path(), &DocumentQuery::default());
    assert_eq!(all, numbered(&[1, 2, 3, 4, 5, 6, 7]), "each once, in its order");
    let flows = DocumentQuery { kind: Some(DocumentKind::Flow), ..DocumentQuery::default() };
    assert_eq!(documents(directory.path(), &flows), numbered(&[3, 6]));
    let cursor = Reader::open(directory.path()).unwrap().cursor(OUTPUT_CURSOR).unwrap().unwrap();
    let waiting = DocumentQuery { after: cursor, ..DocumentQuery::default() };
    assert_eq!(documents(directory.path(), &waiting), numbered(&[4, 5, 6, 7]));

    for name in FILES {
        assert!(
            !directory.path().join(name).exists() && directory.path().join(ASIDE).join(name).exists(),
            "{name}"
        );
    }
    assert_eq!(opened(directory.path()).terms, rows.terms, "it is done once");
}

#[test]
fn learning_continues() {
    let directory = earlier();
    let restored = Restored::of(&opened(directory.path()));
    let hour = 3_600_000_000_000;
    let TermClock { reading, .. } = restored.clock.unwrap();
    let mut clocks = reading.unwrap().clocks;
    let day = std::time::Duration::from_secs(86_400);
    let windows = sensor_core::profile::Windows::default();
    for (hours, learns) in [(1, true), (25, false)] {
        clocks.wall = Timestamp::from_unix_nanos(1_790_000_000_000_000_000 + hours * hour);
        clocks.since_boot = 1_000_000_000_000 + hours * hour;
        let terms = KnownTerms::restore(&windows, day, restored.clock, &restored.terms, clocks);
        assert_eq!(terms.learning_until(clocks.wall).is_some(), learns, "after {hours} hours");
    }
}

#[test]
fn keeps_damaged_files_aside_and_takes_over_the_rest() {
    for name in FILES {
        let directory = earlier();
        let path = directory.path().join(name);
        let damaged = vec![0x5A; 6_000];
        fs::write(&path, &damaged).unwrap();
        let rows = opened(directory.path());
        assert_eq!(fs::read(directory.path().join(ASIDE).join(name)).unwrap(), damaged, "{name}");
        let documents = documents(directory.path(), &DocumentQuery::default()).len();
        assert_eq!(rows.terms.len(), if name == TERMS { 0 } else { 3 }, "{name}");
        assert_eq!(rows.meta.contains_key(TERM_CLOCK), name != TERMS, "{name}");
        assert_eq!(rows.hits.len(), usize::from(name != HITS), "{name}");
        let expected = match name {
            JOURNAL => 2..=2,
            _ if LOG_FILES.contains(&name) => 5..=7,
            _ => 7..=7,
        };
        assert!(expected.contains(&documents), "{name}: {documents}");
    }
}

#[test]
fn cut_files_never_prevent_the_start() {
    for name in FILES {
        let whole = fs::read(Path::new(FIXTURES).join(name)).unwrap();
        for part in 0..8 {
            let directory = earlier();
            fs::write(directory.path().join(name), &whole[..whole.len() * part / 8]).unwrap();
            opened(directory.path());
            assert!(directory.path().join(ASIDE).join(name).exists(), "{name}, {part} eighths");
        }
    }
}

#[test]
fn directory_without_old_files_stays_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    opened(directory.path());
    assert!(!directory.path().join(ASIDE).exists());
}
