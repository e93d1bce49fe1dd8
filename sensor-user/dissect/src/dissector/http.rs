//! HTTP of WebDAV clients: evidence of WebDAV, and log-ons.

use std::collections::VecDeque;

use super::{Dissector, Problem, Sender, authentication::SessionAnswer};
use crate::{
    facts::New,
    http::{self, Message},
    security::{self, Blob},
    status::Status,
};

/// A connection has one request under way at a time (RFC 4559 6), so each exchange has the same identifier.
const EXCHANGE: u64 = 0;

/// Requests that are remembered while they wait for an answer.
const MAX_ASKED: usize = 32;

/// What a request asked for, as far as its answer may show that WebDAV is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// What a collection holds.
    Listing {
        /// It came with something by which the client may be logged on.
        has_credentials: bool,
    },
    /// What the server can do; not by a page in a browser.
    Options,
    /// Something else.
    Other,
}

/// Requests that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Requests {
    waiting: u32,
    /// An answer came last. The next request follows all answers: whatever waits yet was answered unseen.
    answered: bool,
    /// The first ones that wait, in their order.
    asked: VecDeque<Asked>,
}

impl Requests {
    fn push(&mut self, asked: Asked) {
        if std::mem::take(&mut self.answered) {
            self.waiting = 0;
            self.asked.clear();
        }
        self.waiting = self.waiting.saturating_add(1);
        // One that is not remembered waits behind those that are: its answer shows nothing.
        if self.asked.len() < MAX_ASKED {
            self.asked.push_back(asked);
        }
    }

    /// An answer came. Gives what it answers, and whether that is the last request.
    fn pop(&mut self) -> (Option<Asked>, bool) {
        let is_last = self.waiting <= 1;
        self.waiting = self.waiting.saturating_sub(1);
        self.answered = true;
        (self.asked.pop_front(), is_last)
    }
}

impl Dissector {
    /// Whether a request waits whose answer may show that WebDAV is served.
    #[must_use]
    pub fn awaits_http(&self) -> bool {
        self.http_requests.asked.iter().any(|asked| *asked != Asked::Other)
    }

    /// Reads the head of a message. What an end sends that is not its own to send is passed over: a client could answer itself.
    pub(super) fn http(&mut self, from: Sender, bytes: &[u8]) -> Result<(), Problem> {
        match (from, http::read(bytes)?) {
            (
                Sender::Client,
                Message::Request { method, user_agent, token, has_credentials, is_cross_origin },
            ) => {
                self.http_requests.push(match method.as_str() {
                    "PROPFIND" => Asked::Listing { has_credentials },
                    "OPTIONS" if !is_cross_origin => Asked::Options,
                    _ => Asked::Other,
                });
                let known = self.facts.webdav.clone();
                let webdav = &mut self.facts.webdav;
                if http::is_webdav_method(&method) {
                    webdav.evidence.method = true;
                    webdav.method.get_or_insert(method);
                }
                webdav.evidence.redirector |= user_agent.as_deref().is_some_and(http::is_redirector);
                webdav.evidence.token |= token.as_deref().is_some_and(is_logon);
                webdav.user_agent = webdav.user_agent.take().or(user_agent);
                if *webdav != known && webdav.evidence.any() {
                    self.report(New::WebDav);
                }
                self.session_asked(EXCHANGE);
                token.map_or(Ok(()), |token| self.blob(Sender::Client, &token, Some(EXCHANGE)))
            }
            (Sender::Server, Message::Response { status, tokens, has_challenge, offers_webdav }) => {
                self.response(status, &tokens, (has_challenge, offers_webdav))
            }
            (Sender::Client, Message::Response { .. }) | (Sender::Server, Message::Request { .. }) => Ok(()),
        }
    }

    /// After a log-on, 401 refuses it and 2xx accepts it (RFC 4559 5). Other answers are about the request.
    fn response(
        &mut self,
        status: u16,
        tokens: &[Vec<u8>],
        (has_challenge, offers_webdav): (bool, bool),
    ) -> Result<(), Problem> {
        let evidence = &mut self.facts.webdav.evidence;
        if !std::mem::replace(&mut evidence.answered, true) && evidence.any() {
            self.report(New::WebDav);
        }
        if matches!(status, 100..200) {
            return Ok(());
        }
        let (asked, is_last) = self.http_requests.pop();
        self.note_served(asked, status, (has_challenge, offers_webdav));
        // Of requests that were sent together, the last one holds the log-on, if any does.
        if is_last && self.pending.get(&EXCHANGE).is_some() {
            if matches!(status, 200..300 | 401) {
                self.session_answered(&SessionAnswer {
                    status: Status::Http(status),
                    guest: false,
                    anonymous: false,
                    session: 0,
                    exchange: EXCHANGE,
                    unique: false,
                });
            }
            self.pending.remove(&EXCHANGE);
        }
        for token in tokens {
            if !self.facts.webdav.evidence.token && is_logon(token) {
                self.facts.webdav.evidence.token = true;
                self.report(New::WebDav);
            }
            self.blob(Sender::Server, token, None)?;
        }
        Ok(())
    }

    /// Notes what an answer shows of the server: that it lists what it holds (207, RFC 4918 9.1), says that it serves WebDAV, or would
    /// list something after a log-on. Any web server may refuse such a request in another way.
    fn note_served(
        &mut self,
        asked: Option<Asked>,
        status: u16,
        (has_challenge, offers_webdav): (bool, bool),
    ) {
        const UNAUTHORIZED: u16 = 401;
        const MULTI_STATUS: u16 = 207;
        let evidence = &mut self.facts.webdav.evidence;
        let before = *evidence;
        match asked {
            Some(Asked::Listing { has_credentials }) => {
                let is_listed = status == MULTI_STATUS;
                evidence.served |= is_listed || offers_webdav || status == UNAUTHORIZED && has_challenge;
                // A log-on by NTLM is one of the connection: later requests come without it.
                evidence.anonymous |= is_listed && !has_credentials && !evidence.token;
            }
            Some(Asked::Options) => evidence.served |= offers_webdav,
            Some(Asked::Other) | None => {}
        }
        if *evidence != before {
            self.report(New::WebDav);
        }
    }
}

/// Whether a token is one of NTLM or Kerberos.
fn is_logon(token: &[u8]) -> bool {
    security::read(token).is_ok_and(|blob| !matches!(blob, Blob::Empty))
}

#[cfg(test)]
mod tests;
