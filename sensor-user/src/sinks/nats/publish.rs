//! Publishes documents and waits for their acknowledgements.

use std::time::Duration;

use async_nats::jetstream::{
    self, ErrorCode,
    context::{PublishAckFuture, PublishError, PublishErrorKind},
    message::PublishMessage,
};

use super::{connection::Link, stream::OFF, subject::Subjects};
use crate::storage::DocumentRow;

/// What became of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The stream has it; at this place, if it says so.
    Stored(Option<u64>),
    /// No stream will ever take it.
    Refused(String),
    /// It is to be sent again.
    Failed(String),
}

/// Publishes documents together; gives an outcome for each up to the first one that failed.
pub(super) async fn all(
    mut link: Link,
    subjects: &Subjects,
    timeout: Duration,
    documents: impl IntoIterator<Item = &DocumentRow>,
) -> Vec<Outcome> {
    let mut sent = Vec::new();
    for document in documents {
        let subject = subjects.of(document.kind);
        let id = subjects.message_id(&document.id);
        let message = PublishMessage::build().payload(document.body.clone().into()).message_id(id);
        let future = link.jetstream.send_publish(subject.clone(), message).await;
        let is_lost =
            future.as_ref().is_err_and(|error| error.kind() != PublishErrorKind::MaxPayloadExceeded);
        sent.push((subject, future));
        if is_lost {
            break;
        }
    }
    let mut outcomes = Vec::new();
    for (subject, future) in sent {
        let outcome = match future {
            Ok(future) => acknowledged(&mut link, &subject, timeout, future).await,
            Err(error) => outcome(&error, &subject, timeout),
        };
        let failed = matches!(outcome, Outcome::Failed(_));
        outcomes.push(outcome);
        if failed {
            break;
        }
    }
    outcomes
}

async fn acknowledged(
    link: &mut Link,
    subject: &str,
    timeout: Duration,
    future: PublishAckFuture,
) -> Outcome {
    let result = tokio::select! {
        result = future => result,
        _ = link.is_down.wait_for(|down| *down) => {
            return Outcome::Failed("the connection was lost before the acknowledgement".to_owned());
        }
    };
    match result {
        // One that the stream had already is there once.
        Ok(acknowledged) => Outcome::Stored(Some(acknowledged.sequence)),
        Err(error) => match (outcome(&error, subject, timeout), link.take_said()) {
            // A server says on its own, not in an answer, that something is forbidden.
            (Outcome::Failed(reason), Some(said)) => {
                Outcome::Failed(format!("{reason}; the server says: {said}"))
            }
            (outcome, _) => outcome,
        },
    }
}

/// What an error means for the document.
fn outcome(error: &PublishError, subject: &str, timeout: Duration) -> Outcome {
    let answer =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<jetstream::Error>());
    match (error.kind(), answer) {
        (PublishErrorKind::MaxPayloadExceeded, _) => Outcome::Refused(error.to_string()),
        (_, Some(answer)) if answer.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => {
            Outcome::Refused(answer.to_string())
        }
        (_, Some(answer)) if answer.error_code() == ErrorCode::STREAM_STORE_FAILED => {
            Outcome::Failed(format!(
                "the stream of {subject} is full, or cannot be written ({answer}); raise its limits, or let it remove old messages"
            ))
        }
        (_, Some(answer)) => Outcome::Failed(format!("the stream of {subject} takes no message: {answer}")),
        (PublishErrorKind::StreamNotFound, _) => Outcome::Failed(format!(
            "no stream takes {subject}; make one for smb-sensor.>, or have the sensor make it with `create_stream = true`. \
             If there is one: {OFF}"
        )),
        (PublishErrorKind::TimedOut, _) => {
            Outcome::Failed(format!("no acknowledgement within {} s", timeout.as_secs()))
        }
        _ => Outcome::Failed(error.to_string()),
    }
}
