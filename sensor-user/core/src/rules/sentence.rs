//! Sentences about a connection. They state only observed facts: "answered" is not "connected", and an unread message is not an
//! absent one.
//!
//! Names and paths from the wire are already escaped by [`sensor_dissect::text`].

use std::{net::IpAddr, time::Duration};

use sensor_common::slot::UDP;
use sensor_dissect::{
    facts::{Credential, Dialect, Method, Outcome, Share},
    ntlmssp::ResponseKind,
    quic::ClientHello,
    smb2::ShareKind,
};

use crate::{
    level::EvidenceLevel,
    service::Service,
    view::{FlowView, OtherProtocol},
};

/// Payload that the set-up of a QUIC connection may have: certificates, keys and refusals are far smaller.
pub const QUIC_SET_UP: u64 = 64 << 10;

/// Items of a list that are named before the rest is only counted.
const NAMED: usize = 5;

/// What happened to a connection, without a full stop: "10.0.0.2 tried TCP 445 of 8.8.4.4, which refused".
#[must_use]
pub fn contact(view: &FlowView<'_>) -> String {
    let (client, server, port) = (view.client.ip(), view.server.ip(), port(view));
    if let Some(hello) = view.quic {
        let (name, outcome) = (server_name(hello), quic_outcome(view));
        return format!("{client} offered SMB over QUIC to {port} of {server}{name}{outcome}");
    }
    match view.level {
        EvidenceLevel::Attempt if view.dropped => {
            format!("{client} tried {port} of {server}, and enforcement dropped the packet")
        }
        EvidenceLevel::Attempt => format!("{client} tried {port} of {server}, and no answer was seen"),
        EvidenceLevel::Refused => format!("{client} tried {port} of {server}, which refused"),
        EvidenceLevel::Answered => format!("{client} tried {port} of {server}, which answered"),
        EvidenceLevel::Connected if view.tuple.transport == UDP => {
            format!("{client} sent a request to {port} of {server}, which answered")
        }
        EvidenceLevel::Connected => {
            let spoken = match view.other_protocol {
                Some(OtherProtocol::Http) => "spoke HTTP, not SMB",
                Some(OtherProtocol::Tls) => "spoke TLS, not SMB",
                None if view.service == Service::Rpc => "no DCE-RPC was seen",
                None if view.smb_spoken => "SMB was seen from one side only",
                None => "no SMB was seen",
            };
            let name = view.tls_server.map(|name| format!(" ({name})")).unwrap_or_default();
            format!("{client} connected to {port} of {server}{name}, and {spoken}")
        }
        level => {
            let further = match level {
                EvidenceLevel::Credential => " and sent a credential".to_owned(),
                EvidenceLevel::Session => " and was let in".to_owned(),
                EvidenceLevel::Share => connected_share(view).map_or_else(
                    || " and connected a share".to_owned(),
                    |share| format!(" and connected {}", share.path),
                ),
                EvidenceLevel::Data if view.content.left || view.content.came => {
                    " and exchanged content".to_owned()
                }
                EvidenceLevel::Data => " and exchanged more data than a set-up takes".to_owned(),
                _ => String::new(),
            };
            match protocol(view) {
                Some(protocol) => format!("{client} spoke {protocol} with {server}{further}"),
                None => format!("{client} connected to {port} of {server}{further}"),
            }
        }
    }
}

/// What was seen of WebDAV: "10.0.0.2 sent a WebDAV request (PROPFIND by curl/8.5) to TCP 80 of 8.8.4.4".
#[must_use]
pub fn webdav(view: &FlowView<'_>) -> Option<String> {
    let seen = &view.facts?.webdav;
    let what = webdav_request(seen.method.as_deref(), seen.user_agent.as_deref());
    let did = if seen.evidence.method || seen.evidence.redirector {
        format!("sent {what}")
    } else {
        "began a log-on over HTTP".to_owned()
    };
    Some(format!("{} {did} to {} of {}", view.client.ip(), port(view), view.server.ip()))
}

