//! Verdicts on incidents: given by command or on the status page, stored with the incident, and written to the outputs as
//! documents.
//!
//! The running agent records them, on a thread that may wait for the disk. Without an agent the command writes them itself.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use sensor_core::incident::{Incident, covered::Covered};

use crate::{
    control::{self, Request},
    ecs,
    response::{Author, Peer, Verdict, VerdictEntry, verdict},
    state,
    storage::{DocumentKind, Handle, NewDocument, Reader, RowBatch, commit_alone},
    wall_clock,
};

/// Time for the store to commit a verdict; the agent has to answer in less than four seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Gives a verdict on the incident with this identifier; says what was done. `who` is who gives it, if that is not the user of this
/// process.
///
/// # Errors
/// Why it is not given.
pub fn give(
    state_dir: &Path,
    incident: &str,
    verdict: Verdict,
    note: Option<String>,
    who: Option<String>,
) -> Result<String> {
    let request = Request::Verdict { incident: incident.to_owned(), verdict, note: note.clone(), who };
    match control::ask(state_dir, &request) {
        Ok(answer) if answer.done => Ok(answer.text),
        Ok(answer) => bail!(answer.text),
        Err(error) if error.is_absence() => {
            let by = Author::Peer(Peer::of_uid(nix::unistd::getuid().as_raw()));
            let verdict_entry = VerdictEntry { verdict, note, by, at: wall_clock::now() };
            let reader = Reader::open(state_dir)?;
            // Its own interfaces are of no matter to a verdict.
            let given = Given::of(&reader, incident, &verdict_entry, &ecs::Sensor::new(&[], true))?;
            drop(reader);
            commit_alone(state_dir, &given.rows)?;
            Ok(given.text)
        }
        Err(error) => Err(error.into()),
    }
}

/// Records verdicts in the store of the running agent.
#[derive(Clone, Debug)]
pub struct Recorder {
    store: Handle,
    sensor: ecs::Sensor,
    state_dir: PathBuf,
    /// Documents that it made.
    made: Arc<AtomicU64>,
}

impl Recorder {
    /// One that counts its documents in `made`.
    #[must_use]
    pub const fn new(store: Handle, sensor: ecs::Sensor, state_dir: PathBuf, made: Arc<AtomicU64>) -> Self {
        Self { store, sensor, state_dir, made }
    }

    /// Records a verdict and says what was done. Waits for the disk.
    ///
    /// # Errors
    /// Why it is not recorded.
    pub fn record(&self, incident: &str, verdict_entry: &VerdictEntry) -> Result<String> {
        let reader = Reader::open(&self.state_dir)?;
        let Given { rows, text } = Given::of(&reader, incident, verdict_entry, &self.sensor)?;
        let made = rows.documents.len() as u64;
        if self.store.submit(rows).is_err() {
            bail!("the store takes nothing now, because too much waits for the disk; try again");
        }
        self.made.fetch_add(made, Ordering::Relaxed);
        if !self.store.flush(PATIENCE) {
            return Ok(format!(
                "{text}\nThe database has not taken it yet; it will when the disk allows it."
            ));
        }
        Ok(text)
    }
}

/// A verdict that is to be stored.
struct Given {
    rows: RowBatch,
    /// What to say about it.
    text: String,
}

impl Given {
    fn of(reader: &Reader, id: &str, verdict_entry: &VerdictEntry, sensor: &ecs::Sensor) -> Result<Self> {
        if let Some(note) = &verdict_entry.note {
            verdict::note(note).map_err(|wrong| anyhow!("the note: {wrong}"))?;
        }
        if let Author::OnPage(name) = &verdict_entry.by {
            verdict::name(name).map_err(|wrong| anyhow!("the name: {wrong}"))?;
        }
        let row = reader
            .identified(id)?
            .with_context(|| format!("there is no incident {id}; `smb-sensor alerts` lists them"))?;
        let incident = state::incident(&row)
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("cannot read incident {id}: another version of smb-sensor wrote it"))?;
        // An unreadable one is replaced like any other.
        let before = reader.verdict(id)?.and_then(|row| state::verdict_entry(&row).ok());
        let document = ecs::verdict(&incident, verdict_entry, before.as_ref().map(|one| one.verdict), sensor);
        let rows = RowBatch {
            documents: vec![NewDocument {
                id: document.id().to_owned(),
                kind: DocumentKind::Incident,
                incident: Some(row.id.clone()),
                severity: Some(incident.severity),
                at: verdict_entry.at.unix_nanos(),
                brief: document.brief().to_bytes(),
                body: document.line(),
            }],
            verdicts: vec![state::verdict_row(row.id, verdict_entry)],
            made: Some(Instant::now()),
            ..RowBatch::default()
        };
        Ok(Self { rows, text: text(&incident, verdict_entry, before.as_ref()) })
    }
}

