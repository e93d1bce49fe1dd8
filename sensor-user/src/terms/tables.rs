//! The store of known terms, as it lies in its file: a table for each rule, one for the clocks, one for what it is.

use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::{
    SECOND,
    seen::Seen,
    steady::{Clocks, Reading},
};
use crate::detect::rare_destination;

/// Layout of the store.
pub(super) const SCHEMA: u64 = 2;

/// The layout before, which is taken over: destinations in a table of their own, and the terms of all other rules in one.
const BEFORE: u64 = 1;
const BEFORE_DESTINATIONS: TableDefinition<'_, &str, i64> = TableDefinition::new("smb_destinations");
const BEFORE_RULE_TERMS: TableDefinition<'_, &str, i64> = TableDefinition::new("rule_terms");

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Entries of `meta`: the layout's version, and when the store was made, seconds since the Unix epoch.
const VERSION: &str = "schema";
const CREATED: &str = "created";

/// What the clocks said when it was written last, nanoseconds, and which boot that was.
const CLOCKS: TableDefinition<'_, &str, i64> = TableDefinition::new("clocks");
const WALL: &str = "wall";
const STEADY: &str = "steady";
const SINCE_BOOT: &str = "since_boot";
const BOOT: &str = "boot";

/// Name of a rule's table: address as text → last sight, seconds of the steady time.
fn name(rule: &str) -> String {
    format!("terms/{rule}")
}

fn table(name: &str) -> TableDefinition<'_, &'static str, i64> {
    TableDefinition::new(name)
}

fn seconds(nanos: i128) -> i64 {
    whole(nanos / SECOND)
}

fn whole(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What a store says of itself.
pub(super) struct Layout {
    /// Version.
    pub(super) schema: u64,
    /// When it was made, nanoseconds of the steady time; unknown of one that an older agent made.
    pub(super) created: Option<i128>,
    /// The clocks when it was written last.
    pub(super) reading: Option<Reading>,
}

/// Reads the store's layout; a fresh store gets ours, and is made at `now`. One of the layout before is taken over; any other is left
/// as it is.
pub(super) fn layout(database: &Database, seen: &Seen, now: i128) -> Result<Layout, redb::Error> {
    let transaction = database.begin_write()?;
    let found = {
        let mut meta = transaction.open_table(META)?;
        let schema = meta.get(VERSION)?.map(|value| value.value());
        if schema.is_some_and(|version| ![BEFORE, SCHEMA].contains(&version)) {
            return Ok(Layout { schema: schema.unwrap_or(SCHEMA), created: None, reading: None });
        }
        if schema.is_none() {
            meta.insert(CREATED, seconds(now).unsigned_abs())?;
        }
        for (rule, _) in seen.rules() {
            transaction.open_table(table(&name(rule)))?;
        }
        if schema == Some(BEFORE) {
            take_over(&transaction, seen)?;
        }
        meta.insert(VERSION, SCHEMA)?;
        let created = meta.get(CREATED)?.map(|value| i128::from(value.value()) * SECOND);
        Layout { schema: SCHEMA, created, reading: reading(&transaction.open_table(CLOCKS)?)? }
    };
    transaction.commit()?;
    Ok(found)
}

/// Moves what the layout before held into the tables of the rules.
fn take_over(transaction: &WriteTransaction, seen: &Seen) -> Result<(), redb::Error> {
    let mut terms: Vec<(String, String, i64)> = Vec::new();
    for entry in transaction.open_table(BEFORE_DESTINATIONS)?.iter()? {
        let (address, last) = entry?;
        terms.push((rare_destination::RULE.id.to_owned(), address.value().to_owned(), last.value()));
    }
    for entry in transaction.open_table(BEFORE_RULE_TERMS)?.iter()? {
        let (term, last) = entry?;
        if let Some((rule, address)) = term.value().split_once(' ') {
            terms.push((rule.to_owned(), address.to_owned(), last.value()));
        }
    }
    for (rule, address, last) in terms {
        if seen.rules().any(|(known, _)| known == rule) {
            transaction.open_table(table(&name(&rule)))?.insert(address.as_str(), last)?;
        }
    }
    transaction.delete_table(BEFORE_DESTINATIONS)?;
    transaction.delete_table(BEFORE_RULE_TERMS)?;
    Ok(())
}

fn reading(clocks: &impl ReadableTable<&'static str, i64>) -> Result<Option<Reading>, redb::Error> {
    let get =
        |entry| -> Result<Option<i64>, redb::Error> { Ok(clocks.get(entry)?.map(|value| value.value())) };
    let (Some(wall), Some(steady), Some(since_boot)) = (get(WALL)?, get(STEADY)?, get(SINCE_BOOT)?) else {
        return Ok(None);
    };
    let clocks = Clocks {
        wall: i128::from(wall),
        since_boot: i128::from(since_boot),
        boot: get(BOOT)?.map(i64::cast_unsigned),
    };
    Ok(Some(Reading { clocks, steady: i128::from(steady) }))
}

/// Reads what the rules saw, but for what is older than their windows at `now`, if that is given.
pub(super) fn read(database: &Database, seen: &mut Seen, now: Option<i128>) -> Result<(), redb::Error> {
    let transaction = database.begin_read()?;
    for (rule, terms) in seen.rules_mut() {
        let oldest = now.map_or(i128::MIN, |now| terms.oldest(now));
        for entry in transaction.open_table(table(&name(rule)))?.iter()? {
            let (address, last) = entry?;
            let last = i128::from(last.value()) * SECOND;
            if let (Ok(address), true) = (address.value().parse(), last >= oldest) {
                terms.restore(address, last);
            }
        }
    }
    Ok(())
}

/// What is to be saved.
pub(super) struct Unsaved<'a> {
    /// Terms of the rules.
    pub(super) seen: &'a Seen,
    /// When the store counts as made, if that changed.
    pub(super) created: Option<i128>,
    /// The clocks.
    pub(super) reading: Option<Reading>,
    /// Forget what is too old at this time.
    pub(super) forget_at: Option<i128>,
}

/// Saves it, whole or not at all.
pub(super) fn save(database: &Database, unsaved: &Unsaved<'_>) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for (rule, terms) in unsaved.seen.rules() {
        let mut table = transaction.open_table(table(&name(rule)))?;
        for (address, last) in terms.unwritten() {
            table.insert(address.to_string().as_str(), seconds(last))?;
        }
        if let Some(now) = unsaved.forget_at {
            let oldest = seconds(terms.oldest(now));
            table.retain(|_, last| last >= oldest)?;
        }
    }
    if let Some(created) = unsaved.created {
        transaction.open_table(META)?.insert(CREATED, seconds(created).unsigned_abs())?;
    }
    if let Some(reading) = &unsaved.reading {
        write(&mut transaction.open_table(CLOCKS)?, reading)?;
    }
    transaction.commit()?;
    Ok(())
}

fn write(clocks: &mut Table<'_, &'static str, i64>, reading: &Reading) -> Result<(), redb::Error> {
    clocks.insert(WALL, whole(reading.clocks.wall))?;
    clocks.insert(STEADY, whole(reading.steady))?;
    clocks.insert(SINCE_BOOT, whole(reading.clocks.since_boot))?;
    match reading.clocks.boot {
        Some(boot) => drop(clocks.insert(BOOT, boot.cast_signed())?),
        None => drop(clocks.remove(BOOT)?),
    }
    Ok(())
}
