//! Notifies the script of an open page of new documents (server-sent events).

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::State,
    response::sse::{Event, Sse},
};
use futures_util::stream::{Stream, unfold};
use tokio::sync::watch;

use crate::{
    http::{Snapshot, Source},
    storage::Committed,
};

/// Snapshots, which come once a second, between two events while nothing is new.
const QUIET: u32 = 5;

struct Watched {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    committed: Committed,
    /// Position of the last document that was known.
    known: u64,
}

/// `changed` for a new document; `tick` every five seconds, for pages with numbers.
pub(super) async fn events(
    State(source): State<Source>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let Source { snapshots, committed, .. } = source;
    let known = committed.sequence();
    Sse::new(unfold(Watched { snapshots, committed, known }, |mut watched| async {
        for _ in 0..QUIET {
            // The agent ends when nobody publishes any more.
            watched.snapshots.changed().await.ok()?;
            let sequence = watched.committed.sequence();
            if sequence != watched.known {
                watched.known = sequence;
                return Some((Ok(event("changed", sequence)), watched));
            }
        }
        let sequence = watched.known;
        Some((Ok(event("tick", sequence)), watched))
    }))
}

fn event(name: &str, sequence: u64) -> Event {
    Event::default().event(name).data(sequence.to_string())
}
