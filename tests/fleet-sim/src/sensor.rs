//! Simulated sensors.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use async_nats::{
    ConnectOptions,
    jetstream::{self, Context, message::PublishMessage, publish::PublishAck},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant as At, sleep_until, timeout};

use crate::latency::Latencies;

/// Time for an acknowledgement, as the agent waits.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);

/// Most attempts at one document.
const ATTEMPTS: usize = 10;

/// Connections that are made together.
const TOGETHER: usize = 32;

/// One of so many documents is sent twice.
const REPEATED: u64 = 100;

/// A sensor.
pub(crate) struct Sensor {
    pub(crate) number: usize,
    pub(crate) jetstream: Context,
}

/// How sensors publish.
pub(crate) struct PublishSettings {
    /// Time between two documents of a sensor.
    pub(crate) interval: Duration,
    /// Time between two of its reports of health.
    pub(crate) health: Duration,
    pub(crate) lasts: Duration,
    pub(crate) bytes: usize,
}

/// What was published.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Identifiers of documents that were acknowledged.
    pub(crate) ids: Vec<String>,
    pub(crate) health: u64,
    /// Documents that were sent twice, and those of them that the stream says to have had already.
    pub(crate) repeated: u64,
    pub(crate) dropped: u64,
    /// Attempts without an acknowledgement.
    pub(crate) retried: u64,
    pub(crate) latency: Latencies,
}

/// Connects so many sensors, in turns with these servers.
pub(crate) async fn connect(count: usize, servers: &[String]) -> Result<Vec<Sensor>> {
    let connecting = (0..count).map(|number| async move {
        let server = &servers[number % servers.len()];
        let options = ConnectOptions::new().name(format!("sensor {number}")).ignore_discovered_servers();
        let client = options.connect(server).await.with_context(|| format!("connect with {server}"))?;
        let mut jetstream = jetstream::new(client);
        jetstream.set_timeout(ACKNOWLEDGED_WITHIN);
        Ok::<_, anyhow::Error>(Sensor { number, jetstream })
    });
    stream::iter(connecting).buffered(TOGETHER).try_collect().await
}

/// Has all sensors publish.
pub(crate) async fn publish(sensors: &[Sensor], settings: &PublishSettings) -> Result<Published> {
    let all =
        futures_util::future::try_join_all(sensors.iter().map(|one| one.publish(settings, sensors.len())));
    Ok(Published::sum(all.await?))
}

/// Has all publish one document after another, without a pause.
pub(crate) async fn flood(sensors: &[Sensor], lasts: Duration, bytes: usize) -> Result<Published> {
    let end = Instant::now() + lasts;
    let flooding = sensors.iter().map(|sensor| async move {
        let mut published = Published::default();
        let mut number = 0;
        while Instant::now() < end {
            sensor.document(&format!("flood-{}-{number}", sensor.number), bytes, &mut published).await?;
            number += 1;
        }
        Ok::<_, anyhow::Error>(published)
    });
    Ok(Published::sum(futures_util::future::try_join_all(flooding).await?))
}

impl Sensor {
    fn subject(&self, kind: &str) -> String {
        // Ten sensors at each site.
        format!("smb-sensor.site-{}.sensor-{}.{kind}", self.number / 10, self.number)
    }

    /// Publishes documents and health; the first ones at a time of its own, so that not all come at once.
    async fn publish(&self, settings: &PublishSettings, sensors: usize) -> Result<Published> {
        let part = self.number as f64 / sensors as f64;
        let begin = At::now();
        let mut documents = begin + settings.interval.mul_f64(part);
        let mut health = begin + settings.health.mul_f64(part);
        let mut published = Published::default();
        let mut number = 0;
        loop {
            let next = documents.min(health);
            if next >= begin + settings.lasts {
                return Ok(published);
            }
            sleep_until(next).await;
            if next == health {
                self.health().await?;
                published.health += 1;
                health += settings.health;
                continue;
            }
            let id = format!("document-{}-{number}", self.number);
            self.document(&id, settings.bytes, &mut published).await?;
            if (self.number as u64 + number).is_multiple_of(REPEATED) {
                published.repeated += 1;
                let again = self.send(&id, settings.bytes).await.context("send again")?;
                published.dropped += u64::from(again.duplicate);
            }
            number += 1;
            documents += settings.interval;
        }
    }

    /// Publishes a document until it is acknowledged.
    async fn document(&self, id: &str, bytes: usize, published: &mut Published) -> Result<()> {
        let began = Instant::now();
        for _ in 0..ATTEMPTS {
            if self.send(id, bytes).await.is_ok() {
                published.latency.add(began.elapsed());
                published.ids.push(id.to_owned());
                return Ok(());
            }
            published.retried += 1;
        }
        bail!("no server takes {id}")
    }

    async fn send(&self, id: &str, bytes: usize) -> Result<PublishAck> {
        let body =
            format!("{{\"id\":\"{id}\",\"text\":\"{}\"}}", "x".repeat(bytes.saturating_sub(id.len() + 19)));
        let message = PublishMessage::build().payload(body.into()).message_id(id);
        self.acknowledged("incident", message).await
    }

    async fn health(&self) -> Result<()> {
        // About what the agent reports.
        let body = format!("{{\"version\":\"0\",\"uptime\":1,\"text\":\"{}\"}}", "x".repeat(600));
        let message = PublishMessage::build().payload(body.into()).header("Nats-Rollup", "sub");
        self.acknowledged("health", message).await.map(|_| ())
    }

    async fn acknowledged(&self, kind: &str, message: PublishMessage) -> Result<PublishAck> {
        let sent = self.jetstream.send_publish(self.subject(kind), message).await?;
        Ok(timeout(ACKNOWLEDGED_WITHIN, sent).await.context("no acknowledgement")??)
    }
}

impl Published {
    fn sum(all: Vec<Self>) -> Self {
        let mut sum = Self::default();
        for mut one in all {
            sum.ids.append(&mut one.ids);
            sum.latency.append(&mut one.latency);
            sum.health += one.health;
            sum.repeated += one.repeated;
            sum.dropped += one.dropped;
            sum.retried += one.retried;
        }
        sum
    }
}
