//! Facts from datagrams: names asked for, registered and answered (UDP 137), and messages to names (UDP 138).

use crate::{
    Sender,
    netbios_datagram::Datagram,
    netbios_name::{NBSTAT, NamePacket, NetbiosName, NodeName},
};

/// Most exchanges of the name service, and most messages, of one connection that are kept.
pub const MAX_DATAGRAMS: usize = 32;

/// Most names of nodes that answered, of one connection, that are kept.
const MAX_NODE_NAMES: usize = 64;

/// Facts from datagrams. None of them is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datagrams {
    /// Questions of the name service, each with its answer.
    pub exchanges: Vec<Exchange>,
    /// Messages of the datagram service, each with its sender.
    pub messages: Vec<(Sender, Datagram)>,
    /// Something other than NetBIOS arrived.
    pub not_netbios: bool,
    /// Facts that did not fit into their list.
    pub left_out: u32,
}

/// A question of the name service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Who asked.
    pub asked_by: Sender,
    /// Identifier that an answer shares with its question.
    pub transaction: u16,
    /// The kind of question.
    pub operation: Operation,
    /// The name that it is about.
    pub name: NetbiosName,
    /// The answer, once seen.
    pub answer: Option<Answer>,
}

/// The answer to a question of the name service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Result; 0 is success.
    pub code: u8,
    /// Names of the answering node, in a node status.
    pub names: Vec<NodeName>,
}

/// The operation of a name service packet (RFC 1002 4.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who has a name.
    Query,
    /// Which names a machine has.
    NodeStatus,
    /// A name is registered.
    Registration,
    /// A name is released.
    Release,
    /// A name is refreshed.
    Refresh,
    /// Not in RFC 1002.
    Other(u8),
}

impl Operation {
    const fn of(opcode: u8, record: u16) -> Self {
        match opcode {
            0 if record == NBSTAT => Self::NodeStatus,
            0 => Self::Query,
            // 15 is not in RFC 1002: Windows uses it to register a name with several addresses.
            5 | 15 => Self::Registration,
            6 => Self::Release,
            8 | 9 => Self::Refresh,
            other => Self::Other(other),
        }
    }
}

/// The opcode of a wait acknowledgement, after which another answer follows (RFC 1002 4.2.16).
const WAIT: u8 = 7;

impl Answer {
    /// Why the server refused, or `None` if it did not (RFC 1002 4.2.6, 4.2.11, 4.2.14).
    #[must_use]
    pub const fn refusal(&self) -> Option<&'static str> {
        Some(match self.code {
            0 => return None,
            1 => "format error",
            2 => "server failure",
            3 => "name does not exist",
            4 => "not implemented",
            5 => "refused",
            6 => "name is another's",
            7 => "name is in conflict",
            _ => "unknown error",
        })
    }

    /// The name of the answering machine: that of its file server or, without one, that of its workstation.
    #[must_use]
    pub fn computer(&self) -> Option<&str> {
        self.named(0x20, false).or_else(|| self.named(0x00, false))
    }

    /// The workgroup or domain of that machine.
    #[must_use]
    pub fn workgroup(&self) -> Option<&str> {
        self.named(0x00, true)
    }

    fn named(&self, suffix: u8, group: bool) -> Option<&str> {
        let name = self.names.iter().find(|one| one.name.suffix == suffix && one.group == group)?;
        Some(name.name.name.as_str()).filter(|name| !name.is_empty())
    }
}

impl Datagrams {
    /// Adds a packet of the name service; returns whether it adds a fact.
    pub(crate) fn add_name_packet(&mut self, from: Sender, packet: NamePacket) -> bool {
        if packet.response && packet.opcode == WAIT {
            return false;
        }
        let asked_by = if packet.response { from.peer() } else { from };
        let mut names = packet.names;
        let left_out = names.len().saturating_sub(self.names_left());
        names.truncate(names.len() - left_out);
        let answer = packet.response.then_some(Answer { code: packet.rcode, names });
        // A refusal need not repeat the requested record (RFC 1002 4.2.14), but it repeats the identifier and the name.
        let known = self.exchanges.iter_mut().find(|known| {
            known.asked_by == asked_by && known.transaction == packet.transaction && known.name == packet.name
        });
        if let Some(known) = known {
            let new = known.answer.is_none() && answer.is_some();
            if new {
                known.answer = answer;
                self.leave_out(left_out);
            }
            return new;
        }
        let exchange = Exchange {
            asked_by,
            transaction: packet.transaction,
            operation: Operation::of(packet.opcode, packet.record),
            name: packet.name,
            answer,
        };
        let fits = self.exchanges.len() < MAX_DATAGRAMS;
        self.leave_out(if fits { left_out } else { 0 });
        self.keep(fits, |datagrams| datagrams.exchanges.push(exchange))
    }

    /// Adds a message of the datagram service; returns whether it adds a fact.
    pub(crate) fn add_message(&mut self, from: Sender, message: Datagram) -> bool {
        let message = (from, message);
        if self.messages.contains(&message) {
            return false;
        }
        let fits = self.messages.len() < MAX_DATAGRAMS;
        self.keep(fits, |datagrams| datagrams.messages.push(message))
    }

    fn keep(&mut self, fits: bool, add: impl FnOnce(&mut Self)) -> bool {
        if fits {
            add(self);
        } else {
            self.leave_out(1);
        }
        fits
    }

    fn leave_out(&mut self, facts: usize) {
        self.left_out = self.left_out.saturating_add(u32::try_from(facts).unwrap_or(u32::MAX));
    }

    fn names_left(&self) -> usize {
        let known: usize =
            self.exchanges.iter().filter_map(|one| one.answer.as_ref()).map(|it| it.names.len()).sum();
        MAX_NODE_NAMES.saturating_sub(known)
    }

    /// Swaps client and server, after they were mistaken for each other.
    pub fn swap_roles(&mut self) {
        for exchange in &mut self.exchanges {
            exchange.asked_by = exchange.asked_by.peer();
        }
        for (sender, _) in &mut self.messages {
            *sender = sender.peer();
        }
    }
}
