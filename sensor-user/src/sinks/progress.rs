//! The progress of a sink, shared between its thread and the agent.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sensor_core::{level::Severity, time::Timestamp};
use sensor_dissect::escape::shown;

use crate::{
    latency::Latency,
    rfc3339::rfc3339,
    storage::{DocumentKind, Subscriber},
    wall_clock,
};

/// The state of a sink, shared between its thread and the agent.
pub(super) struct Progress {
    pub(super) name: String,
    /// The kind of document that it is limited to.
    pub(super) kind: Option<DocumentKind>,
    /// The least severity that it takes.
    pub(super) min_severity: Severity,
    pub(super) subscriber: Arc<Subscriber>,
    /// Position of the last document that was delivered or skipped.
    cursor: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
    errors: AtomicU64,
    last: Mutex<Last>,
    /// Age of the incidents' documents when they were delivered.
    latency: Latency,
    /// The destination is to be opened again.
    reopen: AtomicBool,
    stop: AtomicBool,
}

#[derive(Clone, Default)]
struct Last {
    success: Option<Timestamp>,
    error: Option<(Timestamp, String)>,
    /// Why it cannot deliver; `Ok` if it could when that was last seen.
    ability: Option<Result<(), String>>,
}

/// The state of an output at one moment.
#[derive(Clone, Debug)]
pub struct OutputStatus {
    /// Name.
    pub name: String,
    /// Documents that were delivered.
    pub written: u64,
    /// Documents in the store that it has not reached.
    pub waiting: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Documents that the destination refused for good.
    pub refused: u64,
    /// Documents that the store removed before they could be delivered.
    pub lost: u64,
    /// When documents were delivered last.
    pub last_success: Option<Timestamp>,
    /// The last failure, and when it was.
    pub last_error: Option<(Timestamp, String)>,
    /// Why it cannot deliver, or that it could when that was last seen; unknown before the first document of an output without a
    /// connection that is kept.
    pub ability: Option<Result<(), String>>,
    /// Time from making an incident's document to its delivery.
    pub latency: Latency,
}

impl Progress {
    pub(super) fn new(name: &str, kind: Option<DocumentKind>, min_severity: Severity, cursor: u64) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            min_severity,
            subscriber: Arc::new(Subscriber::new(kind, Some(min_severity), cursor)),
            cursor: AtomicU64::new(cursor),
            written: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last: Mutex::default(),
            latency: Latency::default(),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        }
    }

    pub(super) fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::Relaxed)
    }

    pub(super) fn advance_to(&self, sequence: u64) {
        self.subscriber.note_read(sequence);
        self.cursor.store(sequence, Ordering::Relaxed);
    }

    pub(super) fn note_delivered(&self, written: u64, refused: u64) {
        self.written.fetch_add(written, Ordering::Relaxed);
        self.refused.fetch_add(refused, Ordering::Relaxed);
        let mut last = self.last();
        last.success = Some(wall_clock::now());
        last.ability = Some(Ok(()));
    }

    /// Notes when documents that were delivered had been made.
    pub(super) fn note_made(&self, made: impl Iterator<Item = Timestamp>) {
        let now = wall_clock::now();
        made.for_each(|made| self.latency.observe(now.since(made)));
    }

    pub(super) fn note_failure(&self, reason: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last();
        last.error = Some((wall_clock::now(), reason.to_owned()));
        last.ability = Some(Err(reason.to_owned()));
    }

    /// Whether it could deliver when that was last seen.
    pub(super) fn ability(&self) -> Option<Result<(), String>> {
        self.last().ability.clone()
    }

    /// Notes whether it could deliver.
    pub(super) fn note_ability(&self, ability: Result<(), String>) {
        self.last().ability = Some(ability);
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ask_to_reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_to_reopen(&self) -> bool {
        self.reopen.load(Ordering::Relaxed)
    }

    /// Whether the destination is to be opened again; the request is taken.
    pub(super) fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self, place: u64) -> u64 {
        place.saturating_sub(self.cursor())
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn status(&self, place: u64) -> OutputStatus {
        let Last { success, error, ability } = self.last().clone();
        OutputStatus {
            name: self.name.clone(),
            written: self.written(),
            waiting: self.waiting(place),
            errors: self.errors.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            lost: self.subscriber.lost(),
            last_success: success,
            last_error: error,
            ability,
            latency: self.latency.clone(),
        }
    }
}

impl fmt::Display for OutputStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, written, waiting, errors, refused, lost, .. } = self;
        write!(
            f,
            "output {name}: written={written} waiting={waiting} errors={errors} refused={refused} lost={lost}"
        )?;
        if let Some(at) = self.last_success {
            write!(f, " last_success={}", rfc3339(at))?;
        }
        if let Some((at, reason)) = &self.last_error {
            // The reason may repeat what the destination said.
            write!(f, " last_error={} ({})", rfc3339(*at), shown(reason.as_bytes()))?;
        }
        Ok(())
    }
}
