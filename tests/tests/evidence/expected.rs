//! What a session is to bring about, and nothing else.

use std::ops::RangeInclusive;

use sensor_lab::PASSWORD;
use sensor_tests::{number, text, texts};
use serde_json::Value;

use crate::stage::Played;

/// The rules that any session with an SMB server on the Internet breaks.
pub(crate) const SMB_OUT: &[&str] = &["rare-smb-destination", "smb-to-internet"];
/// The same, where the client answered the server's challenge.
pub(crate) const CREDENTIAL_OUT: &[&str] =
    &["ntlm-credential-to-internet", "rare-smb-destination", "smb-to-internet"];
/// The same, where shares were listed.
pub(crate) const SHARES_LISTED: &[&str] =
    &["ntlm-credential-to-internet", "rare-smb-destination", "share-discovery-over-smb", "smb-to-internet"];
/// The same, where a file was fetched.
pub(crate) const FETCH: &[&str] =
    &["ntlm-credential-to-internet", "rare-smb-destination", "smb-download-from-internet", "smb-to-internet"];
/// The same on a port that is none of SMB's.
pub(crate) const FETCH_ELSEWHERE: &[&str] = &[
    "ntlm-credential-to-internet",
    "rare-smb-destination",
    "smb-download-from-internet",
    "smb-on-another-port",
    "smb-to-internet",
];
/// The same over SMB 1.
pub(crate) const FETCH_SMB1: &[&str] = &[
    "ntlm-credential-to-internet",
    "rare-smb-destination",
    "smb-download-from-internet",
    "smb-to-internet",
    "smb1-across-border",
];
/// What is found on a session of a stranger on a port that is none of SMB's.
pub(crate) const INBOUND_ELSEWHERE: &[&str] =
    &["external-access-windows-networking", "external-logon-accepted", "smb-on-another-port"];
/// The same over SMB 1.
pub(crate) const INBOUND_SMB1: &[&str] =
    &["external-access-windows-networking", "external-logon-accepted", "smb1-across-border"];

/// The least that a side says before a session stands or falls: a NEGOTIATE and a SESSION_SETUP, each with its headers
/// (MS-SMB2 2.2.3 to 2.2.6).
const LEAST: u64 = 150;
/// The most that a side says in a session of a few steps beside the content of files: some fifteen messages of which
/// hardly any has more than 300 bytes.
const MOST: u64 = 4 << 10;
/// A READ or WRITE has 120 bytes of headers at most (MS-SMB2 2.2.19 to 2.2.22, RFC 1002 4.3.1) and carries 64 KiB or
/// more: two in a thousand.
const HEADERS_PER_MILLE: u64 = 2;

/// What a session is to bring about.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    /// Rules with an alert, one each, sorted.
    pub(crate) rules: &'static [&'static str],
    /// How far it got.
    pub(crate) level: &'static str,
    /// Techniques that the evidence shows, sorted.
    pub(crate) techniques: &'static [&'static str],
    /// Port of the server.
    pub(crate) port: u64,
    /// Domain and name of the user; empty where there is none.
    pub(crate) user: (&'static str, &'static str),
    /// Method and outcome of each log-on.
    pub(crate) credentials: &'static [(&'static str, &'static str)],
    /// Dialect agreed on.
    pub(crate) dialect: &'static str,
    /// Name and outcome of each share.
    pub(crate) shares: &'static [(&'static str, &'static str)],
    /// Each DCE-RPC interface that was bound, and after it the operations called.
    pub(crate) rpc: &'static [&'static str],
    /// Whether anything was encrypted.
    pub(crate) encrypted: bool,
    /// Bytes of file content that the client and the server sent; nothing where a side said not a word.
    pub(crate) content: [Option<u64>; 2],
}

/// A file of a few bytes fetched by [`USER`](sensor_lab::USER), as smbprotocol does it unless told otherwise.
pub(crate) const FETCHED: Expected = Expected {
    rules: FETCH,
    level: "data",
    techniques: &["T1105", "T1187"],
    port: 445,
    user: ("LAB", "alice"),
    credentials: &[("NTLMv2", "accepted")],
    dialect: "3.1.1",
    shares: &[("files", "accepted")],
    rpc: &[],
    encrypted: false,
    content: [Some(0), Some(0)],
};

/// The same by smbclient, which looks at `IPC$` first and has a domain of its own.
pub(crate) const FETCHED_BY_SMBCLIENT: Expected = Expected {
    user: ("WORKGROUP", "alice"),
    shares: &[("IPC$", "accepted"), ("files", "accepted")],
    ..FETCHED
};

