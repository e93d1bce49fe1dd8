//! The store of known destinations, as it lies in its file.

use std::{collections::HashMap, net::IpAddr};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::SECOND;
use crate::profile::terms::{RuleTerms, TABLE as RULE_TERMS};

/// Layout of the store.
pub(super) const SCHEMA: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Address as text → last sight, seconds since the Unix epoch.
const DESTINATIONS: TableDefinition<'_, &str, i64> = TableDefinition::new("smb_destinations");

/// Entries of `meta`: the layout's version, and when the store was made, seconds since the Unix epoch.
const VERSION: &str = "schema";
const CREATED: &str = "created";

pub(super) fn seconds(nanos: i128) -> i64 {
    i64::try_from(nanos / SECOND).unwrap_or(i64::MAX)
}

/// What a store says of itself.
pub(super) struct Layout {
    /// Version.
    pub(super) schema: u64,
    /// When it was made, nanoseconds since the epoch; unknown of one that an older agent made.
    pub(super) created: Option<i128>,
}

/// Reads the store's layout; a fresh store gets ours, and is made now.
pub(super) fn layout(database: &Database, now: i128) -> Result<Layout, redb::Error> {
    let transaction = database.begin_write()?;
    let found = {
        let mut meta = transaction.open_table(META)?;
        if meta.get(VERSION)?.is_none() {
            meta.insert(VERSION, SCHEMA)?;
            meta.insert(CREATED, seconds(now).unsigned_abs())?;
        }
        transaction.open_table(DESTINATIONS)?;
        transaction.open_table(RULE_TERMS)?;
        let schema = meta.get(VERSION)?.map_or(SCHEMA, |value| value.value());
        let created = meta.get(CREATED)?.map(|value| i128::from(value.value()) * SECOND);
        Layout { schema, created }
    };
    transaction.commit()?;
    Ok(found)
}

/// What was saved: destinations that were seen since `oldest`, and terms of rules.
pub(super) fn read(
    database: &Database,
    oldest: i128,
    now: i128,
) -> Result<(HashMap<IpAddr, i128>, RuleTerms), redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(DESTINATIONS)?;
    let mut seen = HashMap::new();
    for entry in table.iter()? {
        let (address, last) = entry?;
        let last = i128::from(last.value()) * SECOND;
        if let (Ok(address), true) = (address.value().parse(), last >= oldest) {
            seen.insert(address, last);
        }
    }
    Ok((seen, RuleTerms::read(&transaction.open_table(RULE_TERMS)?, now)?))
}

/// What is to be saved.
pub(super) struct Unsaved<'a> {
    /// Destinations with their last sight.
    pub(super) seen: &'a mut dyn Iterator<Item = (IpAddr, i128)>,
    /// Terms of rules.
    pub(super) rules: &'a RuleTerms,
    /// When the store counts as made.
    pub(super) created: Option<i128>,
    /// What was seen last before this is forgotten.
    pub(super) forget_before: Option<i128>,
}

/// Saves it, whole or not at all.
pub(super) fn save(database: &Database, unsaved: Unsaved<'_>, now: i128) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(DESTINATIONS)?;
        for (address, last) in unsaved.seen {
            table.insert(address.to_string().as_str(), seconds(last))?;
        }
        if let Some(oldest) = unsaved.forget_before {
            table.retain(|_, last| last >= seconds(oldest))?;
        }
        unsaved.rules.write(&mut transaction.open_table(RULE_TERMS)?, now)?;
        if let Some(created) = unsaved.created {
            transaction.open_table(META)?.insert(CREATED, seconds(created).unsigned_abs())?;
        }
    }
    transaction.commit()?;
    Ok(())
}
