//! Parts of sentences about an incident, shared by its line, its steps and its timeline.
//!
//! Names and paths that others chose are escaped here, so that every sentence is safe to show.

use std::net::IpAddr;

use ipnet::IpNet;
use sensor_common::slot::{TCP, UDP};
use sensor_dissect::escape::shown;
use time::{OffsetDateTime, macros::format_description};

use super::{Credential, CredentialMethod, Incident, LogonOutcome, Party, Scope, Share, ShareKind};
use crate::{
    address::Direction,
    asset::AssetRole,
    enrichment::Enrichment,
    rules::sentence::{bytes, counted, list, webdav_request},
    service::Service,
    time::Timestamp,
};

/// Shortest prefix of a network that is named beside the number of addresses in it, IPv4 and IPv6.
const NARROW: (u8, u8) = (16, 48);

/// Text off the wire, fit to be shown.
pub(super) fn clean(text: &str) -> String {
    shown(text.as_bytes())
}

/// Servers that a client asked for: " (files.example.com)", or nothing if it named none.
pub(super) fn server_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.map(clean).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { String::new() } else { format!(" ({})", list(&names)) }
}

impl Party {
    /// Its address with the name that the inventory gives it, or how many addresses it has.
    #[must_use]
    pub fn phrase(&self) -> String {
        self.named(self.asset.as_ref().map(|asset| asset.name.as_str()))
    }

    /// The same with its best name: for advice to somebody who has to find it. The address stays beside the name, which it may have
    /// given itself.
    pub(super) fn named_phrase(&self) -> String {
        self.named(self.best_name().filter(|name| !name.is_empty()))
    }

    fn named(&self, name: Option<&str>) -> String {
        match self.addresses.first() {
            Some(address) if self.count <= 1 => match name {
                Some(name) => format!("{address} ({})", clean(name)),
                None => address.to_string(),
            },
            None if self.count == 0 => "unknown".to_owned(),
            _ => {
                let at_least = if self.at_least { "at least " } else { "" };
                let es = if self.count == 1 { "" } else { "es" };
                format!("{at_least}{} address{es}", self.count)
            }
        }
    }

    /// The network with all of its addresses, where it has many in a narrow one.
    #[must_use]
    pub fn narrow_network(&self) -> Option<IpNet> {
        let narrow = |net: &IpNet| net.prefix_len() >= if net.addr().is_ipv4() { NARROW.0 } else { NARROW.1 };
        self.network.filter(|_| self.count > 1 && !self.at_least).filter(narrow)
    }

    /// Its address, where it has one only.
    #[must_use]
    pub fn only_address(&self) -> Option<IpAddr> {
        (self.count <= 1).then(|| self.addresses.first().copied()).flatten()
    }

    /// Its name: the inventory's before that of its lease, that before one of the configuration, that before the one of reverse DNS,
    /// and that before the one that it gives itself.
    #[must_use]
    pub fn best_name(&self) -> Option<&str> {
        let asset = self.asset.as_ref().map(|asset| asset.name.as_str());
        let known = self.enrichment();
        let lease = known.and_then(|known| known.lease_name.as_deref());
        let configured = known.and_then(|known| known.configured_names.first()).map(|one| one.name.as_str());
        let dns = known.and_then(|known| known.dns_name.as_deref());
        asset.or(lease).or(configured).or(dns).or(self.name.as_deref())
    }

    /// What is known of it from elsewhere, if it is one host.
    #[must_use]
    pub fn enrichment(&self) -> Option<&Enrichment> {
        self.only_address().map(|_| &self.enrichment)
    }

    /// What the inventory says that it is for.
    #[must_use]
    pub fn role(&self) -> Option<&AssetRole> {
        self.asset.as_ref()?.role.as_ref()
    }
}

impl Incident {
    /// The side that opened the connections.
    #[must_use]
    pub const fn client(&self) -> &Party {
        match self.direction {
            Direction::Outbound => &self.internal,
            Direction::Inbound => &self.external,
        }
    }

    /// The side that was connected to.
    #[must_use]
    pub const fn server(&self) -> &Party {
        match self.direction {
            Direction::Outbound => &self.external,
            Direction::Inbound => &self.internal,
        }
    }

