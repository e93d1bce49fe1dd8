//! After a long disconnection: finds the next documents that the stream has already.
//!
//! A document whose acknowledgement was lost is sent again. The stream drops the repetition within its duplicate window. If the
//! sensor reached no server for longer, it first asks which of its own documents the stream has stored since the last
//! acknowledgement.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull::Config};
use futures_util::StreamExt as _;
use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::{info, warn};

use super::{connection::Link, subject::Subjects};
use crate::storage::DocumentRow;

/// An absence is long from here on: half of a minute, the least duplicate window that the documentation allows.
const LONG: Duration = Duration::from_secs(30);

/// Difference of clocks that does not matter.
const CLOCKS: Duration = Duration::from_secs(3_600);

/// Most identifiers that are read: what is under way without an acknowledgement is far less.
const MAX_IDS: usize = 4_096;

/// Refusals to answer, before documents are sent without an answer.
const MAX_REFUSED: u32 = 3;

/// Times without any answer before that. A cluster may try to answer from a member that has just crashed.
const MAX_UNANSWERED: u32 = 20;

/// What is known about the documents in the stream.
#[derive(Debug)]
pub(super) struct Resume {
    /// The place in the stream of the last document that was acknowledged.
    acknowledged: Option<u64>,
    /// Since when documents may be there without an acknowledgement.
    uncertain: Option<Uncertain>,
    /// Those that are there.
    known: HashSet<String>,
    refused: u32,
    unanswered: u32,
    is_forbidden: bool,
}

#[derive(Clone, Copy, Debug)]
enum Uncertain {
    /// Since an earlier run: the age of the documents says whether that is long ago.
    Start,
    /// Since a failure.
    Failure(Instant),
}

impl Default for Resume {
    fn default() -> Self {
        Self {
            acknowledged: None,
            uncertain: Some(Uncertain::Start),
            known: HashSet::new(),
            refused: 0,
            unanswered: 0,
            is_forbidden: false,
        }
    }
}

impl Resume {
    /// Whether the stream is to be asked before these documents are sent.
    pub(super) fn is_due(&self, documents: &[DocumentRow], now: OffsetDateTime) -> bool {
        let is_long = match self.uncertain {
            None => false,
            Some(Uncertain::Start) => documents.first().and_then(made).is_some_and(|at| now - at >= LONG),
            Some(Uncertain::Failure(at)) => at.elapsed() >= LONG,
        };
        is_long && !self.is_forbidden
    }

    /// Asks the stream.
    ///
    /// # Errors
    /// If it does not answer, but may do later.
    pub(super) async fn ask(
        &mut self,
        link: &Link,
        subjects: &Subjects,
        patience: Duration,
        documents: &[DocumentRow],
    ) -> Result<(), String> {
        let begin = match self.acknowledged {
            Some(sequence) => DeliverPolicy::ByStartSequence { start_sequence: sequence + 1 },
            None => match documents.first().and_then(made) {
                Some(at) => DeliverPolicy::ByStartTime { start_time: at - CLOCKS },
                None => return Ok(()),
            },
        };
        let read = timeout(patience, read(link, subjects, begin)).await;
        let (count, most) = match &read {
            Ok(_) => (&mut self.refused, MAX_REFUSED),
            Err(_) => (&mut self.unanswered, MAX_UNANSWERED),
        };
        *count += 1;
        let is_enough = *count >= most;
        match read.unwrap_or_else(|_| Err("no answer".to_owned())) {
            Ok(known) => {
                if !known.is_empty() {
                    info!(
                        "the stream has {} documents of the time before the connection was lost",
                        known.len()
                    );
                }
                self.known = known;
                self.settle();
                Ok(())
            }
            Err(reason) => {
                let said = link.take_said();
                self.is_forbidden = said.as_ref().is_some_and(|said| said.contains("Permissions Violation"));
                if !self.is_forbidden && !is_enough {
                    return Err(format!("the stream does not say which documents it has: {reason}"));
                }
                warn!(
                    "the stream does not say which documents it has ({}): documents that were under way when the connection was lost may be \
                     there twice, under the same identifier",
                    said.unwrap_or(reason)
                );
                self.settle();
                Ok(())
            }
        }
    }

    /// Nothing is uncertain any more that can be found out.
    fn settle(&mut self) {
        (self.uncertain, self.refused, self.unanswered) = (None, 0, 0);
    }

    /// Whether the stream has the document already.
    pub(super) fn has(&self, document: &DocumentRow) -> bool {
        self.known.contains(&document.id)
    }

    /// The stream has acknowledged a document.
    pub(super) fn acknowledged(&mut self, sequence: u64) {
        self.acknowledged = self.acknowledged.max(Some(sequence));
    }

    /// Documents were delivered, all of them or up to one that failed.
    pub(super) fn delivered(&mut self, has_failed: bool) {
        match (has_failed, self.uncertain) {
            (false, _) => {
                self.uncertain = None;
                self.known.clear();
            }
            (true, None) => self.uncertain = Some(Uncertain::Failure(Instant::now())),
            (true, Some(_)) => {}
        }
    }
}

/// When a document was made.
fn made(document: &DocumentRow) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(document.at.into()).ok()
}

/// The identifiers of the sensor's own messages in the stream, from a place on.
async fn read(
    link: &Link,
    subjects: &Subjects,
    deliver_policy: DeliverPolicy,
) -> Result<HashSet<String>, String> {
    let own = subjects.own();
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let name = link.jetstream.stream_by_subject(own.as_str()).await.map_err(|error| text(&error))?;
    let stream = link.jetstream.get_stream(name).await.map_err(|error| text(&error))?;
    let config = Config {
        filter_subject: own,
        deliver_policy,
        ack_policy: AckPolicy::None,
        headers_only: true,
        memory_storage: true,
        inactive_threshold: LONG,
        ..Config::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(|error| text(&error))?;
    let count = usize::try_from(consumer.cached_info().num_pending).unwrap_or(MAX_IDS).min(MAX_IDS);
    let (mut known, prefix) = (HashSet::new(), subjects.message_id(""));
    if count == 0 {
        return Ok(known);
    }
    let messages = consumer.batch().max_messages(count).messages().await;
    let mut messages = messages.map_err(|error| text(&error))?.take(count);
    let mut seen = 0;
    while let Some(message) = messages.next().await {
        let message = message.map_err(|error| text(&error))?;
        let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
        known.extend(id.and_then(|id| id.as_str().strip_prefix(&prefix)).map(str::to_owned));
        seen += 1;
    }
    // A server may end a batch before that, without an error.
    if seen < count {
        return Err(format!("it sent {seen} of {count} messages"));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::tests::fixture;

    #[test]
    fn stream_is_asked_after_a_long_absence_alone() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let document = |age: u64| {
            let at = now - Duration::from_secs(age);
            [DocumentRow { at: at.unix_timestamp_nanos() as i64, ..fixture(1, "{}") }]
        };
        let mut resume = Resume::default();
        assert!(resume.is_due(&document(30), now), "it waited since an earlier run");
        assert!(!resume.is_due(&document(29), now));
        resume.delivered(false);
        assert!(!resume.is_due(&document(30), now));
        resume.delivered(true);
        assert!(!resume.is_due(&document(30), now), "it has just failed");
        let long_ago = Instant::now().checked_sub(LONG).unwrap();
        resume.uncertain = Some(Uncertain::Failure(long_ago));
        resume.delivered(true);
        assert!(resume.is_due(&document(0), now), "it goes on to fail");
        resume.is_forbidden = true;
        assert!(!resume.is_due(&document(0), now));
    }
}
