//! Checks that a form that changes something was sent from a page of this listener: by a token in the form, and by the origin
//! that the browser reports.

use axum::http::{HeaderMap, Uri, header, uri::Authority};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};

use super::HttpError;

/// Where a browser says that a request comes from (Fetch Metadata).
const FETCH_SITE: &str = "sec-fetch-site";

/// Makes and checks the tokens of forms. They are valid as long as the agent runs.
pub(super) struct Forms(hmac::Key);

/// Why a form is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It was sent from a page of somebody else.
    Elsewhere,
    /// Its token is none of this run.
    Token,
}

impl Refused {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Elsewhere => "The form was not sent from a page of this sensor. Nothing was changed.",
            Self::Token => "The form is older than the agent. Nothing was changed; open the page again.",
        }
    }
}

impl Forms {
    pub(super) fn new() -> Result<Self, HttpError> {
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| HttpError::Random)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    /// The token of a form about this.
    pub(super) fn token(&self, about: &str) -> String {
        let tag = hmac::sign(&self.0, about.as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks a form about this.
    ///
    /// # Errors
    /// [`Refused`]
    pub(super) fn check(&self, about: &str, token: &str, headers: &HeaderMap) -> Result<(), Refused> {
        if !is_from_here(headers) {
            return Err(Refused::Elsewhere);
        }
        let is_token = subtle::ConstantTimeEq::ct_eq(self.token(about).as_bytes(), token.as_bytes());
        if bool::from(is_token) { Ok(()) } else { Err(Refused::Token) }
    }
}

/// Whether the browser says that a page of this listener sent the request. Browsers name the origin of a form; over a connection that
/// they trust also whether it is the same.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text(FETCH_SITE).is_some_and(|site| site != "same-origin") {
        return false;
    }
    let origin = text(header::ORIGIN.as_str()).and_then(|origin| origin.parse::<Uri>().ok());
    let authority = origin.as_ref().and_then(Uri::authority).map(Authority::as_str);
    authority
        .is_some_and(|one| text(header::HOST.as_str()).is_some_and(|host| host.eq_ignore_ascii_case(one)))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn form_of_another_page_is_refused() {
        let forms = Forms::new().unwrap();
        let token = forms.token("a");
        let host = ("host", "127.0.0.1:9645");
        let ours = ("origin", "http://127.0.0.1:9645");
        for fields in [
            vec![host],
            vec![host, ("origin", "null")],
            vec![host, ("origin", "http://evil.example")],
            vec![host, ("origin", "http://127.0.0.1:80")],
            vec![host, ours, (FETCH_SITE, "cross-site")],
            vec![host, ours, (FETCH_SITE, "same-site")],
            vec![ours],
        ] {
            assert_eq!(forms.check("a", &token, &headers(&fields)), Err(Refused::Elsewhere), "{fields:?}");
        }
        for fields in [vec![host, ours], vec![host, ours, (FETCH_SITE, "same-origin")]] {
            assert_eq!(forms.check("a", &token, &headers(&fields)), Ok(()), "{fields:?}");
        }
    }

    #[test]
    fn token_is_for_one_form_of_one_run() {
        let (forms, others) = (Forms::new().unwrap(), Forms::new().unwrap());
        let headers = headers(&[("host", "h"), ("origin", "https://h")]);
        for token in ["", &others.token("a"), &forms.token("b"), &forms.token("a")[1..]] {
            assert_eq!(forms.check("a", token, &headers), Err(Refused::Token), "{token}");
        }
    }
}
