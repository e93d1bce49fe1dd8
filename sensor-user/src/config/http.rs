//! `[http]`: where metrics, health and the status page are served.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use toml_span::{Span, de_helpers::TableHelper};

use super::{HttpOptions, ServerTlsOptions, reader::Reader, value::non_empty};
use crate::sinks::SecretSource;

/// Where the section listens by default: only this machine can reach it, so it needs neither token nor certificates.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9645);

/// Reads the section. Without it there is no listener.
pub(super) fn read(reader: &mut Reader, table: &mut TableHelper<'_>, folder: &Path) -> Option<HttpOptions> {
    let mut options = None;
    reader.section(table, "http", |reader, table| {
        let (mut listen, mut token, mut page) = (DEFAULT_LISTEN, None, true);
        let (mut exempt_form, mut verdict_form, mut block_form) = (false, false, false);
        let place = table.table.get("listen").map(|value| value.span);
        reader.value(table, "listen", &mut listen, |text: String| address(&text));
        reader.value(table, "token_file", &mut token, |path: String| {
            non_empty(&path, "a file path").map(|()| Some(SecretSource::File(folder.join(path))))
        });
        reader.value(table, "page", &mut page, Ok);
        reader.value(table, "exempt_form", &mut exempt_form, Ok);
        reader.value(table, "verdict_form", &mut verdict_form, Ok);
        reader.value(table, "block_form", &mut block_form, Ok);
        let tls_place = TLS_KEYS.iter().find_map(|key| table.table.get(*key)).map(|value| value.span);
        let tls = tls(reader, table, (tls_place, folder));
        let has_clients = tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let is_open = !listen.ip().to_canonical().is_loopback() && token.is_none() && !has_clients;
        if is_open && let Some(place) = place {
            reader.mistake(
                place,
                format!(
                    "`listen`: {listen} can be reached from other machines, so requests need a token or a certificate: name the \
                     file of a token in `token_file` or that of the clients' authorities in `client_ca_file`, or listen on 127.0.0.1"
                ),
            );
        }
        options = Some(HttpOptions { listen, token, tls, page, exempt_form, verdict_form, block_form });
    });
    options
}

const TLS_KEYS: [&str; 3] = ["certificate_file", "key_file", "client_ca_file"];

/// TLS, if its keys are there.
fn tls(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    (place, folder): (Option<Span>, &Path),
) -> Option<ServerTlsOptions> {
    let mut file = |name: &'static str| {
        let mut path = None;
        reader.value(table, name, &mut path, |path: String| {
            non_empty(&path, "a file path").map(|()| Some(folder.join(path)))
        });
        path
    };
    match TLS_KEYS.map(&mut file) {
        [Some(certificate), Some(key), client_ca] => Some(ServerTlsOptions { certificate, key, client_ca }),
        [None, None, None] => None,
        _ => {
            reader.mistake(place?, "TLS needs both `certificate_file` and `key_file`");
            None
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not an address with a port; write one such as 127.0.0.1:9645 or [::1]:9645")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BadThreatList, Config, Problem, file};

    fn parse(keys: &str) -> Result<Config, Vec<Problem>> {
        file::parse(&format!("[http]\n{keys}"), Path::new("/etc/x"), BadThreatList::Refused)
    }

    #[test]
    fn is_off_without_the_section_which_listens_on_loopback_by_default() {
        assert_eq!(Config::default().http, None);
        let without = file::parse("[dns]\n", Path::new("/etc/x"), BadThreatList::Refused).unwrap();
        assert_eq!(without.http, None);
        for keys in ["", "page = false\n", "token_file = \"token\"\n"] {
            let options = parse(keys).unwrap().http.unwrap();
            assert_eq!(options.listen.to_string(), "127.0.0.1:9645", "{keys}");
            assert_eq!(
                (options.page, options.token.is_some()),
                (keys != "page = false\n", keys.contains("token"))
            );
        }
    }

    #[test]
    fn loopback_needs_no_token_and_the_token_file_is_beside_the_configuration() {
        for listen in ["127.0.0.1:9645", "[::1]:9645", "[::ffff:127.0.0.1]:9645"] {
            let options = parse(&format!("listen = \"{listen}\"\n")).unwrap().http.unwrap();
            assert_eq!((options.listen, options.token, options.page), (listen.parse().unwrap(), None, true));
            assert!(!options.exempt_form && !options.block_form, "the page changes nothing by default");
        }
        let keys = "listen = \"192.0.2.1:9645\"\ntoken_file = \"token\"\npage = false\n";
        let options = parse(keys).unwrap().http.unwrap();
        assert_eq!(options.token, Some(SecretSource::File("/etc/x/token".into())));
        assert!(!options.page);
    }

    #[test]
    fn certificates_of_clients_take_the_place_of_a_token() {
        let keys = "listen = \"0.0.0.0:9645\"\ncertificate_file = \"a.pem\"\nkey_file = \"/k\"\nclient_ca_file = \"ca.pem\"\n";
        let options = parse(keys).unwrap().http.unwrap();
        let tls = ServerTlsOptions {
            certificate: "/etc/x/a.pem".into(),
            key: "/k".into(),
            client_ca: Some("/etc/x/ca.pem".into()),
        };
        assert_eq!((options.token, options.tls), (None, Some(tls)));
        let problems = parse(&keys.replace("client_ca_file = \"ca.pem\"\n", "")).unwrap_err();
        assert!(problems[0].message.contains("`client_ca_file`"), "whoever asks is unknown: {problems:?}");
    }

    #[test]
    fn names_each_mistake_with_its_place() {
        for (keys, place, words) in [
            ("listen = \"0.0.0.0:9645\"\n", (2, 11), "`token_file`"),
            ("listen = \"[::]:9645\"\n", (2, 11), "`token_file`"),
            ("listen = \"localhost\"\n", (2, 11), "127.0.0.1:9645"),
            ("listen = \"127.0.0.1:9645\"\ntoken = \"s3cret\"\n", (3, 1), "unknown key `token`"),
            ("listen = \"127.0.0.1:9645\"\nkey_file = \"k\"\n", (3, 13), "`certificate_file` and `key_file`"),
            (
                "listen = \"127.0.0.1:9645\"\nclient_ca_file = \"k\"\n",
                (3, 19),
                "`certificate_file` and `key_file`",
            ),
            ("listen = \"127.0.0.1:9645\"\npage = 1\n", (3, 8), "true or false"),
        ] {
            let problems = parse(keys).unwrap_err();
            let [problem] = &problems[..] else { panic!("{keys}: {problems:?}") };
            assert_eq!((problem.line, problem.column), place, "{keys}: {problem:?}");
            assert!(problem.message.contains(words), "{keys}: {problem:?}");
            assert!(!problem.message.contains("s3cret"));
        }
    }
}
