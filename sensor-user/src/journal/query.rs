//! Questions to the journal: which documents fit.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{JournalError, Kind, Reader, reader::Moment};
use crate::flow::Evidence;

/// Where a document names the sources of alerts that were only counted.
pub(crate) const HIDDEN_MOST: &str = "/smb_sensor/suppression/sources";

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Nothing older: nanoseconds since the Unix epoch.
    pub since: Option<i64>,
    /// Alerts of these rules; of every rule without any.
    pub rules: Vec<String>,
    /// Only with a source in this network; of alerts that were only counted, if it is one of those named.
    pub source: Option<IpNet>,
    /// Only with this level of evidence or a higher one, by its name.
    pub evidence: Option<String>,
    /// Every document; else of each alert only the last.
    pub every: bool,
    /// Flows instead of alerts.
    pub flows: bool,
    /// The newest so many at most.
    pub most: Option<usize>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Documents.
    pub told: u64,
    /// Whether there are more, older ones.
    pub more: bool,
}

impl Query {
    const fn kind(&self) -> Kind {
        if self.flows { Kind::Flow } else { Kind::Alert }
    }

    /// Whether a document fits.
    fn fits(&self, document: &Value) -> bool {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        let of_rule = self.rules.is_empty()
            || text("/rule/id").is_some_and(|id| self.rules.iter().any(|rule| rule == id));
        let from = self.source.is_none_or(|net| {
            let counted = document.pointer(HIDDEN_MOST).and_then(Value::as_array).into_iter().flatten();
            let named = counted.filter_map(|source| source.get("ip").and_then(Value::as_str));
            let addresses = text("/source/ip").into_iter().chain(named);
            addresses.filter_map(|ip| ip.parse::<IpAddr>().ok()).any(|address| net.contains(&address))
        });
        let shown = self.evidence.as_deref().is_none_or(|least| {
            let level = level(document);
            level.is_some() && level >= Evidence::named(least)
        });
        of_rule && from && shown
    }

    /// The places of the documents that fit, in order, and whether there are more.
    fn places(&self, journal: &Moment) -> Result<(Vec<u64>, bool), redb::Error> {
        let mut places = Vec::new();
        let mut alerts = HashSet::new();
        let mut more = false;
        journal.backwards(self.kind(), |sequence, time, text| {
            if self.since.is_some_and(|since| time < since) {
                return true;
            }
            let Ok(document) = serde_json::from_str::<Value>(text) else { return true };
            // The newest document of an alert is its state, whether or not an older one would fit.
            let id = document.pointer("/event/id").and_then(Value::as_str);
            if !self.every && id.is_some_and(|id| !alerts.insert(id.to_owned())) || !self.fits(&document) {
                return true;
            }
            more = self.most.is_some_and(|most| places.len() >= most);
            if !more {
                places.push(sequence);
            }
            !more
        })?;
        places.reverse();
        Ok((places, more))
    }
}

/// The evidence of a document; of alerts that were only counted, the highest among them.
pub(crate) fn level(document: &Value) -> Option<Evidence> {
    let named = |pointer| document.pointer(pointer);
    match named("/smb_sensor/suppression/by_evidence").and_then(Value::as_object) {
        Some(counted) => counted.keys().filter_map(|name| Evidence::named(name)).max(),
        None => named("/smb_sensor/evidence/level").and_then(Value::as_str).and_then(Evidence::named),
    }
}

/// Gives the documents that fit to `tell`, from the oldest to the newest, until it wants no more.
///
/// # Errors
/// When the journal cannot be read.
pub fn run(
    reader: &Reader,
    query: &Query,
    mut tell: impl FnMut(String) -> bool,
) -> Result<Found, JournalError> {
    let mut search = || {
        let journal = reader.now()?;
        let (places, more) = query.places(&journal)?;
        let mut told = 0;
        for place in places {
            if let Some(text) = journal.text(query.kind(), place)? {
                told += 1;
                if !tell(text) {
                    break;
                }
            }
        }
        Ok(Found { told, more })
    };
    search().map_err(|error| reader.error(error))
}

#[cfg(test)]
mod tests;
