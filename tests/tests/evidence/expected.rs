//! The expected result of a session, and nothing else.

use std::ops::RangeInclusive;

use sensor_lab::PASSWORD;
use sensor_tests::{Ended, number, text, texts};
use serde_json::Value;

use crate::stage::Played;

/// The findings of any session with an SMB server on the Internet.
pub(crate) const SMB_OUT: &[&str] = &["rare-smb-destination", "smb-to-internet"];
/// The same, where the client answered the server's challenge.
pub(crate) const CREDENTIAL_OUT: &[&str] =
    &["ntlm-credential-to-internet", "rare-smb-destination", "smb-to-internet"];
/// The same, where the client asked for the list of shares.
pub(crate) const LISTED_OUT: &[&str] =
    &["ntlm-credential-to-internet", "rare-smb-destination", "share-discovery-over-smb", "smb-to-internet"];
/// The same over SMB 1.
pub(crate) const LISTED_OUT_SMB1: &[&str] = &[
    "ntlm-credential-to-internet",
    "rare-smb-destination",
    "share-discovery-over-smb",
    "smb-to-internet",
    "smb1-across-border",
];
/// The findings of a client that logged on and fetched a file.
const FETCHED_OUT: &[&str] =
    &["ntlm-credential-to-internet", "rare-smb-destination", "smb-download-from-internet", "smb-to-internet"];
/// The same on an unwatched port.
pub(crate) const FETCHED_OUT_ELSEWHERE: &[&str] = &[
    "ntlm-credential-to-internet",
    "rare-smb-destination",
    "smb-download-from-internet",
    "smb-on-another-port",
    "smb-to-internet",
];
/// The same over SMB 1.
const FETCHED_OUT_SMB1: &[&str] = &[
    "ntlm-credential-to-internet",
    "rare-smb-destination",
    "smb-download-from-internet",
    "smb-to-internet",
    "smb1-across-border",
];
/// The findings of any external client that an internal server answers.
pub(crate) const INBOUND: &[&str] = &["external-access-windows-networking", "windows-networking-exposed"];

/// The fewest bytes that a side sends before a session is decided: a NEGOTIATE and a SESSION_SETUP, each with its headers
/// (MS-SMB2 2.2.3 to 2.2.6).
const MIN_EXTRA: u64 = 150;
/// The most bytes that a side sends in a session of a few steps besides file content: some fifteen messages, hardly any
/// of which has more than 300 bytes.
const MAX_EXTRA: u64 = 4 << 10;
/// A READ or WRITE has 120 bytes of headers at most (MS-SMB2 2.2.19 to 2.2.22, RFC 1002 4.3.1) and carries 64 KiB or
/// more: two in a thousand.
const HEADERS_PER_MILLE: u64 = 2;
/// No segment holds more payload at an MTU of 1500.
const SEGMENT: u64 = 1_460;

/// The expected result of a session.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    /// Rules with findings, sorted.
    pub(crate) rules: &'static [&'static str],
    /// The evidence level.
    pub(crate) level: &'static str,
    /// Techniques that the evidence proves, sorted.
    pub(crate) techniques: &'static [&'static str],
    /// Port of the server.
    pub(crate) port: u64,
    /// Other ports of the incident, before that of the session or after it.
    pub(crate) other_ports: &'static [&'static str],
    /// Connections of the incident.
    pub(crate) connections: u64,
    /// Domain and name of the user; empty without one.
    pub(crate) user: (&'static str, &'static str),
    /// Method and outcome of each log-on.
    pub(crate) credentials: &'static [(&'static str, &'static str)],
    /// The dialect.
    pub(crate) dialect: &'static str,
    /// Name and outcome of each share.
    pub(crate) shares: &'static [(&'static str, &'static str)],
    /// Each DCE-RPC interface that was bound, followed by the called operations.
    pub(crate) rpc: &'static [&'static str],
    /// Whether anything was encrypted.
    pub(crate) encrypted: bool,
    /// Bytes of file content that the client and the server sent; `None` if a side sent nothing at all.
    pub(crate) content: [Option<u64>; 2],
    /// Whether a command with file content was seen from client to server, and from server to client.
    pub(crate) moved: [bool; 2],
    /// Whether the client is external.
    pub(crate) inbound: bool,
}

/// A file of a few bytes fetched by [`USER`](sensor_lab::USER), as smbprotocol does it by default.
pub(crate) const FETCHED: Expected = Expected {
    rules: FETCHED_OUT,
    level: "data",
    techniques: &["T1105", "T1187"],
    port: 445,
    other_ports: &[],
    connections: 1,
    user: ("LAB", "alice"),
    credentials: &[("NTLMv2", "accepted")],
    dialect: "3.1.1",
    shares: &[("files", "accepted")],
    rpc: &[],
    encrypted: false,
    content: [Some(0), Some(0)],
    moved: [false, true],
    inbound: false,
};

