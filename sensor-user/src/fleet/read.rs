//! Reads the stream.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull::Config},
    stream::{LastRawMessageErrorKind, Stream},
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use sensor_core::time::Timestamp;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::gathered::{Happened, Publisher, Reports};
use crate::sinks::{self, NatsOptions, Subjects};

/// Messages that are asked for together.
const BATCH: usize = 256;

/// Reports of health that are asked for at the same time.
const TOGETHER: usize = 16;

/// Time after which a server forgets that this was reading.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Reads a stream, and later what is new in it.
#[derive(Debug)]
pub(super) struct StreamReader {
    /// Most sensors that are asked for.
    most_sensors: usize,
    pub(super) reports: Reports,
    pub(super) happened: Happened,
    place: Option<Place>,
}

/// How far a stream was read.
#[derive(Debug)]
struct Place {
    stream: String,
    created: OffsetDateTime,
    next: u64,
}

impl StreamReader {
    /// A reader that remembers so many sensors and incidents.
    pub(super) fn new(most_sensors: usize, most_incidents: usize) -> Self {
        Self {
            most_sensors,
            reports: Reports::default(),
            happened: Happened::new(most_sensors, most_incidents),
            place: None,
        }
    }

    /// Reads the health of all sensors, and their incidents since a time or, if they were read before, those that are new. Begins
    /// nothing more after `deadline`: then it returns the time up to which incidents were read.
    ///
    /// # Errors
    /// If there is no server or no stream.
    pub(super) async fn read(
        &mut self,
        options: &NatsOptions,
        since: Timestamp,
        deadline: Option<Instant>,
    ) -> Result<Option<Timestamp>> {
        let jetstream = sinks::connect(options).await.map_err(anyhow::Error::msg)?;
        let health = Subjects::all("health");
        let name = jetstream.stream_by_subject(health.as_str()).await.with_context(|| {
            format!("no stream has the subject {health}, or these credentials may not read it")
        })?;
        let stream =
            jetstream.get_stream(&name).await.with_context(|| format!("cannot read the stream {name}"))?;
        self.reports = newest(&stream, &health, self.most_sensors).await?;
        let deliver_policy = self.begin(&stream, since)?;
        let config = Config {
            filter_subject: Subjects::all("incident"),
            deliver_policy,
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGOTTEN,
            ..Config::default()
        };
        self.each(&stream, config, options.timeout, deadline).await
    }

    /// Forgets what is older or of another stream, and says where to begin.
    fn begin(&mut self, stream: &Stream, since: Timestamp) -> Result<DeliverPolicy> {
        let about = stream.cached_info();
        let goes_on = |place: &Place| {
            place.stream == about.config.name
                && place.created == about.created
                && place.next <= about.state.last_sequence + 1
        };
        if let Some(place) = self.place.as_ref().filter(|place| goes_on(place)) {
            self.happened.forget_before(since);
            return Ok(DeliverPolicy::ByStartSequence { start_sequence: place.next });
        }
        self.place = None;
        self.happened.clear();
        let start_time = OffsetDateTime::from_unix_timestamp_nanos(since.unix_nanos().into())?;
        Ok(DeliverPolicy::ByStartTime { start_time })
    }

    /// Takes each message that is there now, in their order.
    async fn each(
        &mut self,
        stream: &Stream,
        config: Config,
        patience: Duration,
        deadline: Option<Instant>,
    ) -> Result<Option<Timestamp>> {
        let about = stream.cached_info();
        let consumer = stream.create_consumer(config).await.context("cannot read the stream")?;
        loop {
            let mut messages = consumer.fetch().max_messages(BATCH).messages().await?;
            let mut last = None;
            while let Some(message) =
                timeout(patience, messages.next()).await.context("the server stopped answering")?
            {
                let message =
                    message.map_err(anyhow::Error::msg).context("the stream could not be read to its end")?;
                let info = message.info().map_err(anyhow::Error::msg)?;
                let at = timestamp(info.published);
                if let Some(sensor) = publisher(&message.subject) {
                    self.happened.take(sensor, &message.payload, at);
                }
                self.place = Some(Place {
                    stream: about.config.name.clone(),
                    created: about.created,
                    next: info.stream_sequence + 1,
                });
                last = Some(at);
            }
            if last.is_none() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(last);
            }
        }
    }
}

/// The newest report of each sensor, of so many sensors at most. They are asked for one by one: new reports replace older ones,
/// and a server would wait for some that are gone.
async fn newest(stream: &Stream, filter: &str, most: usize) -> Result<Reports> {
    let subjects = stream.info_with_subjects(filter).await.context("cannot list the sensors")?;
    let subjects: Vec<String> =
        subjects.map_ok(|(subject, _)| subject).try_collect().await.context("cannot list the sensors")?;
    let beyond = subjects.len().saturating_sub(most) as u64;
    let mut reports = Reports { beyond, ..Reports::default() };
    let asked = subjects.iter().take(most).map(async |subject| {
        let answer = stream.get_last_raw_message_by_subject(subject).await;
        (subject, answer)
    });
    let mut answers = futures_util::stream::iter(asked).buffered(TOGETHER);
    while let Some((subject, answer)) = answers.next().await {
        match answer {
            Ok(message) => {
                if let Some(sensor) = publisher(subject) {
                    reports.take(sensor, &message.payload, timestamp(message.time));
                }
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {subject}")),
        }
    }
    Ok(reports)
}

/// The sensor that a subject names.
fn publisher(subject: &str) -> Option<Publisher<'_>> {
    match subject.split('.').collect::<Vec<_>>()[..] {
        [_, site, sensor, _] => Some(Publisher { site, sensor }),
        _ => None,
    }
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp::from_unix_nanos(i64::try_from(at.unix_timestamp_nanos()).unwrap_or(i64::MAX))
}
