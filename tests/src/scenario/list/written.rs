//! Sessions as scenarios write them into captures.

use std::net::SocketAddrV4;

use super::super::smb2::{Dialogue, Exchange, Status};
use super::super::wire::{Connection, Tape};
use super::Ends;

/// A connection with the dialogue on it.
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) dialogue: Dialogue,
    share: String,
}

impl Session {
    /// A silent connection from that port.
    pub(super) fn connected(tape: &mut Tape, ends: Ends, port: u16) -> Self {
        Self::on(Connection::open(tape, client(ends, port), server(ends)), ends)
    }

    /// A dialogue on that connection.
    pub(super) fn on(connection: Connection, ends: Ends) -> Self {
        Self { connection, dialogue: Dialogue::default(), share: format!(r"\\{}\files", ends.server) }
    }

    /// A session of that user, on a disk share.
    pub(super) fn open(tape: &mut Tape, ends: Ends, port: u16, user: &str) -> Self {
        let mut session = Self::connected(tape, ends, port);
        session.begin(tape, user);
        session
    }

    /// Logs on and connects to the share.
    pub(super) fn begin(&mut self, tape: &mut Tape, user: &str) {
        self.negotiate(tape);
        let authenticate = self.dialogue.authenticate(user, Status::Success);
        self.say(tape, authenticate);
        self.connect_share(tape);
    }

    /// Up to the challenge.
    pub(super) fn negotiate(&mut self, tape: &mut Tape) {
        let exchanges = [self.dialogue.negotiate(), self.dialogue.challenge()];
        exchanges.into_iter().for_each(|exchange| self.say(tape, exchange));
    }

    pub(super) fn connect_share(&mut self, tape: &mut Tape) {
        let exchange = self.dialogue.tree_connect(&self.share);
        self.say(tape, exchange);
    }

    /// A request and its response.
    pub(super) fn say(&mut self, tape: &mut Tape, (request, reply): Exchange) {
        self.connection.request(tape, &request);
        self.connection.reply(tape, &reply);
    }
}

pub(super) fn client(ends: Ends, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(ends.client, port)
}

pub(super) fn server(ends: Ends) -> SocketAddrV4 {
    SocketAddrV4::new(ends.server, 445)
}
