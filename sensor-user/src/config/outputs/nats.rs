//! Keys of NATS.

use std::{path::Path, time::Duration};

use reqwest::Url;
use toml_span::{Span, de_helpers::TableHelper};

use super::{http::secret, required, tls};
use crate::{
    config::{
        reader::Reader,
        value::{non_empty, seconds, within},
    },
    sinks::{Login, NatsOptions, StreamOptions, Subjects, TlsOptions, host_token},
};

/// Default time for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Default time between two reports of health.
const HEALTH: u64 = 30;

/// Default age at which messages of a stream are removed.
const MAX_AGE: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn options(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    (span, folder): (Span, &Path),
) -> Option<NatsOptions> {
    let has_servers = required(reader, table, "servers", ("list of servers, [\"tls://HOST:4222\"]", span));
    let mut servers = vec![];
    reader.list(table, "servers", &mut servers, server);
    let subjects = subjects(reader, table, span);
    let login = login(reader, table, (span, folder));
    let mut timeout = TIMEOUT;
    reader.value(table, "timeout", &mut timeout, |n| seconds(n, 1, 600));
    let mut health = HEALTH;
    reader.value(table, "health_interval", &mut health, |n| within(n, 0, 3_600));
    let mut exemptions = false;
    reader.value(table, "fleet_exemptions", &mut exemptions, Ok::<bool, String>);
    let mut terms = false;
    reader.value(table, "fleet_terms", &mut terms, Ok::<bool, String>);
    let create = stream(reader, table);
    let is_encrypted = servers.iter().any(|one: &String| one.starts_with("tls://"));
    if servers.iter().any(|one| one.starts_with("tls://") != is_encrypted) {
        reader.mistake(span, "either all of `servers` begin with tls://, or none does");
    }
    let tls = if is_encrypted {
        tls::options(reader, table, (span, folder))
    } else {
        tls::unused(reader, table, "TLS: begin the addresses of `servers` with tls://");
        TlsOptions::default()
    };
    let health = (health > 0).then(|| Duration::from_secs(health));
    let servers = (has_servers && !servers.is_empty()).then_some(servers);
    if has_servers && servers.is_none() {
        reader.mistake(span, "`servers` names no server; write [\"tls://HOST:4222\"]");
    }
    Some(NatsOptions {
        servers: servers?,
        subjects: subjects?,
        login,
        create,
        tls,
        timeout,
        health,
        exemptions,
        terms,
    })
}

/// `site` and `sensor`.
fn subjects(reader: &mut Reader, table: &mut TableHelper<'_>, span: Span) -> Option<Subjects> {
    let has_site = required(reader, table, "site", ("place where the sensor is, such as \"vienna\"", span));
    let host = nix::unistd::gethostname().unwrap_or_default();
    let (mut site, mut sensor) = (String::new(), host_token(&host.to_string_lossy()));
    let is_token = |text: String| Subjects::new(&text, &text).map(|_| text);
    reader.value(table, "site", &mut site, is_token);
    reader.value(table, "sensor", &mut sensor, is_token);
    if has_site { Subjects::new(&site, &sensor).ok() } else { None }
}

/// How the sensor proves who it is: in one way at most.
fn login(reader: &mut Reader, table: &mut TableHelper<'_>, (span, folder): (Span, &Path)) -> Option<Login> {
    let mut user = None;
    reader.value(table, "user", &mut user, |name: String| non_empty(&name, "a name").map(|()| Some(name)));
    let mut of = |names| secret(reader, table, names, (span, folder));
    let credentials = of(["credentials_file", "credentials_env"]).map(Login::Credentials);
    let nkey = of(["nkey_file", "nkey_env"]).map(Login::NKey);
    let token = of(["token_file", "token_env"]).map(Login::Token);
    let password = match (user, of(["password_file", "password_env"])) {
        (None, None) => None,
        (Some(user), Some(password)) => Some(Login::Password(user, password)),
        _ => {
            reader.mistake(span, "`user` and a password go together");
            None
        }
    };
    let mut all = [credentials, nkey, token, password].into_iter().flatten();
    let login = all.next();
    if all.next().is_some() {
        reader.mistake(span, "credentials, an NKey, a token, or a user with a password: name one of them");
    }
    login
}

/// The stream to make, if that is wanted.
fn stream(reader: &mut Reader, table: &mut TableHelper<'_>) -> Option<StreamOptions> {
    let mut create = false;
    reader.value(table, "create_stream", &mut create, Ok::<bool, String>);
    if !create {
        let keys = ["stream", "stream_replicas", "stream_max_age", "stream_max_bytes"];
        reader.without_effect(
            table,
            &keys,
            "`create_stream = true`: it is for a stream that the sensor makes",
        );
        return None;
    }
    let mut options =
        StreamOptions { name: "SMB-SENSOR".to_owned(), replicas: 1, max_age: MAX_AGE, max_bytes: None };
    reader.value(table, "stream", &mut options.name, |name: String| {
        Subjects::new(&name, &name).map(|_| name).map_err(|_| "is no name of a stream".to_owned())
    });
    reader.value(table, "stream_replicas", &mut options.replicas, |n| within(n, 1, 5).map(|n| n as usize));
    reader.value(table, "stream_max_age", &mut options.max_age, |n| seconds(n, 60, 31_536_000));
    reader.value(table, "stream_max_bytes", &mut options.max_bytes, |n| {
        within(n, 65_536, 1 << 50).map(|n| i64::try_from(n).ok())
    });
    Some(options)
}

