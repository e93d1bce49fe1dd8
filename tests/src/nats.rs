//! The messages of a stream of NATS.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::{
    ConnectOptions, HeaderMap,
    jetstream::{
        self,
        consumer::{AckPolicy, pull::Config},
        stream::Stream,
    },
};
use futures_util::StreamExt as _;
use sensor_lab::{Namespace, patience};
use serde_json::Value;
use tokio::time::timeout;

/// The stream that sensors make.
pub const STREAM: &str = "SMB-SENSOR";

/// Most messages that a test makes.
const MAX_MESSAGES: usize = 100_000;

const WITHIN: Duration = Duration::from_secs(20);

/// Longest time for a consumer to be made and to have read everything.
const BY_CONSUMER: Duration = Duration::from_secs(8);

/// A message of the stream.
#[derive(Debug)]
pub struct Stored {
    /// Subject.
    pub subject: String,
    /// `Nats-Msg-Id`, without the site and the sensor of its subject.
    pub id: String,
    /// The document.
    pub document: Value,
}

/// The messages of the stream with subjects like this, in their order. `options` has what a client needs to connect.
///
/// # Errors
/// When there is no server or no stream.
pub fn stored(
    namespace: &Namespace,
    server: SocketAddr,
    options: ConnectOptions,
    subject: &str,
) -> Result<Vec<Stored>> {
    ask(namespace, server, options, async |jetstream| {
        let stream = jetstream.get_stream(STREAM).await?;
        // A cluster may place a consumer on a member that is gone, which never answers. The leader has every message.
        match timeout(BY_CONSUMER, by_consumer(&stream, subject)).await {
            Ok(stored) => stored,
            Err(_) => one_by_one(&stream, subject).await,
        }
    })
}

async fn by_consumer(stream: &Stream, subject: &str) -> Result<Vec<Stored>> {
    let config =
        Config { filter_subject: subject.to_owned(), ack_policy: AckPolicy::None, ..Config::default() };
    let consumer = stream.create_consumer(config).await?;
    let mut stored = Vec::new();
    // Ends with what is there.
    let mut messages = consumer.fetch().max_messages(MAX_MESSAGES).messages().await?;
    while let Some(message) = messages.next().await {
        let message = message.map_err(anyhow::Error::msg)?;
        stored.push(Stored::of(message.subject.to_string(), message.headers.as_ref(), &message.payload)?);
    }
    Ok(stored)
}

async fn one_by_one(stream: &Stream, subject: &str) -> Result<Vec<Stored>> {
    let mut stored = Vec::new();
    let mut next = 1;
    while stored.len() < MAX_MESSAGES {
        let Ok(message) = stream.get_first_raw_message_by_subject(subject, next).await else { break };
        next = message.sequence + 1;
        stored.push(Stored::of(message.subject.to_string(), Some(&message.headers), &message.payload)?);
    }
    Ok(stored)
}

impl Stored {
    fn of(subject: String, headers: Option<&HeaderMap>, payload: &[u8]) -> Result<Self> {
        let id = headers.and_then(|headers| headers.get("Nats-Msg-Id"));
        let id = id.map(ToString::to_string).unwrap_or_default();
        let own = subject.split('.').skip(1).take(2).fold(String::new(), |own, token| own + token + "/");
        Ok(Self {
            id: id.strip_prefix(&own).unwrap_or(&id).to_owned(),
            subject,
            document: serde_json::from_slice(payload)?,
        })
    }
}

/// Does something with a server, from inside the namespace.
///
/// # Errors
/// When there is no server, or it takes too long.
pub fn ask<T: Send>(
    namespace: &Namespace,
    server: SocketAddr,
    options: ConnectOptions,
    work: impl AsyncFnOnce(jetstream::Context) -> Result<T> + Send,
) -> Result<T> {
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let asked = async {
                let client = options.connect(server.to_string()).await?;
                work(jetstream::new(client)).await
            };
            timeout(patience(WITHIN), asked).await.context("the server took too long")?
        })
    })?
}
