//! Follows the exemptions that the fleet shares: keeps those for this site in the state directory, and has the agent reload them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_nats::jetstream::{
    Context,
    kv::{self, EntryErrorKind, Store},
};
use futures_util::TryStreamExt as _;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{info, warn};

use super::{bucket::Bucket, connection::Connector};
use crate::durable;

/// Name of the file in the state directory: a list of texts in JSON.
const FILE: &str = "fleet-exemptions.json";

/// Most bytes of an entry.
const MAX_ENTRY: usize = 16 << 10;

/// Most entries.
const MAX_ENTRIES: usize = 10_000;

/// The bucket.
const BUCKET: Bucket = Bucket {
    name: "smb-sensor-exemptions",
    description: "Exemptions that sensors of smb-sensor share",
    // Who changed an entry, and when.
    history: 10,
    max_value: MAX_ENTRY as i32,
    max_bytes: None,
    max_age: None,
    any_member_answers: true,
};

/// Time for all of them to be read.
const PATIENCE: Duration = Duration::from_secs(60);

/// The file of a state directory with the exemptions that the fleet shares.
#[must_use]
pub fn shared_exemptions_file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// Keeps the shared entries. Returns whether that changed anything.
fn keep(state_dir: &Path, entries: &[String]) -> io::Result<bool> {
    let path = shared_exemptions_file(state_dir);
    let new = serde_json::to_vec_pretty(entries)?;
    let old = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && entries.is_empty() => return Ok(false),
        read => read.unwrap_or_default(),
    };
    if old == new {
        return Ok(false);
    }
    durable::write(&path, &new).map(|()| true)
}

/// The sites that an exemption is for, as the beginning of its key.
#[must_use]
pub fn scope(site: Option<&str>) -> String {
    site.map_or_else(|| "all".to_owned(), |site| format!("site.{site}"))
}

/// Where shared exemptions go.
pub(super) struct Follower {
    pub(super) connector: Arc<Connector>,
    pub(super) site: String,
    /// Time between two looks.
    pub(super) every: Duration,
    pub(super) state_dir: PathBuf,
    /// Has the agent read the configuration.
    pub(super) changed: Arc<Notify>,
}

impl Follower {
    /// Follows until the runtime ends.
    pub(super) async fn run(self) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut is_known) = (None, false);
        loop {
            ticks.tick().await;
            let looked = timeout(PATIENCE, self.look(&mut seen)).await;
            match looked.unwrap_or_else(|_| Err("the server stopped answering".to_owned())) {
                Ok(()) => is_known = false,
                Err(reason) => {
                    if !is_known {
                        warn!("exemptions of the fleet cannot be read, those known stay in force: {reason}");
                    }
                    is_known = true;
                }
            }
        }
    }

    /// Takes over what the bucket has, if that changed since `seen`.
    async fn look(&self, seen: &mut Option<u64>) -> Result<(), String> {
        let link = self.connector.link().await?;
        let Some(bucket) = BUCKET.find(&link.jetstream).await? else { return Ok(()) };
        let sequence = bucket.stream.cached_info().state.last_sequence;
        if *seen == Some(sequence) {
            return Ok(());
        }
        let scopes = [scope(None), scope(Some(&self.site))];
        let entries: Vec<String> = entries(&bucket)
            .await?
            .into_iter()
            .filter(|(key, _)| {
                key.rsplit_once('.').is_some_and(|(scope, _)| scopes.iter().any(|one| one == scope))
            })
            .map(|(_, entry)| entry)
            .collect();
        if keep(&self.state_dir, &entries).map_err(|error| error.to_string())? {
            let plural = if entries.len() == 1 { "" } else { "s" };
            info!("the fleet shares {} exemption{plural} with this sensor", entries.len());
            self.changed.notify_one();
        }
        *seen = Some(sequence);
        Ok(())
    }
}

/// The keys and the entries of the bucket, in the order of the keys.
async fn entries(bucket: &Store) -> Result<Vec<(String, String)>, String> {
    let keys = bucket.keys().await.map_err(|error| error.to_string())?;
    let mut keys: Vec<String> = keys.try_collect().await.map_err(|error| error.to_string())?;
    keys.sort_unstable();
    let left_out = keys.len().saturating_sub(MAX_ENTRIES);
    if left_out > 0 {
        warn!(
            "the bucket {} has more than {MAX_ENTRIES} exemptions; the last {left_out} by name are left out: remove some",
            BUCKET.name
        );
        keys.truncate(MAX_ENTRIES);
    }
    let mut entries = Vec::new();
    for key in keys {
        let value = match bucket.get(key.as_str()).await {
            Err(error) if error.kind() == EntryErrorKind::InvalidKey => {
                warn!("{key:?} in the bucket {} is no valid key and is passed over: delete it", BUCKET.name);
                continue;
            }
            read => read.map_err(|error| error.to_string())?,
        };
        let entry =
            value.filter(|value| value.len() <= MAX_ENTRY).map(|value| String::from_utf8(value.into()));
        match entry {
            Some(Ok(entry)) => entries.push((key, entry)),
            Some(Err(_)) | None => warn!("the exemption {key} of the fleet is removed, too long, or no text"),
        }
    }
    Ok(entries)
}

/// Shared exemptions, as an administrator changes them.
pub struct SharedExemptions(Context);

impl SharedExemptions {
    /// Those in the bucket behind this connection.
    #[must_use]
    pub const fn of(jetstream: Context) -> Self {
        Self(jetstream)
    }

    /// The keys and the entries.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn all(&self) -> Result<Vec<(String, String)>, String> {
        match BUCKET.find(&self.0).await? {
            Some(bucket) => entries(&bucket).await,
            None => Ok(vec![]),
        }
    }

    /// Adds an entry; makes the bucket, with so many copies, if there is none. The server decides: of two that add the same at
    /// once, one fails.
    ///
    /// # Errors
    /// If there is one already, or it cannot be written.
    pub async fn add(&self, key: &str, entry: String, replicas: usize) -> Result<(), String> {
        let bucket = BUCKET.find_or_make(&self.0, replicas).await?;
        bucket.create(key, entry.into()).await.map(|_| ()).map_err(|error| match error.kind() {
            kv::CreateErrorKind::AlreadyExists => {
                "there is an exemption of this name already; remove it first, or give this one another name with --id".to_owned()
            }
            _ => error.to_string(),
        })
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// If there is none, or it cannot be removed.
    pub async fn remove(&self, key: &str) -> Result<(), String> {
        let missing = || "there is no such exemption; `smb-sensor fleet exempt list` lists them".to_owned();
        let bucket = BUCKET.find(&self.0).await?.ok_or_else(missing)?;
        bucket.get(key).await.map_err(|error| error.to_string())?.ok_or_else(missing)?;
        bucket.delete(key).await.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_written_if_they_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = shared_exemptions_file(folder.path());
        assert!(!keep(folder.path(), &[]).unwrap() && !path.exists(), "nothing to keep");
        let entries = ["one".to_owned(), "two".to_owned()];
        assert!(keep(folder.path(), &entries).unwrap());
        assert!(!keep(folder.path(), &entries).unwrap());
        assert!(keep(folder.path(), &[]).unwrap());
        assert_eq!(fs::read_to_string(path).unwrap(), "[]");
    }
}