/// An address without credentials.
fn server(text: String) -> Result<String, String> {
    match Url::parse(&text) {
        // The text may contain a password and is not repeated.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("credentials do not belong into an address; use the keys for them".to_owned())
        }
        Ok(url)
            if matches!(url.scheme(), "nats" | "tls")
                && url.has_host()
                && url.path().trim_matches('/').is_empty() =>
        {
            Ok(text)
        }
        _ => Err("is no address; write tls://HOST:PORT, or nats://HOST:PORT without encryption".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{BadThreatList, Config, Problem, file},
        sinks::{Destination, SecretSource, TlsOptions},
    };

    fn parse(keys: &str) -> Result<Config, Vec<Problem>> {
        let text = format!("[[output]]\ntype = \"nats\"\n{keys}");
        file::parse(&text, Path::new("/etc/x"), BadThreatList::Refused)
    }

    fn options(keys: &str) -> NatsOptions {
        let Destination::Nats(options) = parse(keys).unwrap().outputs.remove(0).destination else {
            panic!("another type")
        };
        options
    }

    #[test]
    fn reads_all_keys_and_defaults() {
        let keys = "servers = [\"tls://a:4222\", \"tls://b\"]\nsite = \"vienna\"\nsensor = \"gate\"\n\
                    nkey_file = \"seed\"\nca_file = \"ca.pem\"\ntimeout = 5\nhealth_interval = 0\nfleet_exemptions = true\nfleet_terms = true\ncreate_stream = true\n\
                    stream = \"S\"\nstream_replicas = 3\nstream_max_age = 3600\nstream_max_bytes = 1000000\n";
        let stream = StreamOptions {
            name: "S".to_owned(),
            replicas: 3,
            max_age: Duration::from_secs(3_600),
            max_bytes: Some(1_000_000),
        };
        let wanted = NatsOptions {
            servers: vec!["tls://a:4222".to_owned(), "tls://b".to_owned()],
            subjects: Subjects::new("vienna", "gate").unwrap(),
            login: Some(Login::NKey(SecretSource::File("/etc/x/seed".into()))),
            create: Some(stream),
            tls: TlsOptions { ca_file: Some("/etc/x/ca.pem".into()), client: None },
            timeout: Duration::from_secs(5),
            health: None,
            exemptions: true,
            terms: true,
        };
        assert_eq!(options(keys), wanted);
        let plain = options("servers = [\"nats://a:4222\"]\nsite = \"vienna\"\n");
        assert_eq!((plain.login, plain.create, plain.timeout), (None, None, TIMEOUT));
        assert_eq!((plain.health, plain.exemptions), (Some(Duration::from_secs(30)), false));
        assert!(!plain.terms);
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        let site = "site = \"v\"\n";
        for (keys, words) in [
            (site, "no `servers`"),
            ("servers = [\"nats://a\"]\n", "no `site`"),
            ("servers = []\nsite = \"v\"\n", "names no server"),
            ("servers = [\"nats://a\"]\nsite = \"a.b\"\n", "cannot be part of a subject"),
            ("servers = [\"nats://u:s3cret@a\"]\nsite = \"v\"\n", "credentials do not belong"),
            ("servers = [\"a:4222\"]\nsite = \"v\"\n", "tls://HOST:PORT"),
            ("servers = [\"nats://a\", \"tls://b\"]\nsite = \"v\"\n", "all of `servers`"),
            ("servers = [\"nats://a\"]\nsite = \"v\"\nca_file = \"x\"\n", "`ca_file` needs TLS"),
            ("servers = [\"nats://a\"]\nsite = \"v\"\nuser = \"u\"\n", "go together"),
            ("servers = [\"nats://a\"]\nsite = \"v\"\ntoken = \"s3cret\"\n", "unknown key `token`"),
            ("servers = [\"nats://a\"]\nsite = \"v\"\ntoken_env = \"T\"\nnkey_env = \"N\"\n", "one of them"),
            (
                "servers = [\"nats://a\"]\nsite = \"v\"\nstream_replicas = 3\n",
                "`stream_replicas` needs `create_stream = true`",
            ),
            ("servers = [\"nats://a\"]\nsite = \"v\"\ncreate_stream = true\nstream = \"a.b\"\n", "no name"),
        ] {
            let problems = parse(keys).unwrap_err();
            let text = format!("{problems:?}");
            assert!(text.contains(words) && !text.contains("s3cret"), "{keys}: {text}");
        }
    }
}
