//! Heads of HTTP/1.1 messages (RFC 9112), as far as they concern WebDAV (RFC 4918) and log-ons by NTLM or Kerberos (RFC 4559).

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use httparse::ParserConfig;
use thiserror::Error;

use crate::text;

/// Most fields of a head that are read.
const MAX_FIELDS: usize = 256;

/// What ends a head.
const END: &[u8] = b"\r\n\r\n";

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request {
        /// Its method.
        method: String,
        /// The program that sent it, as it says.
        user_agent: Option<String>,
        /// The token of its Authorization field, if the scheme is NTLM or Negotiate.
        token: Option<Vec<u8>>,
        /// It has a field by which a client may be logged on: Authorization of any scheme, or Cookie.
        has_credentials: bool,
        /// A page of another origin sent it: it has a field Origin, as the requests of CORS have (Fetch 3.2).
        is_cross_origin: bool,
    },
    /// A response.
    Response {
        /// Its status code.
        status: u16,
        /// The tokens of its WWW-Authenticate fields of the schemes NTLM and Negotiate.
        tokens: Vec<Vec<u8>>,
        /// It asks for a log-on: it has a WWW-Authenticate field.
        has_challenge: bool,
        /// It says that WebDAV is served: a DAV field has a compliance class (RFC 4918 10.1), or MS-Author-Via names DAV
        /// (MS-WDVME 2.2.6).
        offers_webdav: bool,
    },
}

/// Why bytes are not a head.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HttpError {
    /// It does not follow the grammar, or has more fields than are read.
    #[error("the head is no valid one of HTTP: {0}")]
    Head(#[from] httparse::Error),
    /// It does not end.
    #[error("the head is cut short")]
    Truncated,
}

/// The methods that RFC 4918 9 defines.
const WEBDAV_METHODS: [&str; 7] = ["PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"];

/// What the WebDAV redirectors of Windows call themselves: the WebClient service, and WinHTTP's older DavClnt.
const REDIRECTORS: [&str; 2] = ["Microsoft-WebDAV-MiniRedir/", "DavClnt"];

/// Whether a method is one of WebDAV alone.
#[must_use]
pub fn is_webdav_method(method: &str) -> bool {
    WEBDAV_METHODS.contains(&method)
}

/// Whether the program is a WebDAV redirector of Windows, by its name.
#[must_use]
pub fn is_redirector(user_agent: &str) -> bool {
    REDIRECTORS.iter().any(|name| user_agent.starts_with(name))
}

/// The length of the head with which these bytes begin, if it ends in them.
#[must_use]
pub fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).position(|window| window == END).map(|at| at + END.len())
}

/// Whether these bytes begin a response.
#[must_use]
pub fn is_response(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/")
}

/// Reads a head.
///
/// # Errors
/// [`HttpError`] if it is none, or not whole.
pub fn read(bytes: &[u8]) -> Result<Message, HttpError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    if is_response(bytes) {
        let mut response = httparse::Response::new(&mut fields);
        if parser().parse_response(&mut response, bytes)?.is_partial() {
            return Err(HttpError::Truncated);
        }
        let status = response.code.ok_or(HttpError::Truncated)?;
        return Ok(Message::Response {
            status,
            tokens: tokens(response.headers, "WWW-Authenticate").collect(),
            has_challenge: !values(response.headers, "WWW-Authenticate").all(<[u8]>::is_empty),
            offers_webdav: offers_webdav(response.headers),
        });
    }
    let mut request = httparse::Request::new(&mut fields);
    if parser().parse_request(&mut request, bytes)?.is_partial() {
        return Err(HttpError::Truncated);
    }
    let method = request.method.ok_or(HttpError::Truncated)?;
    let user_agent = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("User-Agent"));
    Ok(Message::Request {
        method: text::oem(method.as_bytes()),
        user_agent: user_agent.map(|field| text::oem(field.value)),
        token: tokens(request.headers, "Authorization").next(),
        has_credentials: ["Authorization", "Cookie"]
            .iter()
            .any(|name| values(request.headers, name).next().is_some()),
        is_cross_origin: values(request.headers, "Origin").next().is_some(),
    })
}

/// The compliance classes of WebDAV (RFC 4918 18).
const CLASSES: [&str; 3] = ["1", "2", "3"];

