//! Whether a stream takes the documents of a sensor.

use async_nats::jetstream::{
    self, ErrorCode,
    context::{GetStreamByNameError, GetStreamByNameErrorKind, RequestError, RequestErrorKind},
};

use super::{connection::Link, subject::Subjects};
use crate::storage::DocumentKind;

/// What to do where the server has no JetStream.
pub(super) const OFF: &str = "JetStream is off, or not there for this account: turn it on in the server's configuration \
                              (`jetstream {}`), and for the account";

/// What the server says about streams.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This stream takes documents.
    Stream(String),
    /// No stream does.
    Nothing,
    /// There is no JetStream.
    Off,
    /// The server does not say, for example because this user may not ask.
    Unknown(String),
}

/// Asks for a stream that takes documents of these subjects.
pub(super) async fn taking(link: &Link, subjects: &Subjects) -> Found {
    let mut found = Found::Nothing;
    for kind in [DocumentKind::Incident, DocumentKind::Flow] {
        found = match link.jetstream.stream_by_subject(subjects.of(kind)).await {
            Ok(name) => return Found::Stream(name),
            Err(error) => meaning(&error, link.take_said()),
        };
        if found != Found::Nothing {
            break;
        }
    }
    found
}

/// What an error means. `said` is what the server said by itself meanwhile.
fn meaning(error: &GetStreamByNameError, said: Option<String>) -> Found {
    if error.kind() == GetStreamByNameErrorKind::NotFound {
        return Found::Nothing;
    }
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        let request = one.downcast_ref::<RequestError>().map(RequestError::kind);
        let answer = one.downcast_ref::<jetstream::Error>().map(jetstream::Error::error_code);
        let codes = [ErrorCode::JETSTREAM_NOT_ENABLED, ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT];
        if request == Some(RequestErrorKind::NoResponders) || answer.is_some_and(|code| codes.contains(&code))
        {
            return Found::Off;
        }
        cause = one.source();
    }
    Found::Unknown(said.map_or_else(|| error.to_string(), |said| format!("the server says: {said}")))
}

/// What to do without a stream.
pub(super) fn missing(subjects: &Subjects) -> String {
    format!(
        "no stream takes {}; make one for smb-sensor.>, or have the sensor make it with `create_stream = true`",
        subjects.of(DocumentKind::Incident)
    )
}

impl Link {
    /// Whether documents can be delivered over it, as far as the server says; it is asked once for each connection.
    pub(super) async fn look(&self, subjects: &Subjects) -> Result<(), String> {
        if self.is_known_good() {
            return Ok(());
        }
        match taking(self, subjects).await {
            Found::Nothing => return Err(missing(subjects)),
            Found::Off => return Err(OFF.to_owned()),
            Found::Stream(_) | Found::Unknown(_) => self.note_good(),
        }
        Ok(())
    }
}
