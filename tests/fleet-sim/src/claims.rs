//! New destinations, each of which two sensors claim at the same time.

use std::time::Instant;

use anyhow::{Context as _, Result};
use async_nats::jetstream::{
    kv::{Store, UpdateErrorKind},
    stream::{Config, DiscardPolicy},
};

use crate::{latency::Latencies, sensor::Sensor};

const BUCKET: &str = "smb-sensor-known-destinations";

/// Destinations.
const COUNT: usize = 1_000;

/// What came of the claims.
#[derive(Default)]
pub(crate) struct Claims {
    pub(crate) destinations: usize,
    /// Those for which exactly one sensor was the first.
    pub(crate) decided: usize,
    pub(crate) latency: Latencies,
}

/// Claims destinations, one pair of sensors after another.
pub(crate) async fn measure(sensors: &[Sensor]) -> Result<Claims> {
    let config = Config {
        name: format!("KV_{BUCKET}"),
        subjects: vec![format!("$KV.{BUCKET}.>")],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        num_replicas: 3,
        allow_rollup: true,
        deny_delete: true,
        ..Config::default()
    };
    sensors[0].jetstream.create_stream(config).await.context("make the bucket")?;
    let mut claims = Claims { destinations: COUNT, ..Claims::default() };
    for number in 0..COUNT {
        let pair = [number, number + 1].map(|one| &sensors[one % sensors.len()]);
        let mut buckets = Vec::new();
        for sensor in pair {
            buckets.push(sensor.jetstream.get_key_value(BUCKET).await.context("find the bucket")?);
        }
        let key = format!("rare-smb-destination.8.8.{}.{}", number / 256, number % 256);
        let began = Instant::now();
        let claim = async |bucket: &Store| {
            let claimed = bucket.update(&key, "{\"site\":\"site\",\"sensor\":\"sensor\"}".into(), 0).await;
            match claimed {
                Ok(_) => Ok((true, began.elapsed())),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                    Ok((false, began.elapsed()))
                }
                Err(error) => Err(error),
            }
        };
        let (one, other) = tokio::join!(claim(&buckets[0]), claim(&buckets[1]));
        let both = [one?, other?];
        claims.decided += usize::from(both.iter().filter(|(is_first, _)| *is_first).count() == 1);
        both.iter().for_each(|(_, took)| claims.latency.add(*took));
    }
    Ok(claims)
}
