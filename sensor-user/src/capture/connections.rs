//! The connections of a capture, reassembled and read.

use std::{collections::HashMap, mem, net::SocketAddr, path::Path};

use super::{
    file::{CaptureError, frames},
    segment::{Segment, TcpFields, segment},
};
use sensor_dissect::{
    Dissector, Facts, FingerprintKey, Framing, Problem, Sender, dcerpc, nbss,
    stream::{Checksum, Joined, Piece, Stream},
};

/// A connection of a capture.
#[derive(Debug)]
pub struct Recorded {
    /// Client.
    pub client: SocketAddr,
    /// Server.
    pub server: SocketAddr,
    /// Its facts.
    pub facts: Facts,
    /// Messages that could not be read to their end.
    pub problems: Vec<Problem>,
}

/// Most problems of one connection.
const MAX_PROBLEMS: usize = 32;

/// Reads the TCP connections of a capture that are SMB or DCE-RPC, in the order of their start. Handshakes distinguish
/// connections with the same ends.
///
/// # Errors
/// [`CaptureError`] if the file cannot be read.
pub fn connections(path: &Path, key: &FingerprintKey) -> Result<Vec<Recorded>, CaptureError> {
    let mut table = Table::default();
    frames(path, |frame| {
        if let Some(segment) = segment(&frame)
            && let Some(tcp) = segment.tcp
        {
            table.take(&segment, tcp, key);
        }
    })?;
    Ok(table.connections.into_iter().filter_map(Connection::end).collect())
}

/// Connections by their ends.
#[derive(Default)]
struct Table {
    connections: Vec<Connection>,
    /// The newest connection of two ends, lower address first.
    newest: HashMap<(SocketAddr, SocketAddr), usize>,
}

impl Table {
    fn take(&mut self, segment: &Segment<'_>, tcp: TcpFields, key: &FingerprintKey) {
        let (source, destination) = (segment.source, segment.destination);
        let ends = (source.min(destination), source.max(destination));
        let opens = tcp.syn && !tcp.ack;
        let known = self.newest.get(&ends).copied();
        let known = known.filter(|place| !opens || !self.connections[*place].is_another(tcp.sequence));
        let place = known.unwrap_or_else(|| {
            self.newest.insert(ends, self.connections.len());
            self.connections.push(Connection { ends, opened: None, client: None, said: None });
            self.connections.len() - 1
        });
        self.connections[place].take(segment, tcp, key);
    }
}

/// A connection, whether or not it is known to be of interest.
struct Connection {
    ends: (SocketAddr, SocketAddr),
    /// Sequence number of the SYN that opened it.
    opened: Option<u32>,
    client: Option<SocketAddr>,
    said: Option<Said>,
}

struct Said {
    dissector: Dissector,
    framing: Framing,
    /// Of the client, of the server.
    sides: [Stream; 2],
    /// Sides that sent payload.
    heard: [bool; 2],
    problems: Vec<Problem>,
}

impl Connection {
    /// Whether this SYN opens another connection between the same ends.
    fn is_another(&self, sequence: u32) -> bool {
        self.said.is_some() && self.opened != Some(sequence)
    }

    fn take(&mut self, segment: &Segment<'_>, tcp: TcpFields, key: &FingerprintKey) {
        if tcp.syn {
            let client = if tcp.ack { segment.destination } else { segment.source };
            self.client.get_or_insert(client);
            if !tcp.ack {
                self.opened = Some(tcp.sequence);
            }
            return;
        }
        if segment.payload.is_empty() {
            return;
        }
        if self.said.is_none() {
            let Some(framing) = framing(segment.payload) else { return };
            self.said = Some(Said {
                dissector: Dissector::new(key.clone(), framing),
                framing,
                sides: [Stream::new(framing), Stream::new(framing)],
                heard: [false; 2],
                problems: Vec::new(),
            });
        }
        let client = *self.client.get_or_insert_with(|| client(segment));
        let Some(said) = &mut self.said else { return };
        let from = if segment.source == client { Sender::Client } else { Sender::Server };
        let is_first = !mem::replace(&mut said.heard[from as usize], true);
        let starts_message = match said.framing {
            Framing::NetBios => nbss::begins(segment.payload) || is_first && nbss::may_begin(segment.payload),
            Framing::DceRpc => dcerpc::begins(segment.payload),
            // `framing` does not look for it.
            Framing::Http => false,
        };
        let joined = said.sides[from as usize].piece(Piece {
            sequence: tcp.sequence,
            bytes: segment.payload,
            missing: segment.missing,
            starts_message,
            chained: 0,
            checksum: Checksum::Unknown,
            last: false,
        });
        said.read(from, &joined);
    }

    fn end(mut self) -> Option<Recorded> {
        let mut said = self.said.take()?;
        for from in [Sender::Client, Sender::Server] {
            let joined = said.sides[from as usize].finish();
            said.read(from, &joined);
        }
        let client = self.client?;
        let server = if client == self.ends.0 { self.ends.1 } else { self.ends.0 };
        Some(Recorded { client, server, facts: said.dissector.facts().clone(), problems: said.problems })
    }
}

impl Said {
    fn read(&mut self, from: Sender, messages: &[Joined]) {
        for message in messages {
            let reading = self.dissector.message(from, &message.bytes);
            if let Some(problem) = reading.problem
                && self.problems.len() < MAX_PROBLEMS
            {
                self.problems.push(problem);
            }
        }
    }
}

/// The framing of a connection, by the first payload that begins with a message.
fn framing(payload: &[u8]) -> Option<Framing> {
    if nbss::begins(payload) || nbss::may_begin(payload) {
        Some(Framing::NetBios)
    } else if dcerpc::begins(payload) {
        Some(Framing::DceRpc)
    } else {
        None
    }
}

/// The client, if the handshake was not captured: by the reply flag of the message, otherwise the higher port.
fn client(segment: &Segment<'_>) -> SocketAddr {
    let reply = match segment.payload {
        // MS-CIFS 2.2.3.1, SMB_FLAGS_REPLY; MS-SMB2 2.2.1.2, SMB2_FLAGS_SERVER_TO_REDIR.
        [_, _, _, _, 0xFF, b'S', b'M', b'B', ..] => segment.payload.get(13).map(|flags| flags & 0x80 != 0),
        [_, _, _, _, 0xFE, b'S', b'M', b'B', ..] => segment.payload.get(20).map(|flags| flags & 1 != 0),
        payload => dcerpc::is_clients(payload).map(|clients| !clients),
    };
    let from_server = reply.unwrap_or(segment.source.port() < segment.destination.port());
    if from_server { segment.destination } else { segment.source }
}