    /// The credential that matters most: a user's before an anonymous one, an accepted one before others, and one that gives
    /// the password away before others. Its outcome is its own, never that of another log-on.
    #[must_use]
    pub fn leading_credential(&self) -> Option<&Credential> {
        self.credentials.iter().rev().max_by_key(|credential| {
            let outcome = match credential.outcome {
                Some(LogonOutcome::Accepted) => 3,
                Some(LogonOutcome::AcceptedAsGuest) => 2,
                None => 1,
                Some(LogonOutcome::Refused) => 0,
            };
            let weak = matches!(credential.method, CredentialMethod::Ntlmv1 | CredentialMethod::Password);
            (credential.method != CredentialMethod::Anonymous, outcome, weak)
        })
    }

    /// Users whom the server accepted as themselves.
    pub(super) fn accepted_users(&self) -> impl Iterator<Item = &Credential> {
        let named = |credential: &&Credential| credential.method != CredentialMethod::Anonymous;
        self.credentials
            .iter()
            .filter(named)
            .filter(|credential| credential.outcome == Some(LogonOutcome::Accepted))
    }

    /// The share that matters most: a connected one before others, and a disk before printers and pipes.
    #[must_use]
    pub fn leading_share(&self) -> Option<&Share> {
        self.shares.iter().rev().max_by_key(|share| {
            let kind = match share.kind {
                Some(ShareKind::Disk) => 3,
                Some(ShareKind::Print) => 2,
                None => 1,
                Some(ShareKind::Pipe) => 0,
            };
            (share.connected == Some(true), kind, share.connected.is_none())
        })
    }

    /// The disk share that was connected.
    pub(super) fn disk_share(&self) -> Option<&Share> {
        self.leading_share()
            .filter(|share| share.connected == Some(true) && share.kind == Some(ShareKind::Disk))
    }

    /// Whether the evidence shows a technique.
    pub(super) fn shows(&self, technique: &str) -> bool {
        self.techniques.contains_key(technique)
    }

    /// Whether every message of every connection was read from its beginning, so that something not seen did not happen.
    pub(super) const fn read_in_full(&self) -> bool {
        self.complete
            && !self.joined_late
            && !self.one_sided
            && !self.conflicting
            && !self.encrypted
            && self.lost_records == 0
    }

    /// Payload that left the internal networks.
    #[must_use]
    pub const fn bytes_left(&self) -> u64 {
        self.counted.payload[0]
    }

    /// Payload that came into the internal networks.
    #[must_use]
    pub const fn bytes_came(&self) -> u64 {
        self.counted.payload[1]
    }

    /// "TCP 445", "TCP 139 and 445", "TCP 445, UDP 137".
    #[must_use]
    pub fn ports_phrase(&self) -> String {
        self.ports_of(|_| true)
    }

    /// The port of the server, where it is one of TCP.
    #[must_use]
    pub fn only_tcp_port(&self) -> Option<u16> {
        let (_, first, _) = self.ports.first()?;
        self.ports.iter().all(|(transport, port, _)| (*transport, port) == (TCP, first)).then_some(*first)
    }

    /// The ports of WebDAV: "TCP 80".
    pub(super) fn webdav_ports_phrase(&self) -> String {
        self.ports_of(|service| service == Service::WebDav)
    }

    /// The ports of the services that `wanted` takes.
    fn ports_of(&self, wanted: impl Fn(Service) -> bool) -> String {
        let ports = || self.ports.iter().filter(|(.., service)| wanted(*service));
        let of = |transport: u8| -> Vec<String> {
            let mut numbers: Vec<String> = Vec::new();
            for (_, port, _) in ports().filter(|(known, ..)| *known == transport) {
                let number = port.to_string();
                if !numbers.contains(&number) {
                    numbers.push(number);
                }
            }
            numbers
        };
        let mut transports: Vec<u8> = Vec::new();
        for (transport, ..) in ports() {
            if !transports.contains(transport) {
                transports.push(*transport);
            }
        }
        let phrases = transports.into_iter().map(|transport| {
            let name = if transport == UDP { "UDP" } else { "TCP" };
            format!("{name} {}", list(&of(transport)))
        });
        let phrase = phrases.collect::<Vec<_>>().join(", ");
        if phrase.is_empty() { "Windows networking".to_owned() } else { phrase }
    }

