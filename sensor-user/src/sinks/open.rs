//! Makes the sink of an output.

use std::sync::Arc;

use super::{
    Destination, Elasticsearch, Lines, Nats, Otlp, OutputFile, OutputOptions, SetupError, Sink, SinkError,
    Syslog, Webhook,
};
use crate::health::HealthBoard;

/// Makes the sink of an output: reads its secrets and opens its file. One that reports the health of the sensor takes it from
/// this board.
///
/// # Errors
/// [`SinkError`]
pub(super) fn open(output: &OutputOptions, health: &Arc<HealthBoard>) -> Result<Box<dyn Sink>, SinkError> {
    let setup = |source: SetupError| SinkError::Setup { name: output.name.clone(), source };
    Ok(match &output.destination {
        Destination::Stdout => Box::new(Lines::to(std::io::stdout())),
        Destination::File(options) => Box::new(OutputFile::open(options)?),
        Destination::Syslog(options) => Box::new(Syslog::new(options).map_err(|error| setup(error.into()))?),
        Destination::Elasticsearch(options) => Box::new(Elasticsearch::new(options).map_err(setup)?),
        Destination::Nats(options) => Box::new(Nats::new(options, health).map_err(setup)?),
        Destination::Otlp(options) => Box::new(Otlp::new(options).map_err(setup)?),
        Destination::Webhook(options) => Box::new(Webhook::new(options).map_err(setup)?),
    })
}
