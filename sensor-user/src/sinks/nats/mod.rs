//! NATS JetStream: each document is a message of the sensor's own subject, and counts as delivered when the stream has it.
//!
//! Site, sensor and identifier of a document are the message's `Nats-Msg-Id`: a message that is sent again within the stream's
//! duplicate window is stored once. Documents about the same incident are never in flight together, so they arrive in order.

mod bucket;
mod connection;
mod publish;
mod report;
mod resume;
mod shared_exemptions;
mod shared_terms;
mod stream;
mod subject;

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::Context;
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use tracing::warn;

use self::{
    connection::Connector, publish::Outcome, resume::Resume, shared_exemptions::Follower,
    shared_terms::TermKeeper, stream::Found,
};
pub use self::{
    connection::{Login, NatsOptions, StreamOptions},
    shared_exemptions::{SharedExemptions, scope, shared_exemptions_file},
    subject::{Subjects, host_token},
};
use super::{Delivery, Failure, SetupError, Sink, Surroundings, delivery::different};
use crate::{health::HealthBoard, storage::DocumentRow};

/// Most documents that are sent before their acknowledgement.
const MAX_UNACKNOWLEDGED: usize = 64;

/// Time between two looks at shared exemptions without reports of health.
const LOOK: Duration = Duration::from_secs(30);

/// Publishes documents to a stream.
pub struct Nats {
    subjects: Subjects,
    timeout: Duration,
    health: Option<(Duration, Arc<HealthBoard>)>,
    follower: Option<Follower>,
    keeper: Option<TermKeeper>,
    connector: Arc<Connector>,
    resume: Resume,
    /// With a thread of its own, which keeps the connection while there is nothing to send.
    runtime: Option<Runtime>,
}

impl Nats {
    /// Prepares the sink. It also reports the health of the sensor, follows shared exemptions, and shares known terms, if that is
    /// wanted.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn new(options: &NatsOptions, around: &Surroundings) -> Result<Self, SetupError> {
        let connector = Arc::new(Connector::new(options)?);
        let follower = Follower {
            connector: Arc::clone(&connector),
            site: options.subjects.site().to_owned(),
            every: options.health.unwrap_or(LOOK),
            state_dir: around.state_dir.clone(),
            changed: Arc::clone(&around.changed),
        };
        let replicas = options.create.as_ref().map(|stream| stream.replicas);
        let keeper =
            TermKeeper::new(Arc::clone(&connector), &options.subjects, replicas, around.terms.clone());
        Ok(Self {
            subjects: options.subjects.clone(),
            timeout: options.timeout,
            health: options.health.map(|every| (every, Arc::clone(&around.health))),
            follower: options.exemptions.then_some(follower),
            keeper: options.terms.then_some(keeper),
            connector,
            resume: Resume::default(),
            runtime: None,
        })
    }
}

impl Sink for Nats {
    fn begin(&mut self) {
        match connection::runtime() {
            Ok(runtime) => {
                if let Some((every, board)) = self.health.take() {
                    let (connector, subjects) = (Arc::clone(&self.connector), self.subjects.clone());
                    runtime.spawn(report::run(connector, subjects, every, board));
                }
                if let Some(follower) = self.follower.take() {
                    runtime.spawn(follower.run());
                }
                if let Some(keeper) = self.keeper.take() {
                    runtime.spawn(keeper.run());
                }
                self.runtime = Some(runtime);
            }
            Err(error) => warn!("no thread for NATS: {error}"),
        }
    }

    fn look(&mut self) -> Option<Result<(), String>> {
        let runtime = self.runtime.as_ref()?;
        Some(runtime.block_on(async { self.connector.link().await?.look(&self.subjects).await }))
    }

    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery {
        let failed = |reason| Delivery { failure: Some(Failure::of(reason)), ..Delivery::default() };
        let Some(runtime) = &self.runtime else { return failed("it has no thread".to_owned()) };
        let together = &documents[..different(documents, MAX_UNACKNOWLEDGED)];
        runtime.block_on(async {
            let link = match self.connector.link().await {
                Ok(link) => link,
                Err(reason) => {
                    self.resume.delivered(true);
                    return failed(reason);
                }
            };
            if self.resume.is_due(together, OffsetDateTime::now_utc())
                && let Err(reason) = self.resume.ask(&link, &self.subjects, self.timeout, together).await
            {
                self.connector.give_up().await;
                return failed(reason);
            }
            let new = together.iter().filter(|document| !self.resume.has(document));
            let outcomes = publish::all(link, &self.subjects, self.timeout, new).await;
            let delivery =
                delivery(with_known(together, outcomes, |document| self.resume.has(document)), |at| {
                    self.resume.acknowledged(at);
                });
            self.resume.delivered(delivery.failure.is_some());
            if delivery.failure.is_some() {
                // What it still holds back must not arrive behind what is sent next.
                self.connector.give_up().await;
            }
            delivery
        })
    }
}

