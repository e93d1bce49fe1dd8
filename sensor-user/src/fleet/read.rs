//! Reads the stream.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull::Config},
    stream::{LastRawMessageErrorKind, Stream},
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use sensor_core::time::Timestamp;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::report::{Gathered, Publisher, Report};
use crate::sinks::{self, NatsOptions, Subjects};

/// Messages that are asked for together.
const BATCH: usize = 256;

/// Time after which a server forgets that this was reading.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Reads the health of all sensors, and their incidents since a time.
///
/// # Errors
/// If there is no server or no stream.
pub(super) fn read(options: &NatsOptions, since: Timestamp, now: Timestamp) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let jetstream = sinks::connect(options).await.map_err(anyhow::Error::msg)?;
        let health = Subjects::all("health");
        let name = jetstream.stream_by_subject(health.as_str()).await.with_context(|| {
            format!("no stream has the subject {health}, or these credentials may not read it")
        })?;
        let stream =
            jetstream.get_stream(&name).await.with_context(|| format!("cannot read the stream {name}"))?;
        let mut gathered = Gathered::default();
        newest(&stream, &health, |sensor, body, at| gathered.health(sensor, body, at)).await?;
        let start_time = OffsetDateTime::from_unix_timestamp_nanos(since.unix_nanos().into())?;
        let policy = DeliverPolicy::ByStartTime { start_time };
        let subjects = Subjects::all("incident");
        each(&stream, subjects, policy, options.timeout, |sensor, body, at| {
            gathered.incident(sensor, body, at);
        })
        .await?;
        Ok(gathered.report(since, now))
    })
}

/// Calls `take` with the sensor, the text and the time of the newest message of each subject. They are asked for one by one: new
/// reports replace older ones, and a server would wait for some that are gone.
async fn newest(
    stream: &Stream,
    filter: &str,
    mut take: impl FnMut(Publisher<'_>, &[u8], Timestamp),
) -> Result<()> {
    let mut subjects = stream.info_with_subjects(filter).await.context("cannot list the sensors")?;
    while let Some((subject, _)) = subjects.try_next().await.context("cannot list the sensors")? {
        match stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => {
                if let Some(sensor) = publisher(&subject) {
                    take(sensor, &message.payload, timestamp(message.time));
                }
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {subject}")),
        }
    }
    Ok(())
}

/// Calls `take` with the sensor, the text and the time of each message that is there now, in their order.
async fn each(
    stream: &Stream,
    filter_subject: String,
    deliver_policy: DeliverPolicy,
    patience: Duration,
    mut take: impl FnMut(Publisher<'_>, &[u8], Timestamp),
) -> Result<()> {
    let config = Config {
        filter_subject,
        deliver_policy,
        ack_policy: AckPolicy::None,
        inactive_threshold: FORGOTTEN,
        ..Config::default()
    };
    let consumer = stream.create_consumer(config).await.context("cannot read the stream")?;
    loop {
        let mut messages = consumer.fetch().max_messages(BATCH).messages().await?;
        let mut is_over = true;
        while let Some(message) =
            timeout(patience, messages.next()).await.context("the server stopped answering")?
        {
            let message =
                message.map_err(anyhow::Error::msg).context("the stream could not be read to its end")?;
            is_over = false;
            let about = message.info().map_err(anyhow::Error::msg)?;
            if let Some(sensor) = publisher(&message.subject) {
                take(sensor, &message.payload, timestamp(about.published));
            }
        }
        if is_over {
            return Ok(());
        }
    }
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
