//! Reports the health of the sensor to the stream, at an interval, whether or not there are documents.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::message::PublishMessage;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::{connection::Connector, subject::Subjects};
use crate::health::HealthBoard;

/// The header that has a stream keep the newest message of a subject alone.
const ROLLUP: (&str, &str) = ("Nats-Rollup", "sub");

/// Time until the sensor has looked at itself for the first time.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// Reports until the runtime ends.
pub(super) async fn run(
    connector: Arc<Connector>,
    subjects: Subjects,
    every: Duration,
    board: Arc<HealthBoard>,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while board.latest().is_none() {
        tokio::time::sleep(FIRST_LOOK).await;
    }
    let mut is_known = false;
    loop {
        ticks.tick().await;
        match report(&connector, &subjects, every, &board).await {
            Ok(()) => is_known = false,
            Err(reason) => {
                if !is_known {
                    warn!("the health of the sensor cannot be reported to NATS: {reason}");
                }
                is_known = true;
            }
        }
    }
}

async fn report(
    connector: &Connector,
    subjects: &Subjects,
    every: Duration,
    board: &HealthBoard,
) -> Result<(), String> {
    let Some(mut health) = board.latest() else { return Ok(()) };
    health.interval = every.as_secs();
    let body = serde_json::to_vec(&health).map_err(|error| error.to_string())?;
    let link = connector.link().await?;
    let message = PublishMessage::build().payload(body.into()).header(ROLLUP.0, ROLLUP.1);
    let sent =
        link.jetstream.send_publish(subjects.health(), message).await.map_err(|error| error.to_string())?;
    sent.await.map(|_| ()).map_err(|error| error.to_string())
}
