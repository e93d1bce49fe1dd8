//! Key-value buckets of NATS.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    context::GetStreamErrorKind,
    kv::Store,
    stream::{Config, DiscardPolicy},
};

/// A bucket.
pub(super) struct Bucket {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// Values of a key that are kept.
    pub(super) history: i64,
    /// Most bytes of a value.
    pub(super) max_value: i32,
    /// Most bytes in all, if there is a limit.
    pub(super) max_bytes: Option<i64>,
    /// Age at which a value is removed, if there is one.
    pub(super) max_age: Option<Duration>,
    /// Whether any member of a cluster answers, which may know less than the one that leads.
    pub(super) any_member_answers: bool,
}

impl Bucket {
    /// The bucket; `None` if there is none.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub(super) async fn find(&self, jetstream: &Context) -> Result<Option<Store>, String> {
        match jetstream.get_stream(format!("KV_{}", self.name)).await {
            Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(said) if said.code() == 404) =>
            {
                return Ok(None);
            }
            found => found.map_err(|error| error.to_string())?,
        };
        jetstream.get_key_value(self.name).await.map(Some).map_err(|error| error.to_string())
    }

    /// The bucket, which is made with so many copies if there is none.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) async fn find_or_make(&self, jetstream: &Context, replicas: usize) -> Result<Store, String> {
        if let Some(bucket) = self.find(jetstream).await? {
            return Ok(bucket);
        }
        // What makes a stream a bucket; the client's own function cannot read what servers before 2.10 say of an account.
        let config = Config {
            name: format!("KV_{}", self.name),
            description: Some(self.description.to_owned()),
            subjects: vec![format!("$KV.{}.>", self.name)],
            max_messages_per_subject: self.history,
            max_message_size: self.max_value,
            max_bytes: self.max_bytes.unwrap_or(-1),
            max_age: self.max_age.unwrap_or_default(),
            discard: DiscardPolicy::New,
            num_replicas: replicas,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: self.any_member_answers,
            ..Config::default()
        };
        let made = jetstream.create_stream(config).await;
        // Another one may have made it meanwhile, with other limits.
        match (self.find(jetstream).await?, made) {
            (Some(bucket), _) => Ok(bucket),
            (None, Err(error)) => Err(error.to_string()),
            (None, Ok(_)) => Err(format!("the bucket {} is gone", self.name)),
        }
    }
}
