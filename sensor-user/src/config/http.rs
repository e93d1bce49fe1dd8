//! `[http]`: where metrics, health and the status page are served.

use std::{net::SocketAddr, path::Path};

use toml_span::de_helpers::TableHelper;

use super::{HttpOptions, reader::Reader, value::non_empty};
use crate::sinks::SecretSource;

/// Reads the section. Without `listen` there is no listener.
pub(super) fn read(reader: &mut Reader, table: &mut TableHelper<'_>, folder: &Path) -> Option<HttpOptions> {
    let mut options = None;
    reader.section(table, "http", |reader, table| {
        let (mut listen, mut token, mut page) = (None, None, true);
        let place = table.table.get("listen").map(|value| value.span);
        let token_place = table.table.get("token_file").map(|value| value.span);
        reader.value(table, "listen", &mut listen, |text: String| address(&text).map(Some));
        reader.value(table, "token_file", &mut token, |path: String| {
            non_empty(&path, "a file path").map(|()| Some(SecretSource::File(folder.join(path))))
        });
        reader.value(table, "page", &mut page, Ok);
        let (Some(listen), Some(place)) = (listen, place) else {
            if let (None, Some(token_place)) = (place, token_place) {
                reader.mistake(token_place, "[http] has no `listen`: name an address with a port, such as 127.0.0.1:9645");
            }
            return;
        };
        if !listen.ip().to_canonical().is_loopback() && token.is_none() {
            reader.mistake(
                place,
                format!(
                    "`listen`: {listen} can be reached from other machines, so requests need a token: name its file in `token_file`, \
                     or listen on 127.0.0.1"
                ),
            );
        }
        options = Some(HttpOptions { listen, token, page });
    });
    options
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
    fn is_off_without_an_address() {
        assert_eq!(Config::default().http, None);
        assert_eq!(parse("page = false\n").unwrap().http, None);
        let problems = parse("token_file = \"token\"\n").unwrap_err();
        assert!(problems[0].to_string().contains("[http] has no `listen`"), "{problems:?}");
    }

    #[test]
    fn loopback_needs_no_token_and_the_token_file_is_beside_the_configuration() {
        for listen in ["127.0.0.1:9645", "[::1]:9645", "[::ffff:127.0.0.1]:9645"] {
            let options = parse(&format!("listen = \"{listen}\"\n")).unwrap().http.unwrap();
            assert_eq!((options.listen, options.token, options.page), (listen.parse().unwrap(), None, true));
        }
        let keys = "listen = \"192.0.2.1:9645\"\ntoken_file = \"token\"\npage = false\n";
        let options = parse(keys).unwrap().http.unwrap();
        assert_eq!(options.token, Some(SecretSource::File("/etc/x/token".into())));
        assert!(!options.page);
    }

    #[test]
    fn names_each_mistake_with_its_place() {
        for (keys, place, words) in [
            ("listen = \"0.0.0.0:9645\"\n", (2, 11), "`token_file`"),
            ("listen = \"[::]:9645\"\n", (2, 11), "`token_file`"),
            ("listen = \"localhost\"\n", (2, 11), "127.0.0.1:9645"),
            ("listen = \"127.0.0.1:9645\"\ntoken = \"s3cret\"\n", (3, 1), "unknown key `token`"),
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
