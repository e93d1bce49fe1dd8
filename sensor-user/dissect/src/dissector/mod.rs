//! From the messages of one connection to facts, one message at a time.
//!
//! Takes the messages of both sides, roughly in the order they were sent, as far as they were captured, and reports the facts
//! that each one adds. A connection may be joined late, lack messages or lack a whole side: the facts are then fewer, never
//! wrong. A claim in a message counts only from the side that may make it.

mod answers;
mod authentication;
mod bounded_map;
mod exploit;
mod http;
mod rpc;
mod smb1;
mod smb2;

use thiserror::Error;

use self::{
    answers::{Answered, Early},
    bounded_map::BoundedMap,
    http::Requests,
};
use super::{
    Framing, Sender,
    dcerpc::RpcError,
    facts::{Facts, New},
    fingerprint::FingerprintKey,
    http::HttpError,
    nbss::{self, NbssError, Packet},
    security::BlobError,
    smb1::Smb1Error,
    smb2::{Hidden, ShareKind, Smb2Error, hidden},
};

/// Why a message, or its rest, was not read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Problem {
    /// Its framing.
    #[error(transparent)]
    Nbss(#[from] NbssError),
    /// SMB 1.
    #[error(transparent)]
    Smb1(#[from] Smb1Error),
    /// SMB 2 or 3.
    #[error(transparent)]
    Smb2(#[from] Smb2Error),
    /// Its security blob.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// DCE-RPC.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The client sent a response, or the server a request.
    #[error("the message is one of the other side")]
    Direction,
    /// None of the protocols.
    #[error("the message is of an unknown protocol")]
    Protocol,
}

impl Problem {
    /// Whether more was in the message than was read: commands of a chain or compound behind a place that cannot be followed, or a
    /// head of HTTP.
    #[must_use]
    pub const fn leaves_rest(self) -> bool {
        matches!(
            self,
            Self::Http(_)
                | Self::Smb1(Smb1Error::Chain(_) | Smb1Error::TooMany)
                | Self::Smb2(Smb2Error::NextCommand(_) | Smb2Error::TooMany)
        )
    }
}

/// The result of reading a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// New facts.
    pub new: Vec<New>,
    /// Why it was not read to its end, if it was not.
    pub problem: Option<Problem>,
}

/// What a pending request is about.
#[derive(Clone, Copy, Debug)]
enum Pending {
    /// A credential, by its index.
    Credential(usize),
    /// A credential that did not fit into the list.
    UnlistedCredential {
        /// An authentication that proves nothing.
        anonymous: bool,
    },
    /// A share, by its index.
    Share(usize),
}

/// Reads the messages of one connection.
#[derive(Debug)]
pub struct Dissector {
    key: FingerprintKey,
    framing: Framing,
    facts: Facts,
    /// Unanswered requests, by the identifier that they share with their response.
    pending: BoundedMap<u64, Pending>,
    /// Requests that were answered, by the same identifier.
    answered: BoundedMap<u64, Answered>,
    /// Answers that came before their request.
    early: BoundedMap<u64, Early>,
    /// Requests of HTTP that wait for an answer.
    http_requests: Requests,
    /// Credentials whose exchange continues, by session.
    undecided: BoundedMap<u64, usize>,
    /// Who asked a KDC for a ticket by way of the server.
    proxied_user: Option<String>,
    /// The SMB 1 server wants the password instead of a response.
    wants_password: bool,
    /// An SMB 1 client asked to open a file or pipe.
    opened: bool,
    /// The kinds of the trees.
    trees: BoundedMap<u32, ShareKind>,
    /// Presentation contexts, by handle and number: indexes of interfaces. [`RELATED_FILE`](crate::smb2::RELATED_FILE) stands
    /// for a handle that the same compound opens.
    contexts: BoundedMap<(u128, u16), usize>,
    /// Segments of the connection had different bytes at the same place: a message may come twice, in two readings.
    contradicted: bool,
    reading: Reading,
}

/// Most requests, trees and contexts (each) that are remembered.
const MAX_REMEMBERED: usize = 64;

impl Dissector {
    /// A dissector of a connection without facts.
    #[must_use]
    pub fn new(key: FingerprintKey, framing: Framing) -> Self {
        Self {
            key,
            framing,
            facts: Facts::default(),
            pending: BoundedMap::new(MAX_REMEMBERED),
            answered: BoundedMap::new(MAX_REMEMBERED),
            early: BoundedMap::new(MAX_REMEMBERED),
            http_requests: Requests::default(),
            undecided: BoundedMap::new(MAX_REMEMBERED),
            proxied_user: None,
            wants_password: false,
            opened: false,
            trees: BoundedMap::new(MAX_REMEMBERED),
            contexts: BoundedMap::new(MAX_REMEMBERED),
            contradicted: false,
            reading: Reading::default(),
        }
    }

    /// A dissector that continues with the facts of an earlier one.
    #[must_use]
    pub fn resume(key: FingerprintKey, framing: Framing, facts: Facts) -> Self {
        Self { facts, ..Self::new(key, framing) }
    }

    /// Notes that segments of the connection had different bytes at the same place.
    pub const fn contradict(&mut self) {
        self.contradicted = true;
    }

    /// The facts so far.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Reads one message with its framing, or the beginning of one, and returns what it adds.
    pub fn message(&mut self, from: Sender, bytes: &[u8]) -> Reading {
        let left_out = self.facts.left_out;
        let result = match self.framing {
            Framing::NetBios => self.packet(from, bytes),
            Framing::DceRpc => self.rpc(from, 0, bytes),
            Framing::Http => self.http(from, bytes),
        };
        if self.facts.left_out > left_out {
            self.report(New::LeftOut);
        }
        let mut reading = std::mem::take(&mut self.reading);
        reading.problem = reading.problem.or(result.err());
        reading
    }

    fn packet(&mut self, from: Sender, bytes: &[u8]) -> Result<(), Problem> {
        match nbss::read(bytes)? {
            Packet::Message { bytes, .. } => self.smb(from, bytes),
            Packet::Request { called, calling } => {
                if from == Sender::Client {
                    self.facts.netbios.get_or_insert((called, calling));
                }
                Ok(())
            }
            Packet::Accepted | Packet::Refused(_) | Packet::Retarget | Packet::KeepAlive => Ok(()),
        }
    }

    fn smb(&mut self, from: Sender, bytes: &[u8]) -> Result<(), Problem> {
        let spoken = self.facts.smb_spoken();
        let result = match bytes {
            [0xFF, b'S', b'M', b'B', ..] => self.smb1(from, bytes),
            [0xFE, b'S', b'M', b'B', ..] => self.smb2(from, bytes),
            [0xFD | 0xFC, b'S', b'M', b'B', ..] => self.hidden(from, bytes),
            _ => Err(Problem::Protocol),
        };
        if !spoken && self.facts.smb_spoken() {
            self.reading.new.insert(0, New::Smb);
        }
        result
    }

    fn hidden(&mut self, from: Sender, bytes: &[u8]) -> Result<(), Problem> {
        match hidden(bytes)? {
            Hidden::Encrypted => self.encrypted(),
            Hidden::Compressed => {
                self.compressed(from, bytes);
                if !self.facts.compressed {
                    self.facts.compressed = true;
                    self.report(New::Compressed);
                }
            }
        }
        Ok(())
    }

    fn encrypted(&mut self) {
        if !self.facts.encrypted {
            self.facts.encrypted = true;
            self.report(New::Encrypted);
        }
    }

    fn report(&mut self, new: New) {
        self.reading.new.push(new);
    }

    /// Notes that a part of the message could not be read, and continues.
    fn note(&mut self, result: Result<(), impl Into<Problem>>) {
        if let Err(problem) = result {
            self.reading.problem.get_or_insert(problem.into());
        }
    }
}