/// The outcomes of all documents, of which some were not sent because the stream has them.
fn with_known(
    documents: &[DocumentRow],
    outcomes: Vec<Outcome>,
    is_known: impl Fn(&DocumentRow) -> bool,
) -> Vec<Outcome> {
    let mut outcomes = outcomes.into_iter();
    documents
        .iter()
        .map_while(|document| if is_known(document) { Some(Outcome::Stored(None)) } else { outcomes.next() })
        .collect()
}

/// Settles documents up to the first one that failed. Those behind it may have arrived, and are sent again. Calls `acknowledged` with
/// the place of each in the stream.
fn delivery(outcomes: Vec<Outcome>, mut acknowledged: impl FnMut(u64)) -> Delivery {
    let mut delivery = Delivery::default();
    for outcome in outcomes {
        match outcome {
            Outcome::Stored(at) => at.into_iter().for_each(&mut acknowledged),
            Outcome::Refused(reason) => delivery.refused.push((delivery.settled, reason)),
            Outcome::Failed(reason) => {
                delivery.failure = Some(Failure::of(reason));
                break;
            }
        }
        delivery.settled += 1;
    }
    delivery
}

/// Connects, to read.
///
/// # Errors
/// What is missing.
pub async fn connect(options: &NatsOptions) -> Result<Context, String> {
    let connector = Connector::new(options).map_err(|error| error.to_string())?;
    Ok(connector.greet().await?.jetstream)
}

/// Connects and publishes nothing; says what was found, and what could not be.
///
/// # Errors
/// What is missing.
pub(super) fn probe(options: &NatsOptions) -> Result<String, String> {
    let connector = Connector::new(options).map_err(|error| error.to_string())?;
    let runtime = connection::runtime().map_err(|error| error.to_string())?;
    let found = runtime.block_on(async {
        let link = connector.greet().await?;
        Ok::<_, String>(stream::taking(&link, &options.subjects).await)
    })?;
    let server = options.named();
    match (found, &options.create) {
        (Found::Stream(name), _) => Ok(format!(
            "{server} accepts this sensor's credentials, and the stream {name} takes its documents"
        )),
        (Found::Nothing, Some(stream)) => Ok(format!(
            "{server} accepts this sensor's credentials; the stream {} is made by the sensor",
            stream.name
        )),
        (Found::Nothing, None) => Err(format!("{server}: {}", stream::missing(&options.subjects))),
        (Found::Off, _) => Err(format!("{server}: {}", stream::OFF)),
        (Found::Unknown(why), _) => Ok(format!(
            "{server} accepts this sensor's credentials; whether a stream takes its documents cannot be verified ({why})"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sinks::tests::fixture, storage::DocumentKind};

    fn document(id: &str, kind: DocumentKind) -> DocumentRow {
        DocumentRow { id: id.to_owned(), kind, ..fixture(1, "{}") }
    }

    #[test]
    fn documents_that_the_stream_has_are_settled_without_being_sent() {
        let documents = ["a-1", "b-1", "c-1", "d-1"].map(|id| document(id, DocumentKind::Incident));
        let is_known = |document: &DocumentRow| ["a-1", "c-1"].contains(&document.id.as_str());
        let outcomes = with_known(&documents, vec![Outcome::Stored(Some(1))], is_known);
        let stored = |at| Outcome::Stored(at);
        assert_eq!(outcomes, [stored(None), stored(Some(1)), stored(None)], "the last one was not sent");
    }

    #[test]
    fn documents_behind_a_failed_one_are_sent_again() {
        let failed = || Outcome::Failed("full".to_owned());
        let refused = Outcome::Refused("large".to_owned());
        let stored = |at| Outcome::Stored(Some(at));
        let mut last = 0;
        let delivery = delivery(vec![stored(7), refused, failed(), stored(9)], |at| last = at);
        assert_eq!((delivery.settled, last), (2, 7));
        assert_eq!(delivery.refused, [(1, "large".to_owned())]);
        assert_eq!(delivery.failure.unwrap().reason, "full");
    }
}
