//! The incident itself: everything that is known of it, as it is stored and rendered.

use std::{collections::BTreeMap, sync::Arc};

use sensor_dissect::quic::ClientHello;
use serde::{Deserialize, Serialize};

use super::{
    IncidentId, RelatedIncidents,
    parts::{
        AnsweringPort, ConnectionRecord, Counted, Credential, FindingRecord, Party, Scope, Share, ThreatHit,
        TimelineEntry, WebDavSeen,
    },
};
use crate::{
    address::Direction,
    level::{EvidenceLevel, Severity},
    process::Process,
    rules::{
        TargetCounts,
        outbound_volume::{ExcessVolume, OutboundVolume},
    },
    service::Service,
    time::Timestamp,
    view::{Content, OtherProtocol},
};

/// An incident: everything that is known of it. It is stored as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Identifier.
    pub id: IncidentId,
    /// What it is about.
    pub scope: Scope,
    /// Who opened the connections.
    pub direction: Direction,
    /// Internal side.
    pub internal: Party,
    /// External side.
    pub external: Party,
    /// Severity as it stands; it never falls.
    pub severity: Severity,
    /// Risk score, 0 to 100, no lower than that of the severity.
    pub risk_score: u8,
    /// How far any connection got.
    pub level: EvidenceLevel,
    /// When it was opened.
    pub opened: Timestamp,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// When something was last written about it.
    pub updated: Timestamp,
    /// When it was closed; it may be opened again by activity that shows nothing new.
    pub closed: Option<Timestamp>,
    /// Events written so far.
    pub sequence: u64,
    /// Identifier of the leading finding's rule.
    pub rule: String,
    /// Findings, by rule.
    pub findings: BTreeMap<String, FindingRecord>,
    /// Techniques that the evidence shows, each with the fact that shows it.
    pub techniques: BTreeMap<String, String>,
    /// Sums over all connections.
    pub counted: Counted,
    /// What left the internal networks lately.
    pub volume: OutboundVolume,
    /// The excess_volume that was found, if one was.
    pub excess_volume: Option<ExcessVolume>,
    /// Refused log-ons by account, the first ones (`DOMAIN\\user` in lower case; empty where the user was not seen).
    pub refused_accounts: BTreeMap<String, u64>,
    /// Targets, where it is about many.
    pub targets: Option<TargetCounts>,
    /// Services that were used: transport, port of the server, and what it is for.
    pub ports: Vec<(u8, u16, Service)>,
    /// Ports of internal servers that answered, the first ones.
    #[serde(default)]
    pub answering: Vec<AnsweringPort>,
    /// There were more than that.
    #[serde(default)]
    pub more_answering: bool,
    /// The first and the latest connections.
    pub connections: Vec<ConnectionRecord>,
    /// Users.
    pub credentials: Vec<Credential>,
    /// Credentials for which there was no room.
    pub credentials_left_out: u64,
    /// Shares.
    pub shares: Vec<Share>,
    /// Shares for which there was no room.
    pub shares_left_out: u64,
    /// Remote procedures: interface, and names or numbers of operations.
    pub operations: BTreeMap<String, Vec<String>>,
    /// Dialects that servers chose.
    pub dialects: Vec<String>,
    /// What servers said about signing.
    #[serde(default)]
    pub signing: Vec<String>,
    /// Messages were encrypted.
    pub encrypted: bool,
    /// The sensor saw a connection of it after that had begun.
    pub joined_late: bool,
    /// When the sensor started, if it saw the first of these connections right after that: they had begun before.
    #[serde(default)]
    pub joined_at_start: Option<Timestamp>,
    /// Packets of one direction alone were seen.
    pub one_sided: bool,
    /// Segments of a connection had different bytes at the same place of its stream.
    #[serde(default)]
    pub conflicting: bool,
    /// Every message that the sensor wanted to read was read.
    pub complete: bool,
    /// A connection carried SMB of one side alone: the other was not seen to answer in SMB.
    #[serde(default)]
    pub unanswered_smb: bool,
    /// Commands that carry content.
    pub content: Content,
    /// Other protocols that were spoken on the port.
    pub other_protocols: Vec<OtherProtocol>,
    /// Servers that were asked for in TLS, each once.
    #[serde(default)]
    pub tls_servers: Vec<Arc<str>>,
    /// ClientHellos that offered SMB over QUIC, each once.
    #[serde(default)]
    pub quic: Vec<ClientHello>,
    /// WebDAV, if it was seen.
    #[serde(default)]
    pub webdav: Option<WebDavSeen>,
    /// The process on this machine that opened the connections, if it was one.
    pub process: Option<Arc<Process>>,
    /// Further processes that did, up to a bound.
    #[serde(default)]
    pub other_processes: Vec<Arc<Process>>,
    /// There were more than that.
    #[serde(default)]
    pub more_processes: bool,
    /// Grounds on which the client is taken for the SMB client of the Windows kernel.
    pub windows_client: Vec<String>,
    /// What threat lists say of the external host.
    pub threats: Vec<ThreatHit>,
    /// Other incidents that have something in common with it.
    #[serde(default)]
    pub related: RelatedIncidents,
    /// What happened when.
    pub timeline: Vec<TimelineEntry>,
    /// Records that the ring lost since the incident began.
    pub lost_records: u64,
    /// Until when destinations are learnt and none is rare, where that is so.
    pub learning_until: Option<Timestamp>,
    /// Index of the interface that saw it.
    pub ifindex: Option<u32>,
    /// VLAN identifier.
    pub vlan: Option<u16>,
    /// Times that it was continued after it had been closed.
    pub continued: u64,
    /// The sensor was restarted while it was open.
    pub restarted: bool,
}

impl Incident {
    /// One about which nothing is known yet.
    pub(crate) fn empty(id: IncidentId) -> Self {
        Self {
            id,
            scope: Scope::Pair,
            direction: Direction::Outbound,
            internal: Party::default(),
            external: Party::default(),
            severity: Severity::Low,
            risk_score: 0,
            level: EvidenceLevel::Attempt,
            opened: Timestamp::default(),
            first: Timestamp::default(),
            last: Timestamp::default(),
            updated: Timestamp::default(),
            closed: None,
            sequence: 0,
            rule: String::new(),
            findings: BTreeMap::new(),
            techniques: BTreeMap::new(),
            counted: Counted::default(),
            volume: OutboundVolume::default(),
            excess_volume: None,
            refused_accounts: BTreeMap::new(),
            targets: None,
            ports: Vec::new(),
            answering: Vec::new(),
            more_answering: false,
            connections: Vec::new(),
            credentials: Vec::new(),
            credentials_left_out: 0,
            shares: Vec::new(),
            shares_left_out: 0,
            operations: BTreeMap::new(),
            dialects: Vec::new(),
            signing: Vec::new(),
            encrypted: false,
            joined_late: false,
            joined_at_start: None,
            one_sided: false,
            conflicting: false,
            complete: true,
            unanswered_smb: false,
            content: Content::default(),
            other_protocols: Vec::new(),
            tls_servers: Vec::new(),
            quic: Vec::new(),
            webdav: None,
            process: None,
            other_processes: Vec::new(),
            more_processes: false,
            windows_client: Vec::new(),
            threats: Vec::new(),
            related: RelatedIncidents::default(),
            timeline: Vec::new(),
            lost_records: 0,
            learning_until: None,
            ifindex: None,
            vlan: None,
            continued: 0,
            restarted: false,
        }
    }
}
