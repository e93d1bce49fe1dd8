//! The parts of an incident: hosts, users, shares, findings, connections, the course of events, sums.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use sensor_dissect::facts::Outcome;
use serde::{Deserialize, Serialize};

use crate::{
    asset::Asset,
    enrichment::Enrichment,
    level::{EvidenceLevel, Severity},
    time::Timestamp,
};

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One internal and one external host.
    Pair,
    /// One client and the servers that it tried, none of which it spoke SMB with here.
    Client,
    /// One internal server whose port answered strangers.
    Exposure,
    /// One connection, as the published profiles count.
    Connection,
}

/// One side of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Addresses: the first ones, in the order in which they appeared. One, unless the incident is about many.
    pub addresses: Vec<IpAddr>,
    /// How many addresses there are in all, at least.
    pub count: u64,
    /// There were more than could be counted.
    pub at_least: bool,
    /// The smallest network with all addresses that were counted, where there are several of one family.
    #[serde(default)]
    pub network: Option<IpNet>,
    /// The name that it gives itself: workstation, NetBIOS or DNS computer name.
    pub name: Option<String>,
    /// What the inventory says of it, where it is one own host.
    #[serde(default)]
    pub asset: Option<Asset>,
    /// What is known of it from elsewhere, where it is one host.
    #[serde(default)]
    pub enrichment: Enrichment,
}

/// What proves a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialMethod {
    /// No user at all.
    Anonymous,
    /// NTLM version 1.
    Ntlmv1,
    /// NTLM version 2.
    Ntlmv2,
    /// LM or another form of NTLM response.
    NtlmOther,
    /// Kerberos.
    Kerberos,
    /// The password itself.
    Password,
}

/// How the server answered a log-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogonOutcome {
    /// Accepted.
    Accepted,
    /// Accepted as guest, whoever it was.
    AcceptedAsGuest,
    /// Refused.
    Refused,
}

impl From<Outcome> for LogonOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::AcceptedAsGuest => Self::AcceptedAsGuest,
            Outcome::Refused(_) => Self::Refused,
        }
    }
}

/// A user who authenticated, with all that came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// By what.
    pub method: CredentialMethod,
    /// User; Kerberos does not show it.
    pub user: Option<String>,
    /// Domain of the user, or realm of the ticket.
    pub domain: Option<String>,
    /// Workstation that the client says it is.
    pub workstation: Option<String>,
    /// Service that the client believed to talk to.
    pub target: Option<String>,
    /// Keyed fingerprints of the responses, the first few, hexadecimal.
    pub fingerprints: Vec<String>,
    /// The outcome of the last attempt that had one; an accepted one is never replaced by a refused one.
    pub outcome: Option<LogonOutcome>,
    /// NT_STATUS of the last refusal.
    pub status: Option<u32>,
    /// Attempts.
    pub attempts: u64,
    /// When it was first sent.
    pub first: Timestamp,
}

impl Credential {
    /// `DOMAIN\user`, as far as both are known.
    #[must_use]
    pub fn account(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        Some(match self.domain.as_deref() {
            Some(domain) if !domain.is_empty() => format!("{domain}\\{user}"),
            _ => user.to_owned(),
        })
    }
}

/// What is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShareKind {
    /// A disk.
    Disk,
    /// Named pipes.
    Pipe,
    /// A printer.
    Print,
}

impl ShareKind {
    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Pipe => "pipe",
            Self::Print => "printer",
        }
    }
}

/// A share that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Path, such as `\\server\share`.
    pub path: String,
    /// What is shared.
    pub kind: Option<ShareKind>,
    /// Whether the server connected it; `None` while that was not seen.
    pub connected: Option<bool>,
}

/// What one rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRecord {
    /// Identifier of the rule.
    pub rule: String,
    /// Severity and risk score with which it was first found, where they rose since.
    #[serde(default)]
    pub risen_from: Option<(Severity, u8)>,
    /// Severity of the finding.
    pub severity: Severity,
    /// Risk score, 0 to 100.
    pub risk_score: u8,
    /// The fact behind it, in a sentence.
    pub fact: String,
    /// Identifiers of the techniques that this fact shows.
    pub techniques: Vec<String>,
    /// When it was found first.
    pub first: Timestamp,
    /// When it was found last.
    pub last: Timestamp,
    /// Connections on which it was found.
    pub connections: u64,
}