/// Whether a response says that WebDAV is served.
fn offers_webdav(fields: &[httparse::Header<'_>]) -> bool {
    let names = |field, wanted: &[&str]| {
        let values = values(fields, field).filter_map(|value| str::from_utf8(value).ok());
        values.flat_map(|value| value.split(',')).any(|one| wanted.contains(&one.trim()))
    };
    names("DAV", &CLASSES) || names("MS-Author-Via", &["DAV"])
}

/// The values of the fields of this name.
fn values<'a>(fields: &'a [httparse::Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// A parser that passes over lines that are no valid fields, as servers and clients do.
fn parser() -> ParserConfig {
    let mut parser = ParserConfig::default();
    parser.ignore_invalid_headers_in_requests(true).ignore_invalid_headers_in_responses(true);
    parser.allow_spaces_after_header_name_in_responses(true);
    parser.allow_obsolete_multiline_headers_in_responses(true);
    parser
}

/// The tokens of NTLM and Negotiate in the fields of this name. One field may have several challenges (RFC 9110 11.6.1).
fn tokens<'a>(fields: &'a [httparse::Header<'a>], name: &'a str) -> impl Iterator<Item = Vec<u8>> + 'a {
    let challenges = values(fields, name)
        .filter_map(|value| str::from_utf8(value).ok())
        .flat_map(|value| value.split(','));
    challenges.filter_map(|challenge| {
        let (scheme, token) = challenge.trim().split_once(' ')?;
        let is_read = scheme.eq_ignore_ascii_case("NTLM") || scheme.eq_ignore_ascii_case("Negotiate");
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(&STANDARD, lenient)
            .decode(token.trim())
            .ok()
            .filter(|token| is_read && !token.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &str) -> Message {
        read(format!("PROPFIND /share HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n").as_bytes()).unwrap()
    }

    fn token(fields: &str) -> Option<Vec<u8>> {
        let Message::Request { token, .. } = request(fields) else { panic!("no request") };
        token
    }

    #[test]
    fn request_has_its_method_its_program_and_a_token() {
        let fields = "user-agent: Microsoft-WebDAV-MiniRedir/10.0.19045\r\nAUTHORIZATION: ntlm aGk=";
        let Message::Request { method, user_agent, token, .. } = request(fields) else {
            panic!("no request")
        };
        assert_eq!((method.as_str(), token.as_deref()), ("PROPFIND", Some(b"hi".as_slice())));
        assert!(is_redirector(&user_agent.unwrap()) && is_webdav_method(&method));
    }

    #[test]
    fn only_ntlm_and_negotiate_have_tokens_that_are_read() {
        assert_eq!(token("Authorization: Negotiate aGk"), Some(b"hi".to_vec()), "without padding");
        for other in ["Basic aGk=", "NTLM", "NTLM ", "NTLM !!", "Bearer aGk="] {
            assert_eq!(token(&format!("Authorization: {other}")), None, "{other}");
        }
    }

    #[test]
    fn response_has_its_status_and_each_challenge() {
        let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x, NTLM aGk=\r\n\
                    WWW-Authenticate: Negotiate\r\nwww-authenticate: Negotiate aGk=\r\n\r\n<html>";
        let tokens = vec![b"hi".to_vec(), b"hi".to_vec()];
        let answer = Message::Response { status: 401, tokens, has_challenge: true, offers_webdav: false };
        assert_eq!(read(head.as_bytes()), Ok(answer));
        assert_eq!(head_len(head.as_bytes()), Some(head.len() - 6));
    }

    #[test]
    fn request_shows_whether_it_may_be_logged_on_and_whether_a_page_sent_it() {
        let shown = |fields: &str| {
            let Message::Request { has_credentials, is_cross_origin, .. } = request(fields) else { panic!() };
            (has_credentials, is_cross_origin)
        };
        assert_eq!(shown("Depth: 0"), (false, false));
        for credential in ["Authorization: Basic aGk=", "authorization: Bearer x", "Cookie: FedAuth=x"] {
            assert_eq!(shown(credential), (true, false), "{credential}");
        }
        assert_eq!(shown("origin: http://a.example"), (false, true));
    }

    #[test]
    fn compliance_class_or_author_via_offers_webdav() {
        let offers = |field: &str| {
            let head = format!("HTTP/1.1 200 OK\r\nAllow: OPTIONS, PROPFIND\r\n{field}\r\n\r\n");
            let Ok(Message::Response { offers_webdav, .. }) = read(head.as_bytes()) else {
                panic!("{field}")
            };
            offers_webdav
        };
        for field in ["DAV: 1", "dav: 1,2", "DAV: 3 ,<http://a.example>", "MS-Author-Via: MS-FP/4.0,DAV"] {
            assert!(offers(field), "{field}");
        }
        for field in ["DAV:", "DAV: calendar-access", "DAV: 12", "MS-Author-Via: MS-FP/4.0", "X-DAV: 1"] {
            assert!(!offers(field), "{field}");
        }
    }

    #[test]
    fn invalid_fields_are_passed_over() {
        for odd in ["Odd : x", "Odd: a\u{1}b", " folded", "no colon", "A: b\r\n".repeat(200).trim_end()] {
            let fields = format!("{odd}\r\nAuthorization: NTLM aGk=");
            assert_eq!(token(&fields), Some(b"hi".to_vec()), "{odd:?}");
            let head = format!("HTTP/1.1 401 X\r\nServer: x\r\n{odd}\r\nWWW-Authenticate: NTLM aGk=\r\n\r\n");
            let Ok(Message::Response { tokens, .. }) = read(head.as_bytes()) else { panic!("{odd:?}") };
            assert_eq!(tokens, [b"hi".to_vec()], "{odd:?}");
        }
    }

    #[test]
    fn cut_or_broken_head_is_an_error() {
        let head = b"OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n";
        for len in 0..head.len() {
            assert!(read(&head[..len]).is_err() && head_len(&head[..len]).is_none(), "{len}");
        }
        assert!(read(b"OPTIONS \0\r\n\r\n").is_err());
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_FIELDS + 1));
        assert!(read(many.as_bytes()).is_err());
    }
}
