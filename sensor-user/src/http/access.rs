//! Access control: requests must carry the token. Without a token, the client needs a certificate, which the listener checks, or
//! the request must name this machine.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

use crate::sinks::Secret;

/// The rule of access.
#[derive(Clone, Debug)]
pub(super) struct Access {
    token: Option<Arc<Secret>>,
    /// Whoever is connected has shown a certificate.
    has_certificate: bool,
}

impl Access {
    pub(super) fn new(token: Option<Secret>, has_certificate: bool) -> Self {
        Self { token: token.map(Arc::new), has_certificate }
    }

    /// Whether a request may be answered; if not, the answer to it.
    fn decide(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        // A server must refuse such a request (RFC 9112, 3.2): whatever is in between may have read the other field.
        if headers.get_all(header::HOST).iter().count() > 1 {
            return Err(Refusal::Hosts);
        }
        match &self.token {
            Some(token) if has_token(headers, token.expose()) => Ok(()),
            Some(_) => Err(Refusal::Token),
            // A page of the Internet may have a name that resolves to 127.0.0.1, and its script would then read this one.
            None if self.has_certificate || names_this_machine(headers) => Ok(()),
            None => Err(Refusal::Host),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Token,
    Host,
    Hosts,
}

/// Lets requests through that may be answered.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.decide(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(Refusal::Token) => (
            StatusCode::UNAUTHORIZED,
            [(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"smb-sensor\", charset=\"UTF-8\""),
            )],
            "a token is needed: as bearer token, or as password of any user\n",
        )
            .into_response(),
        Err(Refusal::Hosts) => {
            (StatusCode::BAD_REQUEST, "a request has one Host field at most\n").into_response()
        }
        Err(Refusal::Host) => (
            StatusCode::MISDIRECTED_REQUEST,
            "without a token, requests must name this machine by its address or as localhost\n",
        )
            .into_response(),
    }
}

/// Whether a request has the token: as bearer token (RFC 6750) or as password (RFC 7617), which browsers can send.
fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let Some((scheme, given)) = value.split_once(' ') else { return false };
    let is_token = |given: &[u8]| bool::from(given.ct_eq(token.as_bytes()));
    if scheme.eq_ignore_ascii_case("bearer") {
        return is_token(given.trim().as_bytes());
    }
    let password = || {
        let decoded = BASE64_STANDARD.decode(given.trim()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(is_token(&decoded[colon + 1..]))
    };
    scheme.eq_ignore_ascii_case("basic") && password().unwrap_or(false)
}

/// Whether the request names this machine by an address or as localhost. Clients that name nothing are no browsers.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::SecretSource;

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn token_is_taken_as_bearer_token_or_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret:x\n").unwrap();
        let access = Access::new(Some(SecretSource::File(path).read().unwrap()), false);
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        for value in ["Bearer s3cret:x", "bearer s3cret:x", &basic("any:s3cret:x"), &basic(":s3cret:x")] {
            assert_eq!(access.decide(&with(header::AUTHORIZATION, value)), Ok(()), "{value}");
        }
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer s3cret",
            "Bearer s3cret:xy",
            "s3cret:x",
            "Digest s3cret:x",
            "Basic s3cret:x",
            &basic("s3cret:x:any"),
            &basic("s3cret"),
        ] {
            let decided = access.decide(&with(header::AUTHORIZATION, value));
            assert_eq!(decided, Err(Refusal::Token), "{value}");
        }
        assert_eq!(access.decide(&HeaderMap::new()), Err(Refusal::Token));
    }

    #[test]
    fn without_a_token_only_this_machine_may_be_named() {
        let access = Access::new(None, false);
        for host in ["127.0.0.1:9645", "localhost", "LocalHost:9645", "[::1]:9645", "192.0.2.1"] {
            assert_eq!(access.decide(&with(header::HOST, host)), Ok(()), "{host}");
        }
        let mut two = with(header::HOST, "127.0.0.1");
        two.append(header::HOST, HeaderValue::from_static("127.0.0.1"));
        assert_eq!(access.decide(&two), Err(Refusal::Hosts));
        let known = Access::new(None, true);
        assert_eq!(known.decide(&with(header::HOST, "gate.example")), Ok(()), "its certificate names it");
        for host in ["evil.example", "localhost.evil.example:9645", "127.0.0.1.evil.example", "@", ""] {
            assert_eq!(access.decide(&with(header::HOST, host)), Err(Refusal::Host), "{host}");
        }
    }
}