    /// "12.3 MiB left, 5.0 MiB came in", as far as anything did.
    #[must_use]
    pub fn volume_phrase(&self) -> Option<String> {
        let left = (self.bytes_left() > 0).then(|| format!("{} left", bytes(self.bytes_left())));
        let came = (self.bytes_came() > 0).then(|| format!("{} came in", bytes(self.bytes_came())));
        match (left, came) {
            (Some(left), Some(came)) => Some(format!("{left}, {came}")),
            (one, other) => one.or(other),
        }
    }

    /// "svcctl RCreateServiceW and RStartServiceW": what was called of the interfaces that `wanted` takes.
    pub(super) fn operations_phrase(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let called =
            self.operations.iter().filter(|(name, operations)| wanted(name) && !operations.is_empty());
        let phrases: Vec<_> = called
            .map(|(interface, operations)| {
                let operations: Vec<_> = operations.iter().map(|name| clean(name)).collect();
                format!("{} {}", clean(interface), list(&operations))
            })
            .collect();
        (!phrases.is_empty()).then(|| phrases.join(", "))
    }

    /// "srvsvc and wkssvc": interfaces that were bound, and of which no call was read.
    pub(super) fn bound_phrase(&self) -> Option<String> {
        let bound = self.operations.iter().filter(|(_, operations)| operations.is_empty());
        let names: Vec<_> = bound.map(|(interface, _)| clean(interface)).collect();
        (!names.is_empty()).then(|| list(&names))
    }

    /// Whether it is about one client and one server.
    pub(super) fn is_about_two_hosts(&self) -> bool {
        match self.scope {
            Scope::Pair | Scope::Connection => true,
            Scope::Client => self.targets.is_some_and(|counts| counts.targets == 1),
            Scope::Exposure => false,
        }
    }

    /// "sent a WebDAV request (PROPFIND by curl/8.5)", or `None` without WebDAV.
    pub(super) fn webdav_phrase(&self) -> Option<String> {
        let seen = self.webdav.as_ref()?;
        if !seen.requested {
            return Some("began a log-on over HTTP".to_owned());
        }
        let [method, program] = [&seen.method, &seen.user_agent].map(|text| text.as_deref().map(clean));
        Some(format!("sent {}", webdav_request(method.as_deref(), program.as_deref())))
    }

    /// "SMB 3.1.1", "SMB" or `None` where none was spoken.
    #[must_use]
    pub fn dialect_phrase(&self) -> Option<String> {
        let dialects: Vec<_> = self.dialects.iter().map(|name| clean(name)).collect();
        (!dialects.is_empty()).then(|| format!("SMB {}", list(&dialects)))
    }
}

impl CredentialMethod {
    /// The name that people use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Ntlmv1 => "NTLMv1",
            Self::Ntlmv2 => "NTLMv2",
            Self::NtlmOther => "NTLM",
            Self::Kerberos => "Kerberos",
            Self::Password => "plaintext password",
        }
    }
}

/// ` of CORP\ann`, or nothing where the user is not known.
pub(super) fn of_account(credential: &Credential) -> String {
    credential.account().map(|account| format!(" of {}", clean(&account))).unwrap_or_default()
}

/// "3 users", "99 passwords".
pub(super) fn several(count: u64, what: &str) -> String {
    counted(count, what)
}

/// The date and time of a moment, UTC.
fn civil(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(at.unix_nanos().into()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// "since 10:13", or "since 26 Nov" where `at` is of another day than `now`; UTC.
pub(super) fn since(at: Timestamp, now: Timestamp) -> String {
    if civil(at).date() == civil(now).date() {
        return format!("since {}", clock(at));
    }
    let day = civil(at).format(format_description!("[day padding:none] [month repr:short]"));
    format!("since {}", day.unwrap_or_default())
}

/// "10:13", UTC.
pub(super) fn clock(at: Timestamp) -> String {
    civil(at).format(format_description!("[hour]:[minute]")).unwrap_or_default()
}

/// "10:13:55", UTC.
pub(super) fn clock_to_the_second(at: Timestamp) -> String {
    civil(at).format(format_description!("[hour]:[minute]:[second]")).unwrap_or_default()
}
