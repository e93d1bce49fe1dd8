//! The compared facts.

use std::collections::{BTreeMap, BTreeSet};

/// A kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fact {
    /// Dialect that the server chose.
    Dialect,
    /// Domain, user and workstation of an authentication.
    Account,
    /// Name that the server's challenge is for.
    ServerName,
    /// Name in the server's challenge.
    Share,
    /// NT_STATUS of a session set-up.
    SessionStatus,
    /// Realm and service of a Kerberos ticket.
    Ticket,
    /// DCE-RPC interface that was bound.
    Interface,
    /// Number of a DCE-RPC operation that was called.
    Operation,
    /// Operation of the NetBIOS name service, and its name.
    NetbiosName,
    /// Its result.
    NetbiosResult,
    /// Name in a NetBIOS node status.
    NodeName,
    /// NetBIOS datagram: kind, names and mailslot.
    Datagram,
}

impl Fact {
    /// All, in the order of the table's columns.
    pub(crate) const ALL: [Self; 12] = [
        Self::Dialect,
        Self::Account,
        Self::Ticket,
        Self::ServerName,
        Self::Share,
        Self::SessionStatus,
        Self::Interface,
        Self::Operation,
        Self::NetbiosName,
        Self::NetbiosResult,
        Self::NodeName,
        Self::Datagram,
    ];

    /// Heading of its column.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dialect => "dialect",
            Self::Account => "account",
            Self::ServerName => "server name",
            Self::Share => "share",
            Self::SessionStatus => "session status",
            Self::Ticket => "ticket",
            Self::Interface => "interface",
            Self::Operation => "operation",
            Self::NetbiosName => "NetBIOS name",
            Self::NetbiosResult => "name result",
            Self::NodeName => "node name",
            Self::Datagram => "datagram",
        }
    }
}

/// Values of facts of each connection, which is known by its two ends.
pub(crate) type Seen = BTreeMap<(String, Fact), BTreeSet<String>>;

/// A connection by its ends, in either direction.
pub(crate) fn ends(one: String, other: String) -> String {
    if one < other { format!("{one} – {other}") } else { format!("{other} – {one}") }
}

/// The form in which tickets are compared.
pub(crate) fn ticket(realm: &str, service: &str) -> String {
    format!("{service}@{realm}")
}

/// The form in which accounts are compared: letters unchanged, missing parts empty.
pub(crate) fn account(domain: &str, user: &str, workstation: &str) -> String {
    format!("{domain}\\{user} from {workstation}")
}
