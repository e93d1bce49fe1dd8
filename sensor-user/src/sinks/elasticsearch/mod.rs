//! Elasticsearch and OpenSearch: documents are created in data streams, many with one request.

mod bulk;

use std::time::Duration;

use nix::unistd::gethostname;
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE},
};

use super::{
    Delivery, SetupError, Sink,
    delivery::different,
    http::{self, LazyClient, Verdict},
    secret::{Secret, SecretSource},
    tls::TlsOptions,
};
use crate::storage::DocumentRow;

/// Most documents of a request.
const MAX_DOCUMENTS: usize = 512;

/// Options of Elasticsearch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElasticsearchOptions {
    /// Address, without a path or with that of a proxy.
    pub url: String,
    /// How the sensor proves who it is.
    pub credentials: Option<Credentials>,
    /// TLS.
    pub tls: TlsOptions,
    /// Time for an answer.
    pub timeout: Duration,
}

/// How the sensor proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// An API key, encoded as Elasticsearch shows it.
    ApiKey(SecretSource),
    /// A user and a password.
    Basic(String, SecretSource),
}

enum Proof {
    None,
    ApiKey(Secret),
    Basic(String, Secret),
}

/// Sends documents to Elasticsearch.
pub struct Elasticsearch {
    url: Url,
    proof: Proof,
    client: LazyClient,
    /// Name of this host.
    host: String,
    /// Documents of the next request: fewer after one that was too large.
    most: usize,
}

impl Elasticsearch {
    /// Prepares the sink.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn new(options: &ElasticsearchOptions) -> Result<Self, SetupError> {
        let proof = match &options.credentials {
            None => Proof::None,
            Some(Credentials::ApiKey(key)) => Proof::ApiKey(key.read()?),
            Some(Credentials::Basic(user, password)) => Proof::Basic(user.clone(), password.read()?),
        };
        let url =
            http::url(&format!("{}/_bulk", options.url.trim_end_matches('/'))).ok_or(SetupError::Url)?;
        Ok(Self {
            proof,
            client: LazyClient::new(&url, &options.tls, options.timeout)?,
            url,
            host: gethostname().unwrap_or_default().to_string_lossy().into_owned(),
            most: MAX_DOCUMENTS,
        })
    }

    /// The address of its requests.
    pub(super) fn into_url(self) -> Url {
        self.url
    }
}

impl Sink for Elasticsearch {
    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery {
        let (body, count) = bulk::body(documents, &self.host, different(documents, self.most));
        let (url, proof) = (&self.url, &self.proof);
        let answer = self.client.send(|client| {
            let request = client.post(url.clone()).header(CONTENT_TYPE, "application/x-ndjson").body(body);
            match proof {
                Proof::None => request,
                Proof::ApiKey(key) => request.header(AUTHORIZATION, format!("ApiKey {}", key.expose())),
                Proof::Basic(user, password) => request.basic_auth(user, Some(password.expose())),
            }
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return Delivery { failure: Some(failure), ..Delivery::default() },
        };
        if answer.status == StatusCode::PAYLOAD_TOO_LARGE && count > 1 {
            self.most = (count / 2).max(1);
            return Delivery::default();
        }
        let delivery = match answer.verdict() {
            Verdict::Delivered => bulk::delivery(&answer.body, count),
            Verdict::Again(failure) => Delivery { failure: Some(failure), ..Delivery::default() },
            Verdict::Refused(reason) if count == 1 => {
                Delivery { settled: 1, refused: vec![(0, reason)], failure: None }
            }
            // The server does not say which one it refuses: each is sent alone.
            Verdict::Refused(_) => {
                self.most = 1;
                return Delivery::default();
            }
        };
        if delivery.failure.is_none() {
            self.most = MAX_DOCUMENTS.min(self.most * 2);
        }
        delivery
    }
}

#[cfg(test)]
mod tests;
