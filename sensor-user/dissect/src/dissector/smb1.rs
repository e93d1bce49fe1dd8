//! SMB 1 messages of a dissector.

use super::{Dissector, Problem, Sender, authentication::SessionAnswer};
use crate::{
    facts::{Credential, Dialect, Method, New, Signing},
    ntlmssp::ResponseKind,
    smb1::{self, Authentication, Body, Message, NegotiateResponse, SessionSetupRequest},
    status::Status,
};

impl Dissector {
    pub(super) fn smb1(&mut self, from: Sender, bytes: &[u8]) -> Result<(), Problem> {
        let mut message = smb1::read(bytes, from)?;
        self.facts.smb1 = true;
        self.facts.signed |= message.signed;
        let commands = std::mem::take(&mut message.commands);
        let last = commands.len().saturating_sub(1);
        for (place, command) in commands.into_iter().enumerate() {
            // The status is that of the last command: the ones before it succeeded (MS-CIFS 3.3.5.3).
            let status = if place == last { message.status } else { Status::Nt(0) };
            self.smb1_command(from, &message, status, command);
        }
        message.broken.map_or(Ok(()), |error| Err(error.into()))
    }

    fn smb1_command(&mut self, from: Sender, message: &Message<'_>, status: Status, command: Body<'_>) {
        let exchange = u64::from(message.exchange);
        match command {
            Body::NegotiateRequest(dialects) => self.facts.client.smb1_dialects = dialects,
            Body::NegotiateResponse(response) => self.smb1_chosen(response),
            Body::SessionSetupRequest(request) => {
                self.session_asked(exchange);
                self.smb1_session(request, exchange);
            }
            Body::SessionSetupResponse(response) => {
                let guest = response.as_ref().is_some_and(|response| response.guest);
                if let Some(response) = response {
                    let result = self.blob(from, response.blob, None);
                    self.note(result);
                    let server = &mut self.facts.server;
                    server.native_os = response.native_os.or(server.native_os.take());
                    server.native_lan_manager =
                        response.native_lan_manager.or(server.native_lan_manager.take());
                }
                let session = message.user.into();
                let unique = false;
                self.session_answered(&SessionAnswer {
                    status,
                    guest,
                    anonymous: false,
                    session,
                    exchange,
                    unique,
                });
            }
            Body::Logoff => {
                if from == Sender::Client {
                    self.facts.logoffs = self.facts.logoffs.saturating_add(1);
                    self.report(New::Logoff);
                }
            }
            // In a chain with a session set-up, the share waits for an answer of its own.
            Body::TreeConnectRequest(path) => self.share_asked(path, share_exchange(exchange)),
            Body::TreeConnectResponse(response) => {
                let kind = response.and_then(|response| response.kind);
                let tree = response.and_then(|response| response.tree).unwrap_or(message.tree);
                self.share_answered(status, kind, tree.into(), (share_exchange(exchange), false));
            }
            Body::PipeData(data) => {
                let handle = data.file.map_or(0, u128::from);
                self.piped(from, message.tree.into(), handle, data.surely_pipe, data.bytes);
            }
            Body::PeekPipe(file) => self.peeked(message.tree.into(), file),
            other @ Body::Other(_) => self.opened |= other.may_open(),
        }
    }

    fn smb1_chosen(&mut self, response: NegotiateResponse<'_>) {
        let result = self.blob(Sender::Server, response.blob, None);
        self.note(result);
        self.wants_password = response.wants_password();
        // A server that speaks none of the dialects says nothing about signing.
        if response.dialect.is_some() {
            self.facts.signing = Some(Signing::from_mode(u16::from(response.security_mode) >> 2));
        }
        let server = &mut self.facts.server;
        server.target = response.domain.or(server.target.take());
        if response.server.is_some() {
            server.names.netbios_computer = response.server;
            self.report(New::ServerNames);
        }
        let offered = &self.facts.client.smb1_dialects;
        let name = response.dialect.and_then(|index| offered.get(usize::from(index)));
        if let Some(dialect) = name.cloned().map(Dialect::Smb1)
            && self.facts.dialect.as_ref() != Some(&dialect)
        {
            self.facts.dialect = Some(dialect);
            self.report(New::Dialect);
        }
    }

    fn smb1_session(&mut self, request: SessionSetupRequest<'_>, exchange: u64) {
        let client = &mut self.facts.client;
        client.native_os = request.native_os.or(client.native_os.take());
        client.native_lan_manager = request.native_lan_manager.or(client.native_lan_manager.take());
        match request.authentication {
            Authentication::Blob(blob) => {
                let result = self.blob(Sender::Client, blob, Some(exchange));
                self.note(result);
            }
            Authentication::Account { user, domain, kind, response } => {
                let method = match kind {
                    ResponseKind::V1 | ResponseKind::V2 if self.wants_password => Method::Password,
                    kind => Method::Ntlm(kind),
                };
                // With the key, a password can be guessed from its fingerprint. The byte of an anonymous client identifies nobody.
                let response =
                    response.filter(|_| matches!(method, Method::Ntlm(ResponseKind::V1 | ResponseKind::V2)));
                let credential = Credential {
                    method,
                    user,
                    domain,
                    workstation: None,
                    target: None,
                    fingerprint: response.map(|response| self.key.of(response)),
                    outcome: None,
                };
                self.credential(credential, Some(exchange));
            }
        }
    }
}

/// An identifier that differs from that of a session set-up in the same message; SMB 1 identifiers have 16 bits.
const fn share_exchange(exchange: u64) -> u64 {
    exchange | 1 << 63
}
