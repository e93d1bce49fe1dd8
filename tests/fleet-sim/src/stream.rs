//! The stream, with the settings of the agent, and its documents.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use anyhow::{Context as _, Result};
use async_nats::jetstream::{
    Context,
    consumer::{AckPolicy, pull::Config as ConsumerConfig},
    stream::{Config, DiscardPolicy, StorageType, Stream},
};
use futures_util::StreamExt as _;
use tokio::time::sleep;

/// Messages that are read together.
const BATCH: usize = 1_000;

/// Attempts to make the stream, a second each: a cluster needs a moment to have a leader.
const ATTEMPTS: usize = 30;

/// What the stream holds of what was published.
pub(crate) struct StreamContents {
    pub(crate) messages: u64,
    pub(crate) twice: usize,
    pub(crate) lost: usize,
}

/// Makes the stream, with three copies.
pub(crate) async fn make(jetstream: &Context) -> Result<Stream> {
    let config = Config {
        name: "SMB-SENSOR".to_owned(),
        subjects: vec!["smb-sensor.>".to_owned()],
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        num_replicas: 3,
        duplicate_window: Duration::from_secs(3_600),
        allow_rollup: true,
        ..Config::default()
    };
    let mut attempt = 1;
    loop {
        match jetstream.get_or_create_stream(config.clone()).await {
            Ok(stream) => return Ok(stream),
            Err(error) if attempt == ATTEMPTS => return Err(error).context("make the stream"),
            Err(_) => sleep(Duration::from_secs(1)).await,
        }
        attempt += 1;
    }
}

/// Counts the documents with these identifiers in the stream.
pub(crate) async fn contents(stream: &Stream, ids: &[String]) -> Result<StreamContents> {
    let config = ConsumerConfig {
        filter_subject: "smb-sensor.*.*.incident".to_owned(),
        ack_policy: AckPolicy::None,
        headers_only: true,
        ..ConsumerConfig::default()
    };
    let consumer = stream.create_consumer(config).await.context("read the stream")?;
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut messages = 0;
    loop {
        let mut batch = consumer.fetch().max_messages(BATCH).messages().await?;
        let mut is_over = true;
        while let Some(message) = batch.next().await {
            let message = message.map_err(anyhow::Error::msg)?;
            is_over = false;
            messages += 1;
            let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
            *counts.entry(id.map(ToString::to_string).unwrap_or_default()).or_default() += 1;
        }
        if is_over {
            break;
        }
    }
    let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let of = |id: &&str| counts.get(*id).copied().unwrap_or(0);
    let lost = wanted.iter().filter(|id| of(id) == 0).count();
    let twice = wanted.iter().filter(|id| of(id) > 1).count();
    Ok(StreamContents { messages, twice, lost })
}

/// Bytes of the stream, in one copy.
pub(crate) async fn bytes(stream: &Stream) -> Result<u64> {
    Ok(stream.get_info().await.context("ask about the stream")?.state.bytes)
}