/// The same over SMB 1, in which names of shares are written large.
pub(crate) const FETCHED_OVER_SMB1: Expected = Expected {
    rules: FETCH_SMB1,
    dialect: "NT LANMAN 1.0",
    shares: &[("IPC$", "accepted"), ("FILES", "accepted")],
    ..FETCHED_BY_SMBCLIENT
};

impl Expected {
    /// Compares the one incident.
    pub(crate) fn compare(&self, played: &Played) {
        let ended = &played.ended;
        assert_eq!(ended.rules(), self.rules, "{}", ended.log);
        let incident = ended.only().unwrap();
        assert_eq!(found(incident), self.expected(played), "{incident:#}");
        let inbound = text(incident, "/network/direction") == "inbound";
        let of_client_and_server =
            if inbound { ["came_bytes", "left_bytes"] } else { ["left_bytes", "came_bytes"] };
        for (side, name) in of_client_and_server.into_iter().enumerate() {
            let counted = number(incident, &format!("/smb_sensor/volume/{name}"));
            let bounds = self.bounds(side);
            assert!(bounds.contains(&counted), "{name}: {counted} is not in {bounds:?}: {incident:#}");
        }
        for document in &ended.documents {
            assert!(!document.to_string().contains(PASSWORD), "{document:#}");
        }
        assert_eq!(ended.number("unaccounted").unwrap(), 0, "{}", ended.statistics);
    }

    /// What may be counted of a side: what it sent of files, its headers and those of its answers to what the other side
    /// sent, and the rest. What is sent again is counted apart.
    fn bounds(&self, side: usize) -> RangeInclusive<u64> {
        let Some(content) = self.content[side] else { return 0..=0 };
        let carried = content + self.content[1 - side].unwrap_or_default();
        let headers = carried * HEADERS_PER_MILLE / 1_000;
        content + LEAST..=content + headers + MOST
    }

    /// Everything but numbers of bytes, a line each.
    fn expected(&self, played: &Played) -> Vec<String> {
        vec![
            format!("{} to {} port {}", played.client, played.server, self.port),
            format!("level {}", self.level),
            format!("techniques {:?}", self.techniques),
            format!("user {:?}", self.user),
            format!("credentials {:?}", self.credentials),
            format!("dialect {:?}, encrypted {}", self.dialect, self.encrypted),
            format!("shares {:?}", self.shares),
            format!("calls {:?}", self.rpc),
        ]
    }
}

/// What an incident says, in the words of [`Expected::expected`].
fn found(alert: &Value) -> Vec<String> {
    let mut techniques = texts(alert, "/threat/technique/id");
    techniques.sort_unstable();
    let user = (text(alert, "/source/user/domain"), text(alert, "/source/user/name"));
    let smb = &alert["smb_sensor"]["smb"];
    let shares = shares(alert);
    let (client, server) = (text(alert, "/source/ip"), text(alert, "/destination/ip"));
    vec![
        format!("{client} to {server} port {}", number(alert, "/destination/port")),
        format!("level {}", text(alert, "/smb_sensor/incident/evidence")),
        format!("techniques {:?}", techniques),
        format!("user {user:?}"),
        format!("credentials {:?}", pairs(alert, "/smb_sensor/credentials", "method")),
        format!("dialect {:?}, encrypted {}", texts(smb, "/dialects").join(" "), smb["encrypted"] == true),
        format!("shares {shares:?}"),
        format!("calls {:?}", calls(alert)),
    ]
}

/// The text `name` and the outcome of each entry of a list.
fn pairs<'a>(alert: &'a Value, list: &str, name: &str) -> Vec<(&'a str, &'a str)> {
    let entries = alert.pointer(list).and_then(Value::as_array);
    let text = |entry: &'a Value, name: &str| entry[name].as_str().unwrap_or_default();
    entries.into_iter().flatten().map(|entry| (text(entry, name), text(entry, "outcome"))).collect()
}

/// Name and outcome of each share.
fn shares(incident: &Value) -> Vec<(&str, &str)> {
    let entries = incident.pointer("/smb_sensor/shares").and_then(Value::as_array);
    let share = |entry| {
        let outcome = match entry_connected(entry) {
            Some(true) => "accepted",
            Some(false) => "refused",
            None => "",
        };
        (text(entry, "/path").rsplit('\\').next().unwrap_or_default(), outcome)
    };
    entries.into_iter().flatten().map(share).collect()
}

fn entry_connected(share: &Value) -> Option<bool> {
    share["connected"].as_bool()
}

/// Each DCE-RPC interface that was bound, and after it the operations called.
fn calls(incident: &Value) -> Vec<String> {
    let interfaces = incident.pointer("/smb_sensor/rpc").and_then(Value::as_object);
    let of = |(name, operations): (&String, &Value)| {
        [vec![name.as_str()], texts(operations, "")].concat().join(" ")
    };
    interfaces.into_iter().flatten().map(of).collect()
}
