//! Requests over HTTP and HTTPS, and the meaning of their responses.

use std::{error::Error as _, sync::Arc, time::Duration};

use reqwest::{
    StatusCode, Url,
    blocking::{Client, RequestBuilder},
    header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect,
};
use rustls::ClientConfig;

use super::{
    Delivery, Failure, SetupError,
    connection::{Carrier, Connection},
    secret::SecretSource,
    tls::{self, TlsError, TlsOptions},
};

/// Most bytes of an answer that are of interest.
const MAX_ANSWER: u64 = 16 << 20;

/// A client that is made with its first request: that is on the thread of its sink, where waiting is allowed.
pub(super) struct LazyClient {
    tls: ClientConfig,
    timeout: Duration,
    client: Option<Client>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// An address, if it is one of HTTP or HTTPS.
pub(super) fn url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// What an answer means for the documents of its request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    /// They are to be sent again: the server has no time, or the address or the credentials are wrong.
    Again(Failure),
    /// The server will never take them.
    Refused(String),
}

impl Verdict {
    /// The delivery of a request with one document.
    pub(super) fn of_one(self) -> Delivery {
        match self {
            Self::Delivered => Delivery { settled: 1, ..Delivery::default() },
            Self::Refused(reason) => Delivery { settled: 1, refused: vec![(0, reason)], failure: None },
            Self::Again(failure) => Delivery { failure: Some(failure), ..Delivery::default() },
        }
    }
}

/// Fields of a header whose values are secrets.
pub(super) fn secret_headers(fields: &[(String, SecretSource)]) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    for (name, source) in fields {
        let mut value = value(name, source.read()?.expose())?;
        value.set_sensitive(true);
        headers.insert(field(name)?, value);
    }
    Ok(headers)
}

/// A name in a header.
pub(super) fn field(name: &str) -> Result<HeaderName, SetupError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| SetupError::Header(name.to_owned()))
}

/// The value of a field.
pub(super) fn value(name: &str, text: &str) -> Result<HeaderValue, SetupError> {
    HeaderValue::from_str(text).map_err(|_| SetupError::Header(name.to_owned()))
}

impl LazyClient {
    /// A client for addresses like this one.
    pub(super) fn new(url: &Url, tls: &TlsOptions, timeout: Duration) -> Result<Self, TlsError> {
        let tls = if url.scheme() == "https" { tls::client(tls)? } else { tls::unused()? };
        Ok(Self { tls, timeout, client: None })
    }

    /// Sends a request; an answer of any status is one.
    pub(super) fn send(
        &mut self,
        request: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Answer, Failure> {
        let timeout = self.timeout;
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::builder()
                .tls_backend_preconfigured(self.tls.clone())
                .user_agent(concat!("smb-sensor/", env!("CARGO_PKG_VERSION")))
                // Credentials and documents go to the configured server and nowhere else.
                .redirect(redirect::Policy::none())
                .no_proxy()
                .timeout(self.timeout)
                .build()
                .map_err(|error| reason(error, timeout))?,
        };
        let client = self.client.insert(client);
        let answer = request(client).send().map_err(|error| reason(error, timeout))?;
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        let mut body = vec![];
        std::io::Read::read_to_end(&mut std::io::Read::take(answer, MAX_ANSWER), &mut body)
            .map_err(Failure::of)?;
        Ok(Answer { status, retry_after, body })
    }
}

/// Why there is no answer, and what to look at. Of the address only the server is named: the rest may have a token in it.
fn reason(error: reqwest::Error, timeout: Duration) -> Failure {
    let server = error.url().and_then(server).unwrap_or_else(|| "the server".to_owned());
    let causes = causes(error);
    Failure::of(if causes.is_timeout {
        format!(
            "{server} gave no answer within {timeout:?}; is it overloaded, or is something on the way dropping packets?"
        )
    } else if causes.is_connect && causes.last.contains("certificate") {
        format!(
            "the certificate of {server} is not accepted: {}; name its authority in `ca_file`",
            causes.last
        )
    } else if causes.is_connect {
        format!(
            "{server} cannot be reached: {}; does it run, and does the network let the sensor there?",
            causes.last
        )
    } else {
        format!("{server} gave no answer: {}", causes.last)
    })
}

/// `HOST:PORT` of an address.
fn server(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

/// What an error says of its causes.
struct Causes {
    is_timeout: bool,
    is_connect: bool,
    /// The innermost.
    last: String,
}

fn causes(error: reqwest::Error) -> Causes {
    let error = error.without_url();
    let mut last = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        last = one.to_string();
        cause = one.source();
    }
    Causes { is_timeout: error.is_timeout(), is_connect: error.is_connect(), last }
}

/// `Retry-After` in seconds (RFC 9110, 10.2.3). A date is ignored: the own pauses apply.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

impl Answer {
    pub(super) fn verdict(&self) -> Verdict {
        let again = || Verdict::Again(Failure { reason: self.described(), retry_after: self.retry_after });
        match self.status.as_u16() {
            200..300 => Verdict::Delivered,
            // These concern the address, the credentials or the moment, and not the document.
            100..=399 | 401 | 403..=405 | 407 | 408 | 421 | 425 | 429 | 500.. => again(),
            _ => Verdict::Refused(self.described()),
        }
    }

    /// The status with the beginning of the body.
    fn described(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
        let status = &self.status;
        if text.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {text}") }
    }
}

/// Connects to the server of an address and sends no request; says what was found.
///
/// # Errors
/// What is missing.
pub(super) fn probe(url: &Url, tls: &TlsOptions) -> Result<String, String> {
    let server = server(url).ok_or("its address names no server")?;
    let carrier = if url.scheme() == "https" {
        Carrier::Tls(Arc::new(tls::client(tls).map_err(|error| error.to_string())?))
    } else {
        Carrier::Tcp
    };
    Connection::open(&carrier, &server).map_err(|error| format!("{server} cannot be reached: {error}"))?;
    Ok(format!("{server} accepts connections; path and credentials are tried with the first document"))
}

#[cfg(test)]
pub(super) mod server;

#[cfg(test)]
mod tests;