/// "a WebDAV request (PROPFIND by curl/8.5)", as far as both are known.
#[must_use]
pub fn webdav_request(method: Option<&str>, user_agent: Option<&str>) -> String {
    match (method, user_agent) {
        (Some(method), Some(program)) => format!("a WebDAV request ({method} by {program})"),
        (Some(one), None) | (None, Some(one)) => format!("a WebDAV request ({one})"),
        (None, None) => "a WebDAV request".to_owned(),
    }
}

/// "TCP 445".
#[must_use]
pub fn port(view: &FlowView<'_>) -> String {
    let transport = if view.tuple.transport == UDP { "UDP" } else { "TCP" };
    format!("{transport} {}", view.server.port())
}

/// " (files.example.com)", or nothing if the client named no server.
#[must_use]
pub fn server_name(hello: &ClientHello) -> String {
    hello.server_name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default()
}

/// What came of an offer over QUIC, for the end of a sentence that ends with the server. The amounts are at least these: the first
/// packets are not counted.
#[must_use]
pub fn quic_outcome(view: &FlowView<'_>) -> String {
    if view.level < EvidenceLevel::Answered {
        return ", and no answer was seen".to_owned();
    }
    let (left, came) = (view.bytes_left(), view.bytes_came());
    if left + came <= QUIC_SET_UP {
        return ", which answered".to_owned();
    }
    format!(", which answered; at least {} left and {} came in", bytes(left), bytes(came))
}

/// The protocol, as far as it was seen: "SMB 3.1.1".
fn protocol(view: &FlowView<'_>) -> Option<String> {
    if view.smb_spoken {
        return Some(match view.facts.and_then(|facts| facts.dialect.as_ref()) {
            Some(Dialect::Smb1(name)) => format!("SMB 1 ({name})"),
            Some(dialect) => format!("SMB {dialect}"),
            None => "SMB".to_owned(),
        });
    }
    match view.service {
        Service::Rpc => Some("DCE-RPC".to_owned()),
        Service::WebDav => Some("WebDAV".to_owned()),
        Service::Smb | Service::Netbios | Service::SmbOverQuic => None,
    }
}

/// The first share that the server connected, a disk before others.
fn connected_share<'a>(view: &FlowView<'a>) -> Option<&'a Share> {
    disk_share(view).or_else(|| connected_shares(view).next())
}

/// The first disk share that the server connected. A share of unknown kind counts as one, unless its name is that of the
/// pipes: otherwise a server could hide its files behind a service string of its own.
#[must_use]
pub fn disk_share<'a>(view: &FlowView<'a>) -> Option<&'a Share> {
    let is_disk = |share: &&Share| share.kind == Some(ShareKind::Disk);
    let may_be = |share: &&Share| share.kind.is_none() && !share.path.to_ascii_uppercase().ends_with("IPC$");
    connected_shares(view).find(is_disk).or_else(|| connected_shares(view).find(may_be))
}

fn connected_shares<'a>(view: &FlowView<'a>) -> impl Iterator<Item = &'a Share> {
    let shares = view.facts.map_or(&[][..], |facts| &facts.shares);
    shares.iter().filter(|share| share.outcome.is_some_and(Outcome::is_accepted))
}

/// `DOMAIN\user`, as far as both are known.
#[must_use]
pub fn account(credential: &Credential) -> Option<String> {
    let user = credential.user.as_deref()?;
    Some(match credential.domain.as_deref() {
        Some(domain) if !domain.is_empty() => format!(r"{domain}\{user}"),
        _ => user.to_owned(),
    })
}

/// A credential with its article: "an NTLMv2 response".
#[must_use]
pub const fn method(method: Method) -> &'static str {
    match method {
        Method::Ntlm(ResponseKind::V1) => "an NTLMv1 response",
        Method::Ntlm(ResponseKind::V2) => "an NTLMv2 response",
        Method::Ntlm(ResponseKind::Anonymous) => "an anonymous NTLM message",
        Method::Ntlm(ResponseKind::Unknown) => "an NTLM response",
        Method::Kerberos => "a Kerberos ticket",
        Method::Password => "a password",
    }
}

