//! Keeps known terms in a bucket that all sensors share, so that a destination is rare once in the organisation.
//!
//! A key stands for a destination, and its value for the sensor that saw it last. The server decides which sensor is first: it
//! takes a value under a condition that is the same for all. It also removes destinations that no sensor saw again within the
//! window, by its own clock.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::kv::{Entry, Operation, Store, UpdateErrorKind};
use sensor_core::{
    rules::rare_destination,
    terms::{TermAnswer, TermRequest},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::{info, warn};

use super::{bucket::Bucket, connection::Connector, subject::Subjects};
use crate::shared_terms::Answering;

/// Most bytes of a value.
const MAX_VALUE: usize = 256;

/// Most bytes of the bucket: room for hundreds of thousands of destinations.
const MAX_BYTES: i64 = 128 << 20;

/// Time for an answer: less than the core waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time after a failure in which nobody is asked.
const PAUSE: Duration = Duration::from_secs(5);

/// The sensor that saw a destination last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seer {
    site: String,
    sensor: String,
}

impl Seer {
    /// Reads a value. Anybody who may write to the bucket chooses it.
    fn read(value: &[u8]) -> Option<Self> {
        let fits = value.len() <= MAX_VALUE;
        let seer: Self = fits.then(|| serde_json::from_slice(value).ok()).flatten()?;
        Subjects::new(&seer.site, &seer.sensor).is_ok().then_some(seer)
    }
}

/// Asks the bucket, and keeps it.
pub(super) struct TermKeeper {
    connector: Arc<Connector>,
    own: Seer,
    value: Vec<u8>,
    /// Copies of the bucket, if this sensor may make it.
    replicas: Option<usize>,
    terms: Answering,
}

impl TermKeeper {
    /// One that answers for this sensor.
    pub(super) fn new(
        connector: Arc<Connector>,
        subjects: &Subjects,
        replicas: Option<usize>,
        terms: Answering,
    ) -> Self {
        let own = Seer { site: subjects.site().to_owned(), sensor: subjects.name().to_owned() };
        // Plain text in plain fields: this does not fail.
        let value = serde_json::to_vec(&own).unwrap_or_default();
        Self { connector, own, value, replicas, terms }
    }

    /// Answers until the runtime ends.
    pub(super) async fn run(self) {
        let requests = Arc::clone(&self.terms.requests);
        let mut requests = requests.lock().await;
        let (mut bucket, mut failed): (Option<Store>, Option<Instant>) = (None, None);
        while let Some((made, request)) = requests.recv().await {
            // The core has decided about one that is late.
            if made.elapsed() >= PATIENCE || failed.is_some_and(|at| at.elapsed() < PAUSE) {
                self.leave_unanswered(request);
                continue;
            }
            let settled = timeout(PATIENCE, self.settle(&mut bucket, request)).await;
            match settled.unwrap_or_else(|_| Err("the server stopped answering".to_owned())) {
                Ok(()) => {
                    if failed.take().is_some() {
                        info!("known destinations are shared with the fleet again");
                    }
                }
                Err(reason) => {
                    if failed.is_none() {
                        warn!(
                            "known destinations cannot be shared with the fleet: this sensor decides alone what is rare: {reason}"
                        );
                    }
                    (bucket, failed) = (None, Some(Instant::now()));
                    self.leave_unanswered(request);
                }
            }
        }
    }

    fn leave_unanswered(&self, request: TermRequest) {
        match request {
            TermRequest::Look(address) | TermRequest::Claim(address) => {
                self.terms.answer(TermAnswer::Unanswered(address));
            }
            // It will be made again.
            TermRequest::Keep(_) => {}
        }
    }

