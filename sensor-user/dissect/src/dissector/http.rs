//! HTTP of WebDAV clients: evidence of WebDAV, and log-ons.

use super::{Dissector, Problem, Sender, authentication::SessionAnswer};
use crate::{
    facts::New,
    http::{self, Message},
    security::{self, Blob},
    status::Status,
};

/// A connection has one request under way at a time (RFC 4559 6), so each exchange has the same identifier.
const EXCHANGE: u64 = 0;

impl Dissector {
    /// Reads the head of a message.
    pub(super) fn http(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        match http::read(bytes)? {
            Message::Request { method, user_agent, token } => {
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
                let (waiting, answered) = self.http_waiting;
                self.http_waiting = (if answered { 1 } else { waiting.saturating_add(1) }, false);
                self.session_asked(EXCHANGE);
                token.map_or(Ok(()), |token| self.blob(Sender::Client, &token, Some(EXCHANGE)))
            }
            Message::Response { status, tokens } => self.response(status, &tokens),
        }
    }

    /// After a log-on, 401 refuses it and 2xx accepts it (RFC 4559 5). Other answers are about the request.
    fn response(&mut self, status: u16, tokens: &[Vec<u8>]) -> Result<(), Problem> {
        let evidence = &mut self.facts.webdav.evidence;
        if !std::mem::replace(&mut evidence.answered, true) && evidence.any() {
            self.report(New::WebDav);
        }
        if matches!(status, 100..200) {
            return Ok(());
        }
        // Of requests that were sent together, the last one holds the log-on, if any does.
        let (waiting, _) = self.http_waiting;
        self.http_waiting = (waiting.saturating_sub(1), true);
        if waiting <= 1 && self.pending.get(&EXCHANGE).is_some() {
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
}

/// Whether a token is one of NTLM or Kerberos.
fn is_logon(token: &[u8]) -> bool {
    security::read(token).is_ok_and(|blob| !matches!(blob, Blob::Empty))
}

#[cfg(test)]
mod tests;