/// The server's answer to a credential, for the end of a sentence that ends with the server: ", which accepted it".
#[must_use]
pub fn outcome(outcome: Option<Outcome>) -> String {
    match outcome {
        Some(Outcome::Accepted) => ", which accepted it".to_owned(),
        Some(Outcome::AcceptedAsGuest) => ", which let it in as guest".to_owned(),
        Some(Outcome::Refused(status)) => format!(", which refused it ({status})"),
        None => String::new(),
    }
}

/// "1.8 KiB", "61 KiB", "5.0 MiB", "12.3 MiB": in a suitable unit. From 10 KiB to 1 MiB a tenth of the unit says nothing to a person.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1_024 {
        return format!("{count} bytes");
    }
    let (mut value, mut unit) = (count as f64 / 1_024.0, 0);
    // A value that rounds to 1024 belongs to the next unit.
    let most = |unit: usize| if unit == 0 { 1_023.5 } else { 1_023.95 };
    while value >= most(unit) && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1_024.0, unit + 1);
    }
    let decimals = usize::from(unit > 0 || value < 9.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// "a, b and c", or "a, b, c, d, e and 7 more".
#[must_use]
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    let named: Vec<&str> = items.iter().take(NAMED).map(AsRef::as_ref).collect();
    match (items.len() - named.len(), named.as_slice()) {
        (0, []) => String::new(),
        (0, [one]) => (*one).to_owned(),
        (0, [first @ .., last]) => format!("{} and {last}", first.join(", ")),
        (more, _) => format!("{} and {more} more", named.join(", ")),
    }
}

/// "1 account", "3 accounts".
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The address of a service principal name (RFC 4120 6.2.1, MS-KILE 3.1.5.11) such as `cifs/10.0.0.2`; `None` if its host
/// is a name.
#[must_use]
pub fn address_of_principal(target: &str) -> Option<IpAddr> {
    let host = target.split('/').nth(1)?;
    // MS-SPNG and clients write the port after a colon; an IPv6 address is then in brackets, or bare without a port.
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inner, _)| inner);
    let without_port = host.rsplit_once(':').map(|(address, _)| address);
    [Some(host), bracketed, without_port].into_iter().flatten().find_map(|text| text.parse().ok())
}