/// What was done, and for benign traffic the command that exempts it.
fn text(incident: &Incident, verdict_entry: &VerdictEntry, before: Option<&VerdictEntry>) -> String {
    let VerdictEntry { verdict, note, by, .. } = verdict_entry;
    let before = before.map(|one| format!("; before, it was {}, by {}", one.verdict, one.by));
    let mut text = format!("incident {}: {verdict}, by {by}{}", incident.id, before.unwrap_or_default());
    if *verdict == Verdict::Benign {
        let reason = note.as_ref().map_or_else(|| "\"…\"".to_owned(), |note| quoted(note));
        let command = Covered::of(incident).command(&reason);
        text.push_str(&format!("\nTo have no more incidents of this traffic:\n  {command}"));
    }
    text
}

/// A text as one word of a shell (POSIX 2.2.2).
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use sensor_core::{incident::fixtures, time::Timestamp};

    use super::*;

    fn verdict_entry(verdict: Verdict, note: Option<&str>) -> VerdictEntry {
        let by = Author::Peer(Peer::User { uid: 1000, name: Some("ann".into()) });
        VerdictEntry { verdict, note: note.map(str::to_owned), by, at: Timestamp::from_unix_seconds(1) }
    }

    #[test]
    fn benign_verdict_comes_with_the_command_that_exempts() {
        let leak = fixtures::leak_accepted();
        let confirmed = verdict_entry(Verdict::Confirmed, None);
        let benign = verdict_entry(Verdict::Benign, Some("Ann's copy; $(reboot)"));
        assert_eq!(
            text(&leak, &benign, Some(&confirmed)),
            format!(
                "incident {}: benign, by ann (uid 1000); before, it was confirmed, by ann (uid 1000)\n\
                 To have no more incidents of this traffic:\n  \
                 smb-sensor exempt add --destination 8.8.4.4 --source 10.0.0.2 --service smb \
                 --reason 'Ann'\\''s copy; $(reboot)'",
                leak.id
            )
        );
        assert!(!text(&leak, &confirmed, None).contains("exempt"));
    }

    /// A database with one closed incident.
    fn database() -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let opened =
            crate::storage::Writer::open(directory.path(), crate::storage::Bounds::default(), 0).unwrap();
        drop(opened);
        let leak = fixtures::leak_accepted();
        let leak = Incident { closed: Some(leak.last), ..leak };
        let id = leak.id.to_string();
        let incidents = vec![state::incident_row(&fixtures::stored(leak))];
        commit_alone(directory.path(), &RowBatch { incidents, ..RowBatch::default() }).unwrap();
        (directory, id)
    }

    #[test]
    fn verdict_without_an_agent_is_kept_with_its_documents() {
        let (directory, id) = database();
        let give = |verdict, note: Option<&str>| {
            give(directory.path(), &id, verdict, note.map(str::to_owned), None).unwrap()
        };
        give(Verdict::Confirmed, None);
        let text = give(Verdict::Duplicate, Some("of 7f3b"));
        assert!(text.contains("duplicate") && text.contains("before, it was confirmed"), "{text}");
        let reader = Reader::open(directory.path()).unwrap();
        let kept = state::verdict_entry(&reader.verdict(&id).unwrap().unwrap()).unwrap();
        assert_eq!((kept.verdict, kept.note.as_deref()), (Verdict::Duplicate, Some("of 7f3b")));
        let query = crate::storage::DocumentQuery { incident: Some(id.clone()), ..Default::default() };
        let mut bodies = Vec::new();
        reader
            .documents(&query, |document| {
                bodies.push(document.body);
                true
            })
            .unwrap();
        assert_eq!(bodies.len(), 2, "both stay in the journal");
        assert!(bodies[1].contains("\"replaces\":\"confirmed\""), "{}", bodies[1]);
    }

    #[test]
    fn verdict_that_is_not_possible_says_why() {
        let (directory, id) = database();
        let give = |id: &str, note: &str| {
            let given = give(directory.path(), id, Verdict::Benign, Some(note.to_owned()), None);
            given.unwrap_err().to_string()
        };
        let error = give("0000000000000000", "x");
        assert!(error.contains("there is no incident 0000000000000000"), "{error}");
        assert!(give(&id, "a\nb").contains("the note: it has control characters"));
        assert!(give(&id, &"x".repeat(501)).contains("501 characters"));
        let reader = Reader::open(directory.path()).unwrap();
        assert_eq!(reader.verdicts().unwrap(), []);
    }
}
