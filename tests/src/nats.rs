//! The messages of a stream of NATS.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::ConnectOptions;
use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, pull::Config},
};
use futures_util::StreamExt as _;
use sensor_lab::{Namespace, patience};
use serde_json::Value;

/// The stream that sensors make.
pub const STREAM: &str = "SMB-SENSOR";

/// Most messages that a test makes.
const MAX_MESSAGES: usize = 100_000;

const WITHIN: Duration = Duration::from_secs(20);

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
        let config =
            Config { filter_subject: subject.to_owned(), ack_policy: AckPolicy::None, ..Config::default() };
        let consumer = stream.create_consumer(config).await?;
        let mut stored = Vec::new();
        // Ends with what is there.
        let mut messages = consumer.fetch().max_messages(MAX_MESSAGES).messages().await?;
        while let Some(message) = messages.next().await {
            let message = message.map_err(anyhow::Error::msg)?;
            let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
            let subject = message.subject.to_string();
            let id = id.map(ToString::to_string).unwrap_or_default();
            let own = subject.split('.').skip(1).take(2).fold(String::new(), |own, token| own + token + "/");
            stored.push(Stored {
                id: id.strip_prefix(&own).unwrap_or(&id).to_owned(),
                subject,
                document: serde_json::from_slice(&message.payload)?,
            });
        }
        Ok(stored)
    })
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
            tokio::time::timeout(patience(WITHIN), asked).await.context("the server took too long")?
        })
    })?
}
