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
/// The same on a port that is none of SMB's.
pub(crate) const CREDENTIAL_OUT_ELSEWHERE: &[&str] =
    &["ntlm-credential-to-internet", "rare-smb-destination", "smb-on-another-port", "smb-to-internet"];
/// The same over SMB 1.
pub(crate) const CREDENTIAL_OUT_SMB1: &[&str] =
    &["ntlm-credential-to-internet", "rare-smb-destination", "smb-to-internet", "smb1-across-border"];
/// The rule that any session of a stranger breaks.
pub(crate) const INBOUND: &[&str] = &["external-access-windows-networking"];
/// The same on a port that is none of SMB's.
pub(crate) const INBOUND_ELSEWHERE: &[&str] = &["external-access-windows-networking", "smb-on-another-port"];
/// The same over SMB 1.
pub(crate) const INBOUND_SMB1: &[&str] = &["external-access-windows-networking", "smb1-across-border"];

/// The least that a side says before a session stands or falls: a NEGOTIATE and a SESSION_SETUP, each with its headers
/// (MS-SMB2 2.2.3 to 2.2.6).
const LEAST: u64 = 150;
/// The most that a side says in a session of a few steps beside the content of files: some fifteen messages of which
/// hardly any has more than 300 bytes.
const MOST: u64 = 4 << 10;
/// A READ or WRITE has 120 bytes of headers at most (MS-SMB2 2.2.19 to 2.2.22, RFC 1002 4.3.1) and carries 64 KiB or
/// more: two in a thousand.
const HEADERS_PER_MILLE: u64 = 2;
/// No segment holds more payload at an MTU of 1500.
const SEGMENT: u64 = 1_460;

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
    rules: CREDENTIAL_OUT,
    level: "data",
    techniques: &["T1048", "T1187"],
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
    rules: CREDENTIAL_OUT_SMB1,
    dialect: "NT LANMAN 1.0",
    shares: &[("IPC$", "accepted"), ("FILES", "accepted")],
    ..FETCHED_BY_SMBCLIENT
};

impl Expected {
    /// Compares all alerts. They tell of one conversation, and so all tell the same.
    pub(crate) fn compare(&self, played: &Played) {
        let ended = &played.ended;
        assert_eq!(ended.rules(), self.rules, "{}", ended.log);
        for rule in self.rules {
            let alert = ended.found(rule).unwrap();
            assert_eq!(told(alert), self.telling(played), "{alert:#}");
            for (side, name) in ["bytes_sent", "bytes_received"].into_iter().enumerate() {
                let counted = number(alert, &format!("/smb_sensor/evidence/{name}"));
                let bounds = self.bounds(side, played.sent_again[side]);
                assert!(bounds.contains(&counted), "{name}: {counted} is not in {bounds:?}: {alert:#}");
            }
        }
        for document in &ended.documents {
            assert!(!document.to_string().contains(PASSWORD), "{document:#}");
        }
        assert_eq!(ended.number("unaccounted").unwrap(), 0, "{}", ended.statistics);
    }

    /// What may be counted of a side: what it sent of files, its headers and those of its answers to what the other side
    /// sent, and the rest. What is sent again counts again.
    fn bounds(&self, side: usize, sent_again: u64) -> RangeInclusive<u64> {
        let Some(content) = self.content[side] else { return 0..=0 };
        let carried = content + self.content[1 - side].unwrap_or_default();
        let headers = carried * HEADERS_PER_MILLE / 1_000;
        content + LEAST..=content + headers + MOST + sent_again * SEGMENT
    }

    /// Everything but numbers of bytes, a line each.
    fn telling(&self, played: &Played) -> Vec<String> {
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

/// What an alert tells, in the words of [`Expected::telling`].
fn told(alert: &Value) -> Vec<String> {
    let mut techniques = texts(alert, "/threat/technique/id");
    techniques.sort_unstable();
    let user = (text(alert, "/source/user/domain"), text(alert, "/source/user/name"));
    let smb = &alert["smb_sensor"]["smb"];
    let mut shares = pairs(alert, "/smb_sensor/smb/shares", "path");
    for (path, _) in &mut shares {
        *path = path.rsplit('\\').next().unwrap_or(path);
    }
    let (client, server) = (text(alert, "/source/ip"), text(alert, "/destination/ip"));
    vec![
        format!("{client} to {server} port {}", number(alert, "/destination/port")),
        format!("level {}", text(alert, "/smb_sensor/incident/evidence")),
        format!("techniques {:?}", techniques),
        format!("user {user:?}"),
        format!("credentials {:?}", pairs(alert, "/smb_sensor/credentials", "method")),
        format!("dialect {:?}, encrypted {}", text(smb, "/dialect"), smb["encrypted"] == true),
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

/// Each DCE-RPC interface that was bound, and after it the operations called.
fn calls(alert: &Value) -> Vec<String> {
    let interfaces = alert.pointer("/smb_sensor/rpc").and_then(Value::as_array);
    let of =
        |interface| [vec![text(interface, "/interface")], texts(interface, "/operations")].concat().join(" ");
    interfaces.into_iter().flatten().map(of).collect()
}
