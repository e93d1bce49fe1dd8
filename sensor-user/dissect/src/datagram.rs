//! Reads one datagram. Its content shows the service, not its port: a packet of the name service has its name at byte 12, one of
//! the datagram service two bytes later or has none, and no packet has both.

use super::{
    Sender,
    facts::Datagrams,
    netbios_datagram::{self, DatagramKind},
    netbios_name,
};

/// The result of reading a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It belongs to the name or datagram service and adds something new.
    New,
    /// It belongs to one of them and adds nothing.
    Known,
    /// It belongs to neither, or too little of it is there.
    NotNetbios,
}

/// Reads a datagram of one side into the facts of the connection.
pub fn read(known: &mut Datagrams, from: Sender, bytes: &[u8]) -> Reading {
    let new = if let Ok(packet) = netbios_name::read(bytes) {
        known.add_name_packet(from, packet)
    } else if let Ok(message) = netbios_datagram::read(bytes) {
        known.add_message(from, message)
    } else {
        known.not_netbios = true;
        return Reading::NotNetbios;
    };
    if new { Reading::New } else { Reading::Known }
}

/// Whether a datagram is a response: the bit of a name service packet (RFC 1002 4.2.1.1), or an error of the datagram service
/// (4.4.3). `None` if the datagram does not say.
#[must_use]
pub fn is_response(bytes: &[u8]) -> Option<bool> {
    if let Ok(packet) = netbios_name::read(bytes) {
        return Some(packet.response);
    }
    match netbios_datagram::read(bytes).ok()?.kind {
        DatagramKind::Error(_) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