/// One connection of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    /// Client.
    pub client: SocketAddr,
    /// Server.
    pub server: SocketAddr,
    /// IP protocol number.
    pub transport: u8,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// How far it got.
    pub level: EvidenceLevel,
    /// Payload that left the internal networks.
    pub bytes_left: u64,
    /// Payload that came in.
    pub bytes_came: u64,
    /// It is over.
    pub closed: bool,
}

/// A port of an internal server that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweringPort {
    /// The server.
    pub server: IpAddr,
    /// IP protocol number.
    pub transport: u8,
    /// The port.
    pub port: u16,
    /// First packet of a connection in which it answered.
    pub first: Timestamp,
    /// Last packet of one.
    pub last: Timestamp,
    /// How far any of them got.
    pub level: EvidenceLevel,
    /// It listed something over WebDAV without a log-on.
    #[serde(default)]
    pub anonymous: bool,
}

/// A step in the course of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// The first packet.
    Attempted,
    /// A connection was refused.
    Refused,
    /// The port answered.
    Answered,
    /// A connection was established.
    Connected,
    /// SMB was spoken.
    Smb,
    /// SMB was offered over QUIC: the server's name, where it was said.
    SmbOverQuic(Option<String>),
    /// WebDAV was spoken.
    WebDav,
    /// A credential was sent: the account, where it is known.
    CredentialSent(Option<String>),
    /// A log-on was accepted.
    Accepted(Option<String>),
    /// A log-on was refused.
    LogonRefused(Option<String>),
    /// A share was connected.
    Share(String),
    /// Remote procedures were called: interface and operation.
    Operation(String),
    /// Content moved.
    Data,
    /// A rule found something.
    Finding(String),
    /// The last connection was closed.
    Closed,
    /// The sensor was restarted meanwhile.
    Restarted,
}

/// What was seen of WebDAV.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebDavSeen {
    /// The first method of WebDAV alone.
    pub method: Option<String>,
    /// The program of the client, as it calls itself.
    pub user_agent: Option<String>,
    /// A request was one of WebDAV, and not of HTTP with a log-on alone.
    pub requested: bool,
    /// An answer shows that the server serves WebDAV.
    #[serde(default)]
    pub served: bool,
    /// It listed something without a log-on.
    #[serde(default)]
    pub anonymous: bool,
}

/// When something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Milestone,
}

/// What a threat list says of the external host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreatHit {
    /// Name of the list.
    pub list: String,
    /// Its prefix that covers the address.
    pub prefix: String,
    /// Line of that prefix.
    pub line: u32,
    /// What the list says of it.
    pub description: Option<String>,
}

/// Sums over all connections of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Connections.
    pub connections: u64,
    /// Connections that nobody answered.
    pub silent: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Packets of each side: `[internal, external]`.
    pub packets: [u64; 2],
    /// IP bytes of each side.
    pub bytes: [u64; 2],
    /// Payload of each side, bytes of the stream.
    pub payload: [u64; 2],
    /// Payload that was sent again.
    pub retransmitted: [u64; 2],
    /// Log-ons that were refused.
    pub logons_refused: u64,
    /// Log-ons that were accepted, anonymous and guest ones left out.
    pub logons_accepted: u64,
    /// Anonymous and guest log-ons that were accepted.
    pub logons_anonymous: u64,
    /// Connections towards which enforcement dropped a packet.
    pub dropped: u64,
    /// Connections of which messages were seen and not read, as they stand: a mark may come before its message.
    #[serde(default)]
    pub unread: u64,
    /// Connections of which packets of one direction alone were seen, as they stand.
    #[serde(default)]
    pub one_sided: u64,
    /// Connections that the sensor saw after they had begun.
    #[serde(default)]
    pub joined_late: u64,
}
