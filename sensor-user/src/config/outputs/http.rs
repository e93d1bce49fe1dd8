//! Keys of Elasticsearch, OTLP and webhooks. A key names the file or the variable of a secret, never the secret itself.

use std::{path::Path, time::Duration};

use reqwest::Url;
use toml_span::{Span, de_helpers::TableHelper, value::ValueInner};

use super::{required, tls};
use crate::{
    config::{
        reader::Reader,
        value::{non_empty, seconds},
    },
    sinks::{Credentials, ElasticsearchOptions, OtlpOptions, SecretSource, WebhookOptions, WebhookUrl},
};

/// Default time for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn elasticsearch(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    (span, folder): (Span, &Path),
) -> Option<ElasticsearchOptions> {
    let has_url = required(reader, table, "url", ("address of the cluster", span));
    let (mut url, mut user) = (String::new(), None);
    reader.value(table, "url", &mut url, address);
    reader.value(table, "user", &mut user, |name: String| non_empty(&name, "a name").map(|()| Some(name)));
    let key = secret(reader, table, ["api_key_file", "api_key_env"], (span, folder));
    let password = secret(reader, table, ["password_file", "password_env"], (span, folder));
    let credentials = match (key, user, password) {
        (None, None, None) => None,
        (Some(key), None, None) => Some(Credentials::ApiKey(key)),
        (None, Some(user), Some(password)) => Some(Credentials::Basic(user, password)),
        _ => {
            reader
                .mistake(span, "credentials are an API key, or `user` with a password; name one of the two");
            None
        }
    };
    let timeout = timeout(reader, table);
    let tls = tls::options(reader, table, (span, folder));
    has_url.then_some(ElasticsearchOptions { url, credentials, tls, timeout })
}

pub(super) fn otlp(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    (span, folder): (Span, &Path),
) -> Option<OtlpOptions> {
    let has_url = required(reader, table, "url", ("address of the collector", span));
    let mut url = String::new();
    reader.value(table, "url", &mut url, address);
    let headers = headers(reader, table, folder);
    let timeout = timeout(reader, table);
    let tls = tls::options(reader, table, (span, folder));
    has_url.then_some(OtlpOptions { url, headers, tls, timeout })
}

pub(super) fn webhook(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    (span, folder): (Span, &Path),
) -> Option<WebhookOptions> {
    let mut url = None;
    reader
        .value(table, "url", &mut url, |text: String| address(text).map(|url| Some(WebhookUrl::Plain(url))));
    let secret_url = secret(reader, table, ["url_file", "url_env"], (span, folder)).map(WebhookUrl::Secret);
    let url = match (url, secret_url) {
        (Some(one), None) | (None, Some(one)) => Some(one),
        _ => {
            reader.mistake(span, "name the address by one of `url`, `url_file` and `url_env`");
            None
        }
    };
    let (mut template, mut content_type) = (None, "application/json".to_owned());
    reader.value(table, "template_file", &mut template, |path: String| {
        non_empty(&path, "a file path").map(|()| Some(folder.join(path)))
    });
    reader.value(table, "content_type", &mut content_type, |text: String| {
        non_empty(&text, "a media type").map(|()| text)
    });
    let mut signature_header = "X-Signature-256".to_owned();
    reader.value(table, "signature_header", &mut signature_header, |text: String| {
        non_empty(&text, "the name of a header").map(|()| text)
    });
    let key = secret(reader, table, ["signature_key_file", "signature_key_env"], (span, folder));
    let headers = headers(reader, table, folder);
    let timeout = timeout(reader, table);
    let tls = tls::options(reader, table, (span, folder));
    let signature = key.map(|key| (signature_header, key));
    Some(WebhookOptions { url: url?, template, content_type, headers, signature, tls, timeout })
}

fn timeout(reader: &mut Reader, table: &mut TableHelper<'_>) -> Duration {
    let mut timeout = TIMEOUT;
    reader.value(table, "timeout", &mut timeout, |n| seconds(n, 1, 600));
    timeout
}

/// An address without credentials.
fn address(text: String) -> Result<String, String> {
    match Url::parse(&text) {
        // The text may contain a password and is not repeated.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("credentials do not belong into an address; use the keys for them".to_owned())
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text),
        _ => Err("is no address; write https://HOST:PORT/PATH".to_owned()),
    }
}