/// "2 s", "45 min", "3 h": in a suitable unit. Seconds are rounded, larger units are rounded down.
#[must_use]
pub fn duration(duration: Duration) -> String {
    if duration.as_secs() == 0 {
        return format!("{} ms", duration.as_millis());
    }
    match duration.saturating_add(Duration::from_millis(500)).as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// The called operations of the interface `name` among `numbers`, by their names.
#[must_use]
pub fn called(view: &FlowView<'_>, name: &str, numbers: &[u16]) -> Vec<&'static str> {
    let interfaces = view.facts.map_or(&[][..], |facts| &facts.interfaces);
    let of_that_name = interfaces.iter().filter(|interface| interface.name == Some(name));
    of_that_name
        .flat_map(|interface| interface.operations.iter().map(move |number| (interface, *number)))
        .filter(|(_, number)| numbers.contains(number))
        .filter_map(|(interface, number)| interface.operation(number))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sensor_common::slot::TCP;

    use super::*;
    use crate::rules::fixtures::{FlowFixture, interface};

    fn said(flow: FlowFixture) -> String {
        contact(&flow.view())
    }

    #[test]
    fn sentence_claims_only_the_observed_level() {
        let at = |level| said(FlowFixture::outbound().reached(level));
        let tried = "10.0.0.2 tried TCP 445 of 8.8.4.4";
        assert_eq!(at(EvidenceLevel::Attempt), format!("{tried}, and no answer was seen"));
        assert_eq!(at(EvidenceLevel::Refused), format!("{tried}, which refused"));
        assert_eq!(at(EvidenceLevel::Answered), format!("{tried}, which answered"));
        assert_eq!(
            at(EvidenceLevel::Connected),
            "10.0.0.2 connected to TCP 445 of 8.8.4.4, and no SMB was seen"
        );
        let one_sided = FlowFixture::outbound().reached(EvidenceLevel::Connected);
        let one_sided = one_sided.seen(|view| view.smb_spoken = true);
        assert_eq!(
            said(one_sided),
            "10.0.0.2 connected to TCP 445 of 8.8.4.4, and SMB was seen from one side only"
        );
        assert_eq!(at(EvidenceLevel::Smb), "10.0.0.2 spoke SMB with 8.8.4.4");
        assert_eq!(at(EvidenceLevel::Session), "10.0.0.2 spoke SMB with 8.8.4.4 and was let in");
    }

    #[test]
    fn names_dialect_share_and_other_protocols() {
        let shared = FlowFixture::outbound()
            .reached(EvidenceLevel::Share)
            .share(r"\\8.8.4.4\IPC$", ShareKind::Pipe)
            .share(r"\\8.8.4.4\files", ShareKind::Disk)
            .knowing(|facts| facts.dialect = Some(Dialect::Smb2(0x0311)));
        assert_eq!(said(shared), r"10.0.0.2 spoke SMB 3.1.1 with 8.8.4.4 and connected \\8.8.4.4\files");
        let tls = FlowFixture::outbound()
            .reached(EvidenceLevel::Connected)
            .seen(|view| view.other_protocol = Some(OtherProtocol::Tls));
        assert_eq!(said(tls), "10.0.0.2 connected to TCP 445 of 8.8.4.4, and spoke TLS, not SMB");
        let name = Arc::from("files.example.com");
        let flow = FlowFixture::outbound().reached(EvidenceLevel::Connected);
        let other_protocol = Some(OtherProtocol::Tls);
        let view = FlowView { other_protocol, tls_server: Some(&name), ..flow.view() };
        assert_eq!(
            contact(&view),
            "10.0.0.2 connected to TCP 445 of 8.8.4.4 (files.example.com), and spoke TLS, not SMB"
        );
        let netbios = FlowFixture::inbound().on(UDP, 137).reached(EvidenceLevel::Connected);
        assert_eq!(said(netbios), "8.8.4.4 sent a request to UDP 137 of 10.0.1.2, which answered");
        let rpc = FlowFixture::inbound().on(TCP, 135).reached(EvidenceLevel::Smb);
        assert_eq!(said(rpc), "8.8.4.4 spoke DCE-RPC with 10.0.1.2");
    }

    #[test]
    fn writes_amounts_times_and_lists_as_text() {
        let amounts = [0, 1_023, 1_024, 1_843, (1 << 20) - 1, 12_897_485, 1 << 40].map(bytes);
        assert_eq!(
            amounts,
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.8 KiB", "1.0 MiB", "12.3 MiB", "1.0 TiB"]
        );
        let amounts = [10_188, 10_189, 62_464, 1_048_063, 1_048_064, 5_242_880].map(bytes);
        assert_eq!(amounts, ["9.9 KiB", "10 KiB", "61 KiB", "1023 KiB", "1.0 MiB", "5.0 MiB"]);
        let times =
            [0, 2, 119, 120, 7_199, 7_200, 172_800].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(times, ["0 ms", "2 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
        let times =
            [999, 1_499, 11_899, 119_499, 119_500].map(|millis| duration(Duration::from_millis(millis)));
        assert_eq!(times, ["999 ms", "1 s", "12 s", "119 s", "2 min"]);
        assert_eq!(list(&["a"; 0]), "");
        assert_eq!([list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])], ["a", "a and b", "a, b and c"]);
        assert_eq!(list(&["a"; 7]), "a, a, a, a, a and 2 more");
    }

    #[test]
    fn names_an_operation_by_its_document() {
        let flow = FlowFixture::inbound().called(interface::SVCCTL, &[12, 15, 10]);
        assert_eq!(called(&flow.view(), "svcctl", &[12, 10]), ["RCreateServiceW"]);
        assert!(called(&flow.view(), "samr", &[12]).is_empty());
    }
}
