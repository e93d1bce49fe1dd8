//! The two redb files: known terms with their clocks, and the journal.

use std::{
    iter::Peekable,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError, TableHandle as _,
};
use sensor_core::{
    rules::rare_destination,
    terms::{Clocks, Reading, TermClock},
    time::Timestamp,
};

use super::{Documents, OldDocument, OldFileError};
use crate::storage::{DocumentKind, RowBatch, TERM_CLOCK};

const SECOND: i64 = 1_000_000_000;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const CLOCKS: TableDefinition<'_, &str, i64> = TableDefinition::new("clocks");

/// Before the names of the tables of terms: address as text → last seen, seconds of the steady time.
const TERMS_OF: &str = "terms/";

/// Layouts of the file of terms; the older has one table for destinations and one for all other rules.
const TERMS_LAYOUT: u64 = 2;
const TERMS_LAYOUT_BEFORE: u64 = 1;

type Documents64 = TableDefinition<'static, u64, (i64, &'static str)>;
const ALERTS: Documents64 = TableDefinition::new("alerts");
const FLOWS: Documents64 = TableDefinition::new("flows");
const JOURNAL_LAYOUT: u64 = 1;

/// Anything that redb says is wrong is damage to us: the file is not opened a second time.
fn damaged(error: impl Into<redb::Error>) -> OldFileError {
    match error.into() {
        redb::Error::Io(error) => OldFileError::Io(error),
        error => OldFileError::Damaged(error.to_string()),
    }
}

/// Opens a file that is there and reads it. On some kinds of damage the library panics where it should refuse.
fn open<T>(path: &Path, read: impl FnOnce(&Database) -> Result<T, OldFileError>) -> Result<T, OldFileError> {
    std::fs::metadata(path)?;
    catch_unwind(AssertUnwindSafe(|| read(&Database::open(path).map_err(damaged)?)))
        .unwrap_or_else(|_| Err(OldFileError::Damaged("it is damaged".to_owned())))
}

/// Known terms and their clock, as rows.
pub(super) fn terms(path: &Path) -> Result<RowBatch, OldFileError> {
    open(path, |database| {
        let transaction = database.begin_read().map_err(damaged)?;
        let meta = transaction.open_table(META).map_err(damaged)?;
        let number = |key| meta.get(key).map(|value| value.map(|value| value.value())).map_err(damaged);
        let layout = number("schema")?.unwrap_or(0);
        if ![TERMS_LAYOUT, TERMS_LAYOUT_BEFORE].contains(&layout) {
            return Err(OldFileError::Layout(layout, TERMS_LAYOUT));
        }
        let mut terms = Vec::new();
        for table in transaction.list_tables().map_err(damaged)? {
            let name = table.name();
            let of_rule = name.strip_prefix(TERMS_OF);
            if of_rule.is_none() && !["smb_destinations", "rule_terms"].contains(&name) {
                continue;
            }
            let rows =
                transaction.open_table(TableDefinition::<'_, &str, i64>::new(name)).map_err(damaged)?;
            for row in rows.iter().map_err(damaged)? {
                let (key, seen) = row.map_err(damaged)?;
                let (rule, address) = match (of_rule, key.value().split_once(' ')) {
                    (Some(rule), _) => (rule, key.value()),
                    (None, Some((rule, address))) => (rule, address),
                    (None, None) => (rare_destination::META.id, key.value()),
                };
                terms.push((rule.to_owned(), address.to_owned(), seen.value().saturating_mul(SECOND)));
            }
        }
        let reading = match transaction.open_table(CLOCKS) {
            Ok(clocks) => {
                let get =
                    |key| clocks.get(key).map(|value| value.map(|value| value.value())).map_err(damaged);
                match (get("wall")?, get("steady")?, get("since_boot")?) {
                    (Some(wall), Some(steady), Some(since_boot)) => {
                        let wall = Timestamp::from_unix_nanos(wall);
                        let boot = get("boot")?.map(i64::cast_unsigned);
                        Some(Reading { clocks: Clocks { wall, since_boot, boot }, steady })
                    }
                    _ => None,
                }
            }
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(damaged(error)),
        };
        // Zero is the beginning of learning that is over.
        let created = number("created")?.filter(|created| *created > 0);
        let learning_since = created.map(|seconds| seconds.cast_signed().saturating_mul(SECOND));
        let clock = rmp_serde::to_vec_named(&TermClock { reading, learning_since })
            .map_err(|error| OldFileError::Damaged(error.to_string()))?;
        Ok(RowBatch { terms, meta: vec![(TERM_CLOCK, clock)], ..RowBatch::default() })
    })
}

/// Gives the documents of the journal to `into`, in the order of their places.
pub(super) fn journal(path: &Path, into: &mut Documents<'_>) -> Result<(), OldFileError> {
    open(path, |database| {
        let transaction = database.begin_read().map_err(damaged)?;
        let meta = transaction.open_table(META).map_err(damaged)?;
        let number = |key| meta.get(key).map(|value| value.map(|value| value.value())).map_err(damaged);
        let layout = number("layout")?.unwrap_or(JOURNAL_LAYOUT);
        if layout != JOURNAL_LAYOUT {
            return Err(OldFileError::Layout(layout, JOURNAL_LAYOUT));
        }
        into.cursor = number("cursor")?.unwrap_or(0);
        let alerts = transaction.open_table(ALERTS).map_err(damaged)?;
        let flows = transaction.open_table(FLOWS).map_err(damaged)?;
        let mut alerts = documents(alerts.iter().map_err(damaged)?, DocumentKind::Incident).peekable();
        let mut flows = documents(flows.iter().map_err(damaged)?, DocumentKind::Flow).peekable();
        while let Some(document) = earlier(&mut alerts, &mut flows) {
            into.add(document?)?;
        }
        Ok(())
    })
}

fn documents<'a>(
    rows: redb::Range<'a, u64, (i64, &'static str)>,
    kind: DocumentKind,
) -> impl Iterator<Item = Result<OldDocument, OldFileError>> + 'a {
    rows.map(move |row| {
        let (sequence, document) = row.map_err(damaged)?;
        let (time, text) = document.value();
        Ok(OldDocument { sequence: sequence.value(), kind, time, text: text.to_owned() })
    })
}

/// The next of two rows of documents: the one with the lower place.
fn earlier<I: Iterator<Item = Result<OldDocument, OldFileError>>>(
    one: &mut Peekable<I>,
    other: &mut Peekable<impl Iterator<Item = I::Item>>,
) -> Option<I::Item> {
    let place = |next: Option<&I::Item>| match next {
        Some(Ok(document)) => document.sequence,
        Some(Err(_)) => 0,
        None => u64::MAX,
    };
    if place(one.peek()) <= place(other.peek()) { one.next() } else { other.next() }
}