/// The same by smbclient, which opens `IPC$` first and has a domain of its own.
pub(crate) const FETCHED_BY_SMBCLIENT: Expected = Expected {
    user: ("WORKGROUP", "alice"),
    shares: &[("IPC$", "accepted"), ("files", "accepted")],
    ..FETCHED
};

/// The same over SMB 1, in which names of shares are in upper case.
pub(crate) const FETCHED_OVER_SMB1: Expected = Expected {
    rules: FETCHED_OUT_SMB1,
    dialect: "NT LANMAN 1.0",
    shares: &[("IPC$", "accepted"), ("FILES", "accepted")],
    ..FETCHED_BY_SMBCLIENT
};

impl Expected {
    /// Compares the incident and the flow. There is one of each: both are about one connection, and must agree.
    pub(crate) fn compare(&self, played: &Played) {
        let ended = &played.ended;
        let incident = ended.only().unwrap();
        assert_eq!(ended.rules(), self.rules, "{incident:#}");
        assert_eq!(sentences(incident), self.summary(played), "{incident:#}");
        let flow = flow_of(ended);
        assert_eq!(
            text(flow, "/smb_sensor/incident/id"),
            text(incident, "/smb_sensor/incident/id"),
            "{flow:#}"
        );
        assert_eq!(text(flow, "/smb_sensor/evidence/level"), self.level, "{flow:#}");
        assert_eq!(text(flow, "/smb_sensor/smb/dialect"), self.dialect, "{flow:#}");
        for (side, name) in self.sides().into_iter().enumerate() {
            let counted = number(flow, &format!("/smb_sensor/evidence/{name}"));
            let bounds = self.bounds(side);
            assert!(bounds.contains(&counted), "{name}: {counted} is not in {bounds:?}: {flow:#}");
            // The incident is still open, and its last document may be older than the last packets.
            let until_then = number(incident, &format!("/smb_sensor/volume/{name}"));
            let of_all = ended.documents.iter().filter(|document| is_flow(document));
            let in_all: u64 = of_all.map(|flow| number(flow, &format!("/smb_sensor/evidence/{name}"))).sum();
            assert!(until_then <= in_all, "{name}: {in_all} in all, but {incident:#}");
        }
        let again = number(flow, "/smb_sensor/evidence/retransmitted_bytes");
        let sent_again: u64 = played.sent_again.iter().sum();
        assert!(again <= sent_again * SEGMENT, "{sent_again} segments were sent again: {flow:#}");
        for document in &ended.documents {
            assert!(!document.to_string().contains(PASSWORD), "{document:#}");
        }
        assert_eq!(ended.number("unaccounted").unwrap(), 0, "{}", ended.statistics);
    }

    /// Compares the connections of sessions with these names, one after the other, each by itself.
    pub(crate) fn compare_each(&self, ended: &Ended, names: &[String]) {
        let incident = ended.only().unwrap();
        assert_eq!(ended.rules(), self.rules, "{incident:#}");
        let mut flows: Vec<_> = ended.documents.iter().filter(|document| is_flow(document)).collect();
        flows.sort_by(|one, other| text(one, "/event/start").cmp(text(other, "/event/start")));
        assert_eq!(flows.len(), names.len(), "{flows:#?}");
        let expected = (self.level, self.user, self.credentials.to_vec(), self.shares.to_vec());
        for (name, flow) in names.iter().zip(flows) {
            let own = &flow["smb_sensor"];
            let user = (text(flow, "/source/user/domain"), text(flow, "/source/user/name"));
            let shares = entries(&own["smb"], "shares").map(|one| (share_name(one), text(one, "/outcome")));
            let found = (text(own, "/evidence/level"), user, credentials(own), shares.collect::<Vec<_>>());
            assert_eq!(found, expected, "{name}: {flow:#}");
            assert_eq!(text(own, "/incident/id"), text(incident, "/smb_sensor/incident/id"), "{name}");
            assert_eq!(text(own, "/smb/dialect"), self.dialect, "{name}");
            for (side, bytes) in self.sides().into_iter().enumerate() {
                let (counted, bounds) = (number(own, &format!("/evidence/{bytes}")), self.bounds(side));
                assert!(bounds.contains(&counted), "{name}, {bytes}: {counted} is not in {bounds:?}");
            }
        }
        assert!(ended.documents.iter().all(|document| !document.to_string().contains(PASSWORD)));
        assert_eq!(ended.number("unaccounted").unwrap(), 0, "{}", ended.statistics);
    }

    /// The fields for the bytes of client and server.
    const fn sides(&self) -> [&'static str; 2] {
        if self.inbound { ["came_bytes", "left_bytes"] } else { ["left_bytes", "came_bytes"] }
    }

    /// The range of a side's bytes: its file content, its headers and those of its answers to the other side's
    /// content, and the rest. Retransmissions are counted apart.
    fn bounds(&self, side: usize) -> RangeInclusive<u64> {
        let Some(content) = self.content[side] else { return 0..=0 };
        let carried = content + self.content[1 - side].unwrap_or_default();
        let headers = carried * HEADERS_PER_MILLE / 1_000;
        content + MIN_EXTRA..=content + headers + MAX_EXTRA
    }

