//! Reads the stream.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull::Config},
    stream::Stream,
};
use futures_util::StreamExt as _;
use sensor_core::time::Timestamp;
use time::OffsetDateTime;

use super::report::{Gathered, Report, Told};
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
        each(&stream, health, DeliverPolicy::LastPerSubject, |sensor, body, at| {
            gathered.health(sensor, body, at);
        })
        .await?;
        let start_time = OffsetDateTime::from_unix_timestamp_nanos(since.unix_nanos().into())?;
        let policy = DeliverPolicy::ByStartTime { start_time };
        each(&stream, Subjects::all("incident"), policy, |sensor, body, at| {
            gathered.incident(sensor, body, at);
        })
        .await?;
        Ok(gathered.report(since, now))
    })
}

/// Calls `take` with the sensor, the text and the time of each message that is there now.
async fn each(
    stream: &Stream,
    filter_subject: String,
    deliver_policy: DeliverPolicy,
    mut take: impl FnMut(Told<'_>, &[u8], Timestamp),
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
        // Ends with what is there: a number of awaited messages may shrink, because new reports replace older ones.
        let mut messages = consumer.fetch().max_messages(BATCH).messages().await?;
        let mut is_over = true;
        while let Some(message) = messages.next().await {
            let message =
                message.map_err(anyhow::Error::msg).context("the stream could not be read to its end")?;
            is_over = false;
            let about = message.info().map_err(anyhow::Error::msg)?;
            let at = i64::try_from(about.published.unix_timestamp_nanos()).unwrap_or(i64::MAX);
            if let [_, site, sensor, _] = message.subject.split('.').collect::<Vec<_>>()[..] {
                take(Told { site, sensor }, &message.payload, Timestamp::from_unix_nanos(at));
            }
        }
        if is_over {
            return Ok(());
        }
    }
}
