//! A state directory as an agent leaves it after some weeks, for reports.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use sensor_core::{
    event::Event,
    exempt::Hit,
    incident::{Incident, IncidentId, QuotaSummary, fixtures},
    level::Severity,
    rules,
};
use sensor_user::{
    ecs, output,
    response::{Author, Peer, Verdict, VerdictEntry},
    state,
    storage::{Bounds, DocumentKind, NewDocument, Opened, RowBatch, Writer},
};

use crate::status_page::incidents;

/// Time for the database to take everything.
const SAVED: Duration = Duration::from_secs(60);

/// The period of the report, as arguments of the command.
pub const PERIOD: [&str; 4] = ["--since", "2026-11-02", "--until", "2026-11-30"];

/// Incidents that the quota held back.
pub const HELD_BACK: u64 = 41;

/// Incidents of four weeks, of all kinds. Three of them are a campaign.
#[must_use]
pub fn of_four_weeks() -> Vec<Incident> {
    let kinds = incidents();
    let mut all: Vec<_> = (0..60_u64)
        .zip(kinds.iter().cycle())
        .map(|(number, kind)| {
            let ago = Duration::from_secs(86_400 * (number * number % 27));
            Incident {
                id: IncidentId((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                opened: kind.opened - ago,
                first: kind.first - ago,
                last: kind.last - ago,
                ..kind.clone()
            }
        })
        .collect();
    for (number, host) in [3, 4, 5].into_iter().zip(["10.0.0.41", "10.0.0.42", "10.0.0.43"]) {
        let leak = fixtures::leak_accepted();
        let mut one = Incident { id: all[number].id, opened: all[number].opened, ..leak };
        one.internal.addresses = host.parse().into_iter().collect();
        one.internal.name = None;
        one.related.campaign = Some(all[3].id);
        all[number] = one;
    }
    all
}

/// Verdicts on some of them, by identifier.
#[must_use]
pub fn verdicts(incidents: &[Incident]) -> BTreeMap<String, VerdictEntry> {
    let notes = [
        (Verdict::Confirmed, Some("phishing mail; password changed")),
        (Verdict::Benign, Some("nightly copy to the provider")),
        (Verdict::Duplicate, None),
        (Verdict::Benign, Some("scan by the auditors")),
    ];
    let by = Author::Peer(Peer::User { uid: 1000, name: Some("ann".into()) });
    let with_verdict = incidents.iter().step_by(6).zip(notes.iter().cycle()).zip(1..);
    with_verdict
        .map(|((incident, (verdict, note)), minutes)| {
            let verdict_entry = VerdictEntry {
                verdict: *verdict,
                note: note.map(str::to_owned),
                by: by.clone(),
                at: fixtures::after(minutes * 60_000),
            };
            (incident.id.to_string(), verdict_entry)
        })
        .collect()
}

/// Fills a state directory with incidents, verdicts on them, what the quota held back, and hits of the exemption `copy`. Gives the
/// open store.
///
/// # Errors
/// When the database does not take it.
pub fn fill(
    state_dir: &Path,
    incidents: &[Incident],
    verdicts: &BTreeMap<String, VerdictEntry>,
) -> Result<Opened> {
    let opened = Writer::open(state_dir, Bounds::default(), 0)?;
    let month = Duration::from_secs(31 * 86_400);
    let mut documents = vec![NewDocument {
        id: "oldest".to_owned(),
        kind: DocumentKind::Incident,
        incident: None,
        severity: Some(Severity::Low),
        at: (fixtures::START - month).unix_nanos(),
        body: "{}".to_owned(),
        brief: Vec::new(),
    }];
    let events = [held_back()];
    documents.extend(output::documents(&events, &ecs::Sensor::default()));
    let stored = incidents.iter().cloned().map(fixtures::stored);
    let mut batch = RowBatch {
        documents,
        incidents: stored.map(|one| state::incident_row(&one)).collect(),
        verdicts: verdicts.iter().map(|(id, one)| state::verdict_row(id.clone(), one)).collect(),
        ..RowBatch::default()
    };
    let hit = Hit { connections: 29, packets: 4_211, last: fixtures::START };
    state::add_summaries(&events, &mut batch);
    state::add_hits(&BTreeMap::from([("copy".to_owned(), hit)]), &mut batch);
    opened.handle.submit(batch).ok().context("the store takes no batch")?;
    Ok(opened)
}

/// The same, with the store closed again.
///
/// # Errors
/// As [`fill`].
pub fn fill_and_close(
    state_dir: &Path,
    incidents: &[Incident],
    verdicts: &BTreeMap<String, VerdictEntry>,
) -> Result<()> {
    let Opened { writer, handle, .. } = fill(state_dir, incidents, verdicts)?;
    let committed = handle.committed().clone();
    drop(handle);
    writer.run()?;
    ensure!(committed.wait(1, SAVED, || false) >= 2, "the store did not commit in time");
    Ok(())
}

fn held_back() -> Event {
    Event::Quota(QuotaSummary {
        rule: &rules::smb_to_internet::META,
        since: fixtures::START,
        until: fixtures::after(300_000),
        at: fixtures::after(300_000),
        sequence: 2,
        opened: 100,
        held_back: HELD_BACK,
        is_final: true,
        sources: vec![],
    })
}
