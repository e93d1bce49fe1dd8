//! Webhooks: one request for each document, with a body that the user may define and a signature.

mod template;
mod values;

use std::{path::PathBuf, time::Duration};

use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use ring::hmac;

use self::template::Template;
pub use self::template::{TemplateError, TemplateMistake};
use super::{
    Delivery, SetupError, Sink,
    http::{self, LazyClient, Verdict},
    secret::SecretSource,
    tls::TlsOptions,
};
use crate::storage::DocumentRow;

/// Field with the identifier of the document, by which a receiver knows a repetition.
const ID: HeaderName = HeaderName::from_static("idempotency-key");

/// Options of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookOptions {
    /// Address.
    pub url: WebhookUrl,
    /// Template of the body; without one the body is the document.
    pub template: Option<PathBuf>,
    /// Type of the body.
    pub content_type: String,
    /// Further fields of the header.
    pub headers: Vec<(String, SecretSource)>,
    /// Field of the signature, and its key.
    pub signature: Option<(String, SecretSource)>,
    /// TLS.
    pub tls: TlsOptions,
    /// Time for an answer.
    pub timeout: Duration,
}

/// An address, which may be a secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookUrl {
    /// Written in the configuration.
    Plain(String),
    /// Kept elsewhere.
    Secret(SecretSource),
}

/// Sends documents to a webhook.
pub struct Webhook {
    url: Url,
    template: Option<Template>,
    headers: HeaderMap,
    signature: Option<(HeaderName, hmac::Key)>,
    client: LazyClient,
}

impl Webhook {
    /// Prepares the sink.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn new(options: &WebhookOptions) -> Result<Self, SetupError> {
        let url = match &options.url {
            WebhookUrl::Plain(url) => http::url(url),
            WebhookUrl::Secret(source) => http::url(source.read()?.expose()),
        };
        let url = url.ok_or(SetupError::Url)?;
        let mut headers = http::secret_headers(&options.headers)?;
        headers.insert(CONTENT_TYPE, http::value(CONTENT_TYPE.as_str(), &options.content_type)?);
        let signature = match &options.signature {
            None => None,
            Some((name, key)) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, key.read()?.expose().as_bytes());
                Some((http::field(name)?, key))
            }
        };
        Ok(Self {
            template: options.template.as_ref().map(Template::read).transpose()?,
            headers,
            signature,
            client: LazyClient::new(&url, &options.tls, options.timeout)?,
            url,
        })
    }

    /// The address.
    pub(super) fn into_url(self) -> Url {
        self.url
    }

    fn send(&mut self, document: &DocumentRow) -> Verdict {
        let body = match &self.template {
            None => document.body.clone(),
            Some(template) => match template.render(document) {
                Ok(body) => body,
                Err(error) => return Verdict::Refused(format!("the template cannot be filled: {error:#}")),
            },
        };
        let mut headers = self.headers.clone();
        headers.extend(HeaderValue::from_str(&document.id).ok().map(|id| (ID, id)));
        if let Some((name, key)) = &self.signature {
            headers.extend(signature(key, &body).map(|value| (name.clone(), value)));
        }
        let url = self.url.clone();
        match self.client.send(|client| client.post(url).headers(headers).body(body)) {
            Ok(answer) => answer.verdict(),
            Err(failure) => Verdict::Again(failure),
        }
    }
}

impl Sink for Webhook {
    /// Delivers one document: its position is saved before the next one.
    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery {
        let Some(document) = documents.first() else { return Delivery::default() };
        self.send(document).of_one()
    }
}

/// `sha256=` and the HMAC of the body in hexadecimal digits.
fn signature(key: &hmac::Key, body: &str) -> Option<HeaderValue> {
    let tag = hmac::sign(key, body.as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("sha256={digits}")).ok()
}

#[cfg(test)]
mod tests;
