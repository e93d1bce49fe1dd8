//! Syslog (RFC 5424) over UDP (RFC 5426), TCP with counted octets (RFC 6587) or TLS (RFC 5425).
//!
//! Syslog has no acknowledgement. Over TCP and TLS documents count as delivered when the server's machine has acknowledged
//! their bytes and the connection is still open; otherwise they are sent again.

mod cef;
mod message;

use std::{
    io::{self, Write as _},
    sync::Arc,
};

pub use self::message::Body;
use self::message::{Header, hostname};
use super::{
    Delivery, Failure, Sink,
    connection::{Carrier, Connection},
    tls::{self, TlsError, TlsOptions},
};
use crate::storage::DocumentRow;

/// Most documents that are sent before their acknowledgement.
const MAX_UNACKNOWLEDGED: usize = 64;

/// Options of syslog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogOptions {
    /// `HOST:PORT`.
    pub server: String,
    /// How messages are carried.
    pub transport: Transport,
    /// The form of the text.
    pub body: Body,
    /// Facility, 0 to 23.
    pub facility: u8,
}

/// How messages are carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls(TlsOptions),
}

/// Sends documents to a syslog server.
pub struct Syslog {
    server: String,
    carrier: Carrier,
    body: Body,
    header: Header,
    connection: Option<Connection>,
}

impl Syslog {
    /// Prepares the sink. It connects when there is something to send.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn new(options: &SyslogOptions) -> Result<Self, TlsError> {
        let name = nix::unistd::gethostname().unwrap_or_default();
        let header = Header {
            facility: options.facility,
            hostname: hostname(&name.to_string_lossy()),
            process: std::process::id(),
        };
        Ok(Self {
            server: options.server.clone(),
            carrier: carrier(&options.transport)?,
            body: options.body,
            header,
            connection: None,
        })
    }

    fn open(&mut self) -> io::Result<&mut Connection> {
        let open = self.connection.take().and_then(|mut one| (!one.is_closed()).then_some(one));
        let connection = match open {
            Some(connection) => connection,
            None => Connection::open(&self.carrier, &self.server)?,
        };
        Ok(self.connection.insert(connection))
    }

    fn send(&mut self, documents: &[DocumentRow]) -> io::Result<Delivery> {
        let messages: Vec<String> =
            documents.iter().map(|document| self.header.message(document, self.body)).collect();
        let connection = self.open()?;
        let mut delivery = Delivery::default();
        match connection {
            Connection::Udp(socket) => {
                for message in messages {
                    match socket.send(message.as_bytes()) {
                        Ok(_) => {}
                        Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                            let reason = format!("{} bytes do not fit into a datagram", message.len());
                            delivery.refused.push((delivery.settled, reason));
                        }
                        Err(error) => {
                            delivery.failure = Some(Failure::of(error));
                            break;
                        }
                    }
                    delivery.settled += 1;
                }
            }
            Connection::Stream(stream, _) => {
                for message in &messages {
                    stream.write_all(format!("{} {message}", message.len()).as_bytes())?;
                }
                connection.settle()?;
                delivery.settled = documents.len();
            }
        }
        Ok(delivery)
    }
}

impl Sink for Syslog {
    fn deliver(&mut self, documents: &[DocumentRow]) -> Delivery {
        let documents = &documents[..documents.len().min(MAX_UNACKNOWLEDGED)];
        self.send(documents).unwrap_or_else(|error| {
            // Part of a message may be written: a new connection begins with a whole one.
            self.connection = None;
            Delivery {
                failure: Some(Failure::of(format!("{}: {error}", self.server))),
                ..Delivery::default()
            }
        })
    }
}

fn carrier(transport: &Transport) -> Result<Carrier, TlsError> {
    Ok(match transport {
        Transport::Udp => Carrier::Udp,
        Transport::Tcp => Carrier::Tcp,
        Transport::Tls(options) => Carrier::Tls(Arc::new(tls::client(options)?)),
    })
}

/// Connects to the server and sends nothing; says what was found.
///
/// # Errors
/// What is missing.
pub(super) fn probe(options: &SyslogOptions) -> Result<String, String> {
    let server = &options.server;
    let carrier = carrier(&options.transport).map_err(|error| error.to_string())?;
    Connection::open(&carrier, server).map_err(|error| format!("{server} cannot be reached: {error}"))?;
    Ok(match options.transport {
        Transport::Udp => format!("{server} has an address; UDP does not say whether anybody listens"),
        Transport::Tcp => format!("{server} accepts connections"),
        Transport::Tls(_) => format!("{server} accepts connections, and its certificate is valid"),
    })
}

#[cfg(test)]
mod tests;
