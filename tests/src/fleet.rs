//! A stream of NATS as the sensors of a fleet leave it.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use async_nats::{ConnectOptions, jetstream::stream::Config};
use sensor_lab::Namespace;
use sensor_user::sinks::{Destination, NatsOptions, OutputOptions, Subjects, TlsOptions};
use serde_json::{Value, json};

use crate::nats::{STREAM, ask};

/// What a sensor publishes: the subject, and the message.
pub type Message = (String, Value);

/// Makes the stream, and publishes these messages to it.
///
/// # Errors
/// When the server does not take them.
pub fn publish(namespace: &Namespace, server: SocketAddr, messages: &[Message]) -> Result<()> {
    ask(namespace, server, ConnectOptions::new(), async |jetstream| {
        let subjects = vec!["smb-sensor.>".to_owned()];
        let config = Config { name: STREAM.to_owned(), subjects, ..Config::default() };
        jetstream.get_or_create_stream(config).await?;
        for (subject, message) in messages {
            jetstream.publish(subject.clone(), message.to_string().into()).await?.await?;
        }
        Ok(())
    })
}

/// An output to this server.
///
/// # Errors
/// Never, as long as sites may have letters in their names.
pub fn output(server: SocketAddr) -> Result<OutputOptions> {
    let subjects = Subjects::new("graz", "gate").map_err(anyhow::Error::msg)?;
    let destination = Destination::Nats(NatsOptions {
        servers: vec![format!("nats://{server}")],
        subjects,
        login: None,
        create: None,
        tls: TlsOptions::default(),
        timeout: Duration::from_secs(2),
        health: None,
        exemptions: false,
        terms: false,
    });
    Ok(OutputOptions { name: "fleet".to_owned(), destination, ..OutputOptions::single(None) })
}

/// The health of a sensor that reports again after so many seconds.
#[must_use]
pub fn health(site: &str, sensor: &str, interval: u64, differs: &Value) -> Message {
    let mut health = json!({
        "version": env!("CARGO_PKG_VERSION"), "host": sensor, "uptime": 3_542_400, "interval": interval,
        "interfaces": ["lan0"], "outputs": [{ "name": "fleet", "written": 214 }],
    });
    if let (Some(health), Some(differs)) = (health.as_object_mut(), differs.as_object()) {
        health.extend(differs.clone());
    }
    (format!("smb-sensor.{site}.{sensor}.health"), health)
}

/// A document about an incident, with what the fleet needs of it.
#[must_use]
pub fn incident(site: &str, sensor: &str, id: &str, severity: &str, external: &str) -> Message {
    let incident = json!({
        "id": id, "severity": severity, "external_addresses": [external],
        "first": "2026-11-29T08:12:31.640Z", "last": "2026-11-29T09:58:40.118Z",
    });
    let document = json!({ "smb_sensor": { "incident": incident } });
    (format!("smb-sensor.{site}.{sensor}.incident"), document)
}

/// Four sensors at three sites. One of them, `prague/gate`, stops to report.
#[must_use]
pub fn prepared() -> Vec<Message> {
    let behind = json!({ "interfaces": ["lan0", "lan1"], "outputs": [{ "name": "siem", "waiting": 212 }] });
    let lossy = json!({ "lost": { "packets": 17 }, "uptime": 90_000 });
    vec![
        health("graz", "gate", 3_600, &json!({ "interfaces": ["lan0", "lan1"] })),
        health("prague", "gate", 0, &behind),
        health("vienna", "gate", 3_600, &lossy),
        health("vienna", "lab", 3_600, &Value::Null),
        incident("graz", "gate", "1", "critical", "198.51.100.9"),
        incident("graz", "gate", "2", "medium", "203.0.113.20"),
        incident("prague", "gate", "1", "high", "198.51.100.9"),
        incident("vienna", "gate", "1", "high", "198.51.100.9"),
        incident("vienna", "gate", "2", "low", "203.0.113.77"),
        incident("vienna", "lab", "1", "low", "203.0.113.77"),
    ]
}
