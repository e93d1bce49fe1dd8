//! The frame that all pages share, and the HTTP responses made from pages.

use std::sync::Arc;

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse as _, Response},
};
use nix::unistd::gethostname;

use super::format::second;
use crate::http::{Source, forms::Forms};

/// The frame of a page.
pub(super) struct Frame {
    /// Name of this machine.
    pub(super) host: String,
    pub(super) version: &'static str,
    /// The page that is shown, for the navigation.
    pub(super) page: &'static str,
    /// Whether there is a fleet to show.
    pub(super) has_fleet: bool,
    /// Why the agent is not ready.
    pub(super) not_ready: Vec<String>,
    /// Time of the numbers.
    pub(super) at: String,
}

impl Frame {
    pub(super) fn of(source: &Source, page: &'static str) -> Self {
        let host = gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self {
            host,
            version: env!("CARGO_PKG_VERSION"),
            page,
            has_fleet: source.fleets.borrow().names().next().is_some(),
            not_ready: source.not_ready(),
            at: source.snapshot().map(|snapshot| second(snapshot.at)).unwrap_or_default(),
        }
    }
}

/// A page that says what is wrong.
#[derive(Template)]
#[template(path = "failure.html")]
struct Failure {
    frame: Frame,
    title: &'static str,
    text: String,
}

/// Renders a page.
pub(super) fn rendered(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// The answer for something that is not there.
pub(super) fn not_found(source: &Source, text: String) -> Response {
    let page = Failure { frame: Frame::of(source, ""), title: "Not found", text };
    (StatusCode::NOT_FOUND, rendered(&page)).into_response()
}

/// The answer to a request that is not carried out.
pub(super) fn refused(source: &Source, status: StatusCode, text: String) -> Response {
    let page = Failure { frame: Frame::of(source, ""), title: "Not done", text };
    (status, rendered(&page)).into_response()
}

/// Why a form is not looked at; `None` if it is. `closed` says so where there are no such forms.
pub(super) fn not_allowed(
    source: &Source,
    (forms, closed): (Option<&Arc<Forms>>, &str),
    (about, token): (&str, &str),
    headers: &HeaderMap,
) -> Option<Response> {
    let words = match forms.map(|forms| forms.check(about, token, headers)) {
        None => closed,
        Some(Ok(())) => return None,
        Some(Err(why)) => why.words(),
    };
    Some(refused(source, StatusCode::FORBIDDEN, words.to_owned()))
}

/// The answer while the database cannot be read.
pub(super) fn unavailable(source: &Source, error: &anyhow::Error) -> Response {
    let page =
        Failure { frame: Frame::of(source, ""), title: "Cannot be shown now", text: format!("{error:#}") };
    (StatusCode::SERVICE_UNAVAILABLE, rendered(&page)).into_response()
}
