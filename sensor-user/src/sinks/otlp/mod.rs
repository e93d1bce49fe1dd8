//! Logs by OTLP over HTTP, in its JSON encoding.

use std::time::Duration;

use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use sensor_core::level::Severity;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Delivery, SetupError, Sink,
    http::{self, Answer, LazyClient, Verdict},
    secret::SecretSource,
    tls::TlsOptions,
};
use crate::storage::{DocumentKind, DocumentRow};

/// Options of OTLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpOptions {
    /// Address, with the path: `/v1/logs` by convention.
    pub url: String,
    /// Further fields of the header.
    pub headers: Vec<(String, SecretSource)>,
    /// TLS.
    pub tls: TlsOptions,
    /// Time for an answer.
    pub timeout: Duration,
}

/// Sends documents to a collector.
pub struct Otlp {
    url: Url,
    headers: HeaderMap,
    hostname: String,
    client: LazyClient,
}

impl Otlp {
    /// Prepares the sink.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn new(options: &OtlpOptions) -> Result<Self, SetupError> {
        let url = http::url(&options.url).ok_or(SetupError::Url)?;
        let mut headers = http::secret_headers(&options.headers)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let hostname = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { client: LazyClient::new(&url, &options.tls, options.timeout)?, url, headers, hostname })
    }

    /// The address of its requests.
    pub(super) fn into_url(self) -> Url {
        self.url
    }
}

impl Sink for Otlp {
    /// Delivers one document: an answer about several would not say which one it refuses.
    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery {
        let Some(document) = documents.first() else { return Delivery::default() };
        let body = request(document, &self.hostname).to_string();
        let (url, headers) = (self.url.clone(), self.headers.clone());
        let verdict = match self.client.send(|client| client.post(url).headers(headers).body(body)) {
            Ok(answer) => verdict(&answer),
            Err(failure) => Verdict::Again(failure),
        };
        verdict.of_one()
    }
}

/// An export request with one log record (opentelemetry-proto, `ExportLogsServiceRequest`).
fn request(document: &DocumentRow, hostname: &str) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let (number, severity) = severity(document);
    let name = match document.kind {
        DocumentKind::Incident => "smb_sensor.incident",
        DocumentKind::Flow => "smb_sensor.flow",
    };
    json!({ "resourceLogs": [{
        "resource": { "attributes": [text("service.name", "smb-sensor"), text("host.name", hostname)] },
        "scopeLogs": [{
            "scope": { "name": "smb-sensor", "version": env!("CARGO_PKG_VERSION") },
            "logRecords": [{
                "timeUnixNano": document.at.to_string(),
                "observedTimeUnixNano": document.at.to_string(),
                "severityNumber": number,
                "severityText": severity,
                "eventName": name,
                "attributes": [text("event.id", &document.id)],
                "body": { "stringValue": document.body },
            }],
        }],
    }]})
}

/// `SeverityNumber` and the sensor's own word.
const fn severity(document: &DocumentRow) -> (u8, &'static str) {
    match (document.kind, document.severity) {
        (DocumentKind::Flow, _) => (9, "info"),
        (_, Some(Severity::Critical)) => (21, "critical"),
        (_, Some(Severity::High)) => (17, "high"),
        (_, Some(Severity::Medium)) => (13, "medium"),
        (_, Some(Severity::Low) | None) => (10, "low"),
    }
}

/// What an answer means. A success may still refuse the record.
fn verdict(answer: &Answer) -> Verdict {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Response {
        partial_success: Partial,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Partial {
        /// A number, which JSON of protobuf writes as text.
        rejected_log_records: Value,
        error_message: String,
    }
    let verdict = answer.verdict();
    if verdict != Verdict::Delivered {
        return verdict;
    }
    let Response { partial_success } = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is_rejected = match &partial_success.rejected_log_records {
        Value::Number(count) => count.as_u64().unwrap_or(0) > 0,
        Value::String(count) => count.parse::<u64>().unwrap_or(0) > 0,
        _ => false,
    };
    if is_rejected { Verdict::Refused(partial_success.error_message) } else { Verdict::Delivered }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::{
        http::server::{Act, start},
        tests::fixture,
    };

    fn document() -> DocumentRow {
        DocumentRow { at: 1_700_000_000_500_000_001, ..fixture(1, "{\"message\":\"m\"}") }
    }

    #[test]
    fn record_has_the_document_its_time_and_its_severity() {
        let (address, requests) = start(vec![Act::Answer("200 OK", "{}".to_owned())]);
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "Bearer t0ken\n").unwrap();
        let options = OtlpOptions {
            url: format!("http://{address}/v1/logs"),
            headers: vec![("Authorization".to_owned(), SecretSource::File(token))],
            tls: TlsOptions::default(),
            timeout: Duration::from_secs(10),
        };
        let mut sink = Otlp::new(&options).unwrap();
        assert_eq!(sink.deliver(&[document(), document()]).settled, 1, "one at a time");
        let request = requests.recv().unwrap();
        assert!(
            request.head.starts_with("POST /v1/logs ")
                && request.head.contains("authorization: Bearer t0ken")
        );
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let record = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!(record["timeUnixNano"], "1700000000500000001");
        assert_eq!((&record["severityNumber"], &record["severityText"]), (&17.into(), &"high".into()));
        assert_eq!(record["body"]["stringValue"], document().body);
        assert_eq!(record["attributes"][0]["value"]["stringValue"], "a-1");
    }

    #[test]
    fn rejected_record_is_refused_with_the_reason() {
        let partial = |count: &str| {
            let body =
                format!("{{\"partialSuccess\":{{\"rejectedLogRecords\":{count},\"errorMessage\":\"old\"}}}}");
            Act::Answer("200 OK", body)
        };
        let (address, _requests) = start(vec![
            partial("\"1\""),
            partial("0"),
            Act::Answer("503 Service Unavailable\r\nRetry-After: 3", String::new()),
        ]);
        let options = OtlpOptions {
            url: format!("http://{address}"),
            headers: vec![],
            tls: TlsOptions::default(),
            timeout: Duration::from_secs(10),
        };
        let mut sink = Otlp::new(&options).unwrap();
        assert_eq!(sink.deliver(&[document()]).refused, [(0, "old".to_owned())]);
        assert_eq!(sink.deliver(&[document()]), Delivery { settled: 1, ..Delivery::default() });
        assert_eq!(sink.deliver(&[document()]).failure.unwrap().retry_after, Some(Duration::from_secs(3)));
    }
}