    /// All ports of the incident, sorted.
    fn ports(&self) -> Vec<String> {
        let others = self.other_ports.iter().map(|port| (*port).to_owned());
        let mut ports: Vec<String> = others.chain([format!("tcp/{}", self.port)]).collect();
        ports.sort_unstable();
        ports
    }

    /// Everything except numbers of bytes, one line each.
    fn summary(&self, played: &Played) -> Vec<String> {
        let (direction, internal, external) = if self.inbound {
            ("inbound", played.server, played.client)
        } else {
            ("outbound", played.client, played.server)
        };
        let [by_client, by_server] = self.moved;
        let (left, came) = if self.inbound { (by_server, by_client) } else { (by_client, by_server) };
        // Below SMB, an incident is about all tries of a client.
        let scope = if self.level == "connected" { "client" } else { "pair" };
        vec![
            format!("{} to {} on {:?}", played.client, played.server, self.ports()),
            format!("{direction}, internal {internal}, external {external}, scope {scope}"),
            format!("connections {}", self.connections),
            format!("level {}", self.level),
            format!("techniques {:?}, with facts {:?}", self.techniques, self.techniques),
            format!("user {:?}", self.user),
            format!("credentials {:?}", self.credentials),
            format!("dialects {:?}, encrypted {}", Vec::from_iter(named(self.dialect)), self.encrypted),
            format!("shares {:?}", self.shares),
            format!("calls {:?}", self.rpc),
            format!("content left {left}, came {came}"),
        ]
    }
}

/// The dialect, if there is one.
fn named(dialect: &str) -> Option<&str> {
    (!dialect.is_empty()).then_some(dialect)
}

/// Whether a document is that of a finished connection.
pub(crate) fn is_flow(document: &Value) -> bool {
    text(document, "/event/dataset") == "network_traffic.flow"
}

/// The one document of a TCP connection.
pub(crate) fn flow_of(ended: &Ended) -> &Value {
    let is_tcp = |document: &&Value| is_flow(document) && text(document, "/network/transport") == "tcp";
    let flows: Vec<_> = ended.documents.iter().filter(is_tcp).collect();
    assert_eq!(flows.len(), 1, "{flows:#?}");
    flows[0]
}

/// The content of an incident, in the form of [`Expected::summary`].
fn sentences(incident: &Value) -> Vec<String> {
    let mut techniques = texts(incident, "/threat/technique/id");
    techniques.sort_unstable();
    let facts = incident["smb_sensor"]["techniques"].as_object();
    let facts: Vec<_> = facts.into_iter().flat_map(|facts| facts.keys()).collect();
    let user = (text(incident, "/source/user/domain"), text(incident, "/source/user/name"));
    let own = &incident["smb_sensor"];
    let (smb, about) = (&own["smb"], &own["incident"]);
    let (client, server) = (text(incident, "/source/ip"), text(incident, "/destination/ip"));
    let mut ports = texts(about, "/ports");
    ports.sort_unstable();
    vec![
        format!("{client} to {server} on {ports:?}"),
        format!(
            "{}, internal {}, external {}, scope {}",
            text(about, "/direction"),
            text(about, "/internal"),
            text(about, "/external"),
            text(about, "/scope")
        ),
        format!("connections {}", number(about, "/connections")),
        format!("level {}", text(about, "/evidence")),
        format!("techniques {techniques:?}, with facts {facts:?}"),
        format!("user {user:?}"),
        format!("credentials {:?}", credentials(own)),
        format!("dialects {:?}, encrypted {}", texts(smb, "/dialects"), smb["encrypted"] == true),
        format!("shares {:?}", shares(own)),
        format!("calls {:?}", calls(own)),
        format!("content left {}, came {}", own["volume"]["content_left"], own["volume"]["content_came"]),
    ]
}

/// The entries of a list.
fn entries<'a>(own: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    own[list].as_array().into_iter().flatten()
}

/// Method and outcome of each log-on.
fn credentials(own: &Value) -> Vec<(&str, &str)> {
    entries(own, "credentials").map(|one| (text(one, "/method"), text(one, "/outcome"))).collect()
}

/// Name of each share and whether it was connected.
fn shares(own: &Value) -> Vec<(&str, &str)> {
    let outcome = |share: &Value| match share["connected"].as_bool() {
        Some(true) => "accepted",
        Some(false) => "refused",
        None => "unknown",
    };
    entries(own, "shares").map(|share| (share_name(share), outcome(share))).collect()
}

/// The last part of a share's path.
fn share_name(share: &Value) -> &str {
    let path = text(share, "/path");
    path.rsplit('\\').next().unwrap_or(path)
}

/// Each DCE-RPC interface with called operations, followed by those.
fn calls(own: &Value) -> Vec<String> {
    let interfaces = own["rpc"].as_object().into_iter().flatten();
    interfaces
        .map(|(name, _)| [vec![name.as_str()], texts(&own["rpc"], &format!("/{name}"))].concat().join(" "))
        .collect()
}