/// A secret by one of two keys: the name of its file, or of its variable.
pub(super) fn secret(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    [file, environment]: [&'static str; 2],
    (span, folder): (Span, &Path),
) -> Option<SecretSource> {
    let (mut from_file, mut from_environment) = (None, None);
    reader.value(table, file, &mut from_file, |path: String| {
        non_empty(&path, "a file path").map(|()| Some(SecretSource::File(folder.join(path))))
    });
    reader.value(table, environment, &mut from_environment, |name: String| {
        non_empty(&name, "the name of a variable").map(|()| Some(SecretSource::Environment(name)))
    });
    if from_file.is_some() && from_environment.is_some() {
        reader.mistake(span, format!("`{file}` and `{environment}` name the same secret; keep one"));
    }
    from_file.or(from_environment)
}

/// `headers`: names, each with the file or the variable of its value.
fn headers(reader: &mut Reader, table: &mut TableHelper<'_>, folder: &Path) -> Vec<(String, SecretSource)> {
    let Some((_, mut value)) = table.take("headers") else { return vec![] };
    let span = value.span;
    let ValueInner::Table(fields) = value.take() else {
        reader.mistake(span, "`headers` is no table; write headers.NAME = { file = \"…\" }");
        return vec![];
    };
    let mut headers = vec![];
    for (name, mut value) in fields {
        let span = value.span;
        if matches!(value.as_ref(), ValueInner::String(_)) {
            reader.mistake(
                span,
                "a header's value is not written here; name its { file = \"…\" } or { env = \"…\" }",
            );
            continue;
        }
        reader.table(&mut value, |reader, table| {
            match secret(reader, table, ["file", "env"], (span, folder)) {
                Some(source) => headers.push((name.to_string(), source)),
                None => reader.mistake(span, "name the { file = \"…\" } or { env = \"…\" } of this header"),
            }
        });
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{BadThreatList, Config, Problem, file},
        sinks::Destination,
    };

    fn parse(keys: &str) -> Result<Config, Vec<Problem>> {
        file::parse(&format!("[[output]]\n{keys}"), Path::new("/etc/x"), BadThreatList::Refused)
    }

    #[test]
    fn secrets_are_named_by_file_or_variable() {
        let keys =
            "type = \"elasticsearch\"\nurl = \"https://es:9200\"\nuser = \"sensor\"\npassword_env = \"PW\"\n";
        let Destination::Elasticsearch(options) = parse(keys).unwrap().outputs.remove(0).destination else {
            panic!("another type")
        };
        let password = SecretSource::Environment("PW".to_owned());
        assert_eq!(options.credentials, Some(Credentials::Basic("sensor".to_owned(), password)));
        let keys = "type = \"webhook\"\nurl_file = \"url\"\nsignature_key_file = \"/k\"\n\
                    headers.Authorization = { file = \"token\" }\n";
        let Destination::Webhook(options) = parse(keys).unwrap().outputs.remove(0).destination else {
            panic!("another type")
        };
        let of = |path: &str| SecretSource::File(path.into());
        assert_eq!(options.url, WebhookUrl::Secret(of("/etc/x/url")));
        assert_eq!(options.headers, [("Authorization".to_owned(), of("/etc/x/token"))]);
        assert_eq!(options.signature, Some(("X-Signature-256".to_owned(), of("/k"))));
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        for (keys, words) in [
            ("type = \"elasticsearch\"\n", "no `url`"),
            ("type = \"elasticsearch\"\nurl = \"https://u:s3cret@es\"\n", "credentials do not belong"),
            ("type = \"elasticsearch\"\nurl = \"es:9200\"\n", "https://HOST:PORT"),
            ("type = \"elasticsearch\"\nurl = \"https://es\"\nuser = \"u\"\n", "`user` with a password"),
            (
                "type = \"elasticsearch\"\nurl = \"https://es\"\npassword = \"s3cret\"\n",
                "unknown key `password`",
            ),
            ("type = \"otlp\"\n", "no `url`"),
            ("type = \"otlp\"\nurl = \"https://x/v1/logs\"\ntoken = \"s3cret\"\n", "unknown key `token`"),
            ("type = \"webhook\"\n", "`url`, `url_file` and `url_env`"),
            ("type = \"webhook\"\nurl = \"https://x\"\nurl_env = \"A\"\n", "`url`, `url_file` and `url_env`"),
            ("type = \"webhook\"\nurl = \"https://x\"\nheaders.A = \"s3cret\"\n", "is not written here"),
            ("type = \"webhook\"\nurl = \"https://x\"\nheaders.A = {}\n", "of this header"),
        ] {
            let problems = parse(keys).unwrap_err();
            let text = format!("{problems:?}");
            assert!(text.contains(words) && !text.contains("s3cret"), "{keys}: {text}");
        }
    }
}