    async fn settle(&self, bucket: &mut Option<Store>, request: TermRequest) -> Result<(), String> {
        let bucket = match bucket {
            Some(bucket) => bucket,
            None => bucket.insert(self.bucket().await?),
        };
        let (address, key) = (request.address(), key(request.address()));
        match request {
            TermRequest::Look(_) => {
                let entry = entry(bucket, &key).await?;
                self.say(address, entry.as_ref());
            }
            TermRequest::Claim(_) => {
                let mut is_mine = self.put(bucket, &key, 0).await?;
                if !is_mine {
                    let entry = entry(bucket, &key).await?;
                    match &entry {
                        // Somebody removed it.
                        Some(one) if one.operation != Operation::Put => {
                            is_mine = self.put(bucket, &key, one.revision).await?;
                        }
                        _ => {}
                    }
                    if !is_mine {
                        self.say(address, entry.as_ref());
                        return Ok(());
                    }
                }
                self.terms.answer(TermAnswer::New(address));
                self.terms.answer(TermAnswer::Kept(address));
            }
            TermRequest::Keep(_) => {
                if !self.put(bucket, &key, 0).await?
                    && let Some(entry) = entry(bucket, &key).await?
                {
                    // If another one comes first, it is kept as well.
                    self.put(bucket, &key, entry.revision).await?;
                }
                self.terms.answer(TermAnswer::Kept(address));
            }
        }
        Ok(())
    }

    /// Answers with what a value says.
    fn say(&self, address: IpAddr, entry: Option<&Entry>) {
        let seer =
            entry.filter(|entry| entry.operation == Operation::Put).map(|entry| Seer::read(&entry.value));
        self.terms.answer(match seer {
            // Its own value is that of a question whose answer it never got.
            None => TermAnswer::New(address),
            Some(Some(seer)) if seer == self.own => TermAnswer::New(address),
            Some(Some(_)) => TermAnswer::Known(address),
            Some(None) => {
                warn!("the bucket {} has no valid value for {address}: this sensor decides alone", BUCKET);
                TermAnswer::Unanswered(address)
            }
        });
    }

    /// Writes a value if the last one is of this revision, 0 if there is none. Gives whether it was.
    async fn put(&self, bucket: &Store, key: &str, revision: u64) -> Result<bool, String> {
        match bucket.update(key, self.value.clone().into(), revision).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn bucket(&self) -> Result<Store, String> {
        let link = self.connector.link().await?;
        let bucket = Bucket {
            name: BUCKET,
            description: "Destinations that sensors of smb-sensor know",
            history: 1,
            max_value: MAX_VALUE as i32,
            max_bytes: Some(MAX_BYTES),
            max_age: Some(self.terms.window),
            // Who is first is what the member that leads says.
            any_member_answers: false,
        };
        match self.replicas {
            Some(replicas) => bucket.find_or_make(&link.jetstream, replicas).await,
            None => bucket.find(&link.jetstream).await?.ok_or_else(|| {
                format!("there is no bucket {BUCKET}; make one, or have the sensor make it with `create_stream = true`")
            }),
        }
    }
}

/// The bucket.
const BUCKET: &str = "smb-sensor-known-destinations";

async fn entry(bucket: &Store, key: &str) -> Result<Option<Entry>, String> {
    bucket.entry(key).await.map_err(|error| error.to_string())
}

/// The key of a destination. Colons are no part of keys.
fn key(address: IpAddr) -> String {
    format!("{}.{}", rare_destination::META.id, address.to_string().replace(':', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_destinations_are_valid_and_different() {
        let keys = ["8.8.4.4", "2001:db8::1", "2001:db8:0:1::", "::"].map(|text| key(text.parse().unwrap()));
        assert_eq!(
            keys.each_ref().map(|key| key.trim_start_matches("rare-smb-destination.")),
            ["8.8.4.4", "2001-db8--1", "2001-db8-0-1--", "--"]
        );
    }

    #[test]
    fn values_that_no_sensor_writes_are_refused() {
        let seer = Seer { site: "graz".to_owned(), sensor: "gate".to_owned() };
        assert_eq!(Seer::read(&serde_json::to_vec(&seer).unwrap()), Some(seer));
        let long = format!("{{\"site\":\"graz\",\"sensor\":\"gate\",\"x\":\"{}\"}}", "x".repeat(MAX_VALUE));
        for value in [
            "",
            "{}",
            "nonsense",
            "{\"site\":\"graz\"}",
            "{\"site\":\"a.b\",\"sensor\":\"gate\"}",
            "{\"site\":\"graz\",\"sensor\":\"\\u001b[31m\"}",
            &long,
        ] {
            assert_eq!(Seer::read(value.as_bytes()), None, "{value}");
        }
        assert_eq!(Seer::read(&[0xFF; 8]), None);
    }
}
