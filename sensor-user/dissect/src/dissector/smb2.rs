//! SMB 2 and 3 messages of a dissector.

use super::{Dissector, Problem, Sender, authentication::SessionAnswer};
use crate::{
    facts::{Dialect, New, Signing},
    smb2::{self, Body, Message, NegotiateRequest, NegotiateResponse},
};

/// Asks for another NEGOTIATE (MS-SMB2 2.2.4): no dialect yet.
const WILDCARD: u16 = 0x02FF;

impl Dissector {
    pub(super) fn smb2(&mut self, from: Sender, bytes: &[u8]) -> Result<(), Problem> {
        Ok(smb2::read(bytes, from, |message| {
            self.facts.smb2 = true;
            self.smb2_message(from, message);
        })?)
    }

    fn smb2_message(&mut self, from: Sender, message: Message<'_>) {
        self.facts.signed |= message.signed;
        let exchange = message.message;
        match message.body {
            Body::NegotiateRequest(request) => self.smb2_offered(request),
            Body::NegotiateResponse(response) => self.smb2_chosen(response),
            Body::SessionSetupRequest(request) => {
                self.session_asked(exchange);
                let result = self.blob(from, request.blob, Some(exchange));
                self.note(result);
            }
            Body::SessionSetupResponse(response) => {
                if let Some(response) = response {
                    let result = self.blob(from, response.blob, None);
                    self.note(result);
                    if response.flags.encrypted() && message.status.is_success() {
                        self.encrypted();
                    }
                }
                let guest = response.is_some_and(|response| response.flags.guest());
                let anonymous = response.is_some_and(|response| response.flags.anonymous());
                self.session_answered(&SessionAnswer {
                    status: message.status,
                    guest,
                    anonymous,
                    session: message.session,
                    exchange,
                    unique: true,
                });
            }
            Body::Logoff => {
                if from == Sender::Client {
                    self.facts.logoffs = self.facts.logoffs.saturating_add(1);
                    self.report(New::Logoff);
                }
            }
            Body::TreeConnectRequest(path) => self.share_asked(path, exchange),
            Body::TreeConnectResponse(kind) => {
                self.share_answered(message.status, kind, message.tree, (exchange, true));
            }
            Body::PipeData(data) => {
                let handle = data.file.unwrap_or_default();
                self.piped(from, message.tree, handle, data.surely_pipe, data.bytes);
            }
            Body::Other(_) => {}
        }
    }

    fn smb2_offered(&mut self, request: NegotiateRequest) {
        let client = &mut self.facts.client;
        client.dialects = request.dialects;
        client.signing = Some(Signing::from_mode(request.security_mode));
        client.capabilities = request.capabilities;
        client.guid = Some(request.client).filter(|guid| !guid.is_nil());
        client.contexts = request.contexts;
    }

    fn smb2_chosen(&mut self, response: NegotiateResponse<'_>) {
        let server = &mut self.facts.server;
        server.guid = Some(response.server).filter(|guid| !guid.is_nil());
        server.contexts = response.contexts;
        self.facts.signing = Some(Signing::from_mode(response.security_mode));
        let result = self.blob(Sender::Server, response.blob, None);
        self.note(result);
        let dialect = Dialect::Smb2(response.dialect);
        if response.dialect != WILDCARD && self.facts.dialect.as_ref() != Some(&dialect) {
            self.facts.dialect = Some(dialect);
            self.report(New::Dialect);
        }
    }
}
