//! One datagram to what it says. Which service it is of shows in it, whatever its port: the name service has its name at
//! byte 12, the datagram service two bytes later or none, and no packet has both.

use super::{Sender, facts::Datagrams, netbios_datagram, netbios_name};

/// What came of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is of the name or datagram service, and says something new.
    News,
    /// It is of one of them, and was known.
    Known,
    /// It is of neither, or too little of it is there.
    Foreign,
}

/// Reads a datagram of one side into what is known of the conversation.
pub fn hear(known: &mut Datagrams, from: Sender, bytes: &[u8]) -> Heard {
    let new = if let Ok(packet) = netbios_name::read(bytes) {
        known.add_name_packet(from, packet)
    } else if let Ok(message) = netbios_datagram::read(bytes) {
        known.add_message(from, message)
    } else {
        known.foreign = true;
        return Heard::Foreign;
    };
    if new { Heard::News } else { Heard::Known }
}

#[cfg(test)]
pub(crate) mod tests;
