//! Makes the sink of an output.

use super::{
    Destination, Elasticsearch, Lines, Nats, Otlp, OutputFile, OutputOptions, SetupError, Sink, SinkError,
    Surroundings, Syslog, Webhook,
};

/// Makes the sink of an output: reads its secrets and opens its file.
///
/// # Errors
/// [`SinkError`]
pub(super) fn open(output: &OutputOptions, around: &Surroundings) -> Result<Box<dyn Sink>, SinkError> {
    let setup = |source: SetupError| SinkError::Setup { name: output.name.clone(), source };
    Ok(match &output.destination {
        Destination::Stdout => Box::new(Lines::to(std::io::stdout())),
        Destination::File(options) => Box::new(OutputFile::open(options)?),
        Destination::Syslog(options) => Box::new(Syslog::new(options).map_err(|error| setup(error.into()))?),
        Destination::Elasticsearch(options) => Box::new(Elasticsearch::new(options).map_err(setup)?),
        Destination::Nats(options) => Box::new(Nats::new(options, around).map_err(setup)?),
        Destination::Otlp(options) => Box::new(Otlp::new(options).map_err(setup)?),
        Destination::Webhook(options) => Box::new(Webhook::new(options).map_err(setup)?),
    })
}
