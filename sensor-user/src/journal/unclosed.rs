//! What a run left open because it was killed: the next one closes its alerts, and tells what it had only counted.
//!
//! Takes the newest document of each alert, writes one that closes it behind all others; and behind those the documents that were
//! kept for this. A start looks only at what was written since the one before; killed meanwhile, the next finds what is closed already.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use log::{info, warn};
use serde::Deserialize;
use serde_json::Value;

use super::{Entry, Kind, Reader, reader::Moment, store::Stand};
use crate::alert;

/// Documents that are committed at a time.
const GROUP: usize = 256;

/// Closes what was left open; gives the next place. What the disk does not take is left to the next start, which needs the documents
/// that are given then.
pub(super) fn close(reader: &Reader, stand: &Stand, next: u64, now: i64) -> (u64, Vec<Value>) {
    let mut after = next;
    match try_to_close(reader, stand, &mut after, now) {
        Ok(0) => {}
        Ok(count) => info!("{count} alerts that an agent left open when it was killed are closed now"),
        Err(error) => {
            warn!("alerts that an agent left open when it was killed are closed at the next start: {error}");
            let kept = reader.now().and_then(|now| kept(&now)).unwrap_or_else(|error| {
                warn!("what that agent had counted and not told yet is lost: {error}");
                vec![]
            });
            return (after, kept);
        }
    }
    (after, vec![])
}

/// The documents that were kept in case the process is killed.
fn kept(journal: &Moment) -> Result<Vec<Value>, redb::Error> {
    let Some(text) = journal.standing()? else { return Ok(vec![]) };
    Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
        warn!("what an agent had counted when it was killed cannot be read, and is left out: {error}");
        vec![]
    }))
}

fn try_to_close(reader: &Reader, stand: &Stand, next: &mut u64, now: i64) -> Result<usize, redb::Error> {
    let Found { places, ids } = found(&reader.now()?, stand.closed_before)?;
    let mut count = 0;
    for group in places.chunks(GROUP) {
        let entries = closing(&reader.now()?, group, next, now)?;
        count += entries.len();
        reader.0.commit(&entries, stand.cursor, now)?;
    }
    let standing = standing(&reader.now()?, &ids, next, now)?;
    reader.0.commit(&standing, stand.cursor, now)?;
    reader.0.set_closed_before(*next)?;
    Ok(count)
}

/// What was written since the last start.
struct Found {
    /// The places of the newest documents of alerts that are open, in order.
    places: Vec<u64>,
    /// The ids of all alerts.
    ids: HashSet<String>,
}

/// Looks at what was written from `from` on.
fn found(journal: &Moment, from: u64) -> Result<Found, redb::Error> {
    let mut places = Vec::new();
    let mut ids = HashSet::new();
    journal.backwards(Kind::Alert, |sequence, _, text| {
        if sequence < from {
            return false;
        }
        if let Some((id, status)) = id_and_status(text)
            && ids.insert(id.into_owned())
            && status.is_some_and(|status| status != alert::Status::Closed.name())
        {
            places.push(sequence);
        }
        true
    })?;
    places.reverse();
    Ok(Found { places, ids })
}

/// What was kept, but for what was told after all, with the reason.
fn standing(
    journal: &Moment,
    ids: &HashSet<String>,
    next: &mut u64,
    now: i64,
) -> Result<Vec<Arc<Entry>>, redb::Error> {
    let untold = kept(journal)?.into_iter().filter(|document| {
        document.pointer("/event/id").and_then(Value::as_str).is_some_and(|id| !ids.contains(id))
    });
    let entries = untold.map(|document| {
        let ended = alert::ended_with_the_sensor(document, now.into());
        let entry = Arc::new(Entry { sequence: *next, ..Entry::of(&ended, now) });
        *next += 1;
        entry
    });
    Ok(entries.collect())
}

/// Documents that close the alerts of which the newest are at these places.
fn closing(
    journal: &Moment,
    places: &[u64],
    next: &mut u64,
    now: i64,
) -> Result<Vec<Arc<Entry>>, redb::Error> {
    let mut entries = Vec::new();
    for place in places {
        // One that was dropped meanwhile, for want of room, is no longer there to be open.
        let Some(text) = journal.text(Kind::Alert, *place)? else { continue };
        let Ok(document) = serde_json::from_str(&text) else { continue };
        let closed = alert::closed_for_the_sensor(document, now.into());
        entries.push(Arc::new(Entry { sequence: *next, ..Entry::of(&closed, now) }));
        *next += 1;
    }
    Ok(entries)
}

/// What of a document tells whether its alert is open; a summary of suppressed ones has no status.
fn id_and_status(text: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        event: Event<'a>,
        #[serde(borrow)]
        smb_sensor: OfSensor<'a>,
    }
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct OfSensor<'a> {
        #[serde(borrow)]
        alert: Option<Alert<'a>>,
    }
    #[derive(Deserialize)]
    struct Alert<'a> {
        #[serde(borrow)]
        status: Cow<'a, str>,
    }
    let document: Document<'_> = serde_json::from_str(text).ok()?;
    Some((document.event.id, document.smb_sensor.alert.map(|alert| alert.status)))
}

#[cfg(test)]
mod tests;
