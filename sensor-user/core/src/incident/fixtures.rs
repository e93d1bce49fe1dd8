//! Incidents for tests, each as the core makes it of what its name says.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use sensor_common::slot::{TCP, UDP};
use sensor_dissect::quic::{ClientHello, Version};

use super::{
    CampaignAction, CampaignSummary, ConnectionRecord, Counted, Credential, CredentialMethod, FindingRecord,
    Incident, IncidentId, LogonOutcome, Milestone, Party, RelatedIncidents, RelationKind, Scope, Share,
    ShareKind, StoredIncident, TargetCounts, ThreatHit, TimelineEntry, entry::Key, message,
};
use crate::{
    address::Direction,
    asset::{Asset, AssetRole},
    enrichment::{AutonomousSystem, Enrichment, Sightings},
    level::{EvidenceLevel, Severity},
    process::{Container, Executable, Process, Thread},
    rules::outbound_volume::{Cause, ExcessVolume},
    service::Service,
    time::Timestamp,
    view::OtherProtocol,
};

/// 29 Nov 2026, 10:13:55.102 UTC.
pub const START: Timestamp = Timestamp::from_unix_nanos(1_795_947_235_102_000_000);

/// `millis` after [`START`].
#[must_use]
pub fn after(millis: i64) -> Timestamp {
    Timestamp::from_unix_nanos(START.unix_nanos() + millis * 1_000_000)
}

/// An address.
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
}

/// A side with one address.
#[must_use]
pub fn host(address: &str) -> Party {
    Party { addresses: vec![ip(address)], count: 1, ..Party::default() }
}

/// A side with many addresses, the first of which are known.
#[must_use]
pub fn hosts(prefix: &str, count: u64) -> Party {
    let addresses = (1..=count.min(8)).map(|last| ip(&format!("{prefix}.{last}"))).collect();
    Party { addresses, count, ..Party::default() }
}

/// An incident between two hosts on TCP 445, of which nothing else is known.
#[must_use]
pub fn pair(direction: Direction, internal: &str, external: &str, level: EvidenceLevel) -> Incident {
    Incident {
        direction,
        internal: host(internal),
        external: host(external),
        risk_score: 21,
        level,
        opened: after(6),
        first: START,
        last: after(11_899),
        updated: after(11_899),
        sequence: 1,
        rule: match direction {
            Direction::Outbound => "smb-to-internet",
            Direction::Inbound => "external-access-windows-networking",
        }
        .to_owned(),
        counted: Counted { connections: 1, packets: [12, 11], bytes: [2_480, 2_256], ..Counted::default() },
        ports: vec![(TCP, 445, Service::Smb)],
        ifindex: Some(2),
        ..Incident::empty(IncidentId(0x7f3a_0000_0000_0001))
    }
}

/// The incident as it is stored after it was opened.
#[must_use]
pub fn stored(incident: Incident) -> StoredIncident {
    let key = match (incident.internal.addresses.first(), incident.external.addresses.first()) {
        (Some(&internal), Some(&external)) => Key::Pair { internal, external, direction: incident.direction },
        _ => Key::Client { client: ip(""), direction: incident.direction },
    };
    StoredIncident::new(incident, key)
}

/// A user's credential and what came of it.
#[must_use]
pub fn credential(method: CredentialMethod, user: &str, outcome: Option<LogonOutcome>) -> Credential {
    let (domain, name) = user.split_once('\\').unwrap_or(("", user));
    Credential {
        method,
        user: (!name.is_empty()).then(|| name.to_owned()),
        domain: (!domain.is_empty()).then(|| domain.to_owned()),
        workstation: None,
        target: None,
        fingerprints: Vec::new(),
        outcome,
        status: (outcome == Some(LogonOutcome::Refused)).then_some(0xC000_006D),
        attempts: 1,
        first: after(19),
    }
}

/// A connected share.
#[must_use]
pub fn share(path: &str, kind: ShareKind) -> Share {
    Share { path: path.to_owned(), kind: Some(kind), connected: Some(true) }
}

fn find(
    incident: &mut Incident,
    rule: &str,
    severity: Severity,
    risk_score: u8,
    techniques: &[&str],
    fact: &str,
) {
    let found = FindingRecord {
        rule: rule.to_owned(),
        risen_from: None,
        severity,
        risk_score,
        fact: fact.to_owned(),
        techniques: techniques.iter().map(|id| (*id).to_owned()).collect(),
        first: incident.opened,
        last: incident.last,
        connections: 1,
    };
    for technique in &found.techniques {
        incident.techniques.insert(technique.clone(), fact.to_owned());
    }
    incident.rule = rule.to_owned();
    incident.findings.insert(rule.to_owned(), found);
    incident.severity = incident.severity.max(severity);
    incident.risk_score = incident.risk_score.max(risk_score);
}

fn connect(incident: &mut Incident, port: u16, server_port: u16) {
    let (internal, external) = (incident.internal.addresses[0], incident.external.addresses[0]);
    let (client, server) = match incident.direction {
        Direction::Outbound => (internal, external),
        Direction::Inbound => (external, internal),
    };
    incident.connections.push(ConnectionRecord {
        client: (client, port).into(),
        server: (server, server_port).into(),
        transport: incident.ports[0].0,
        first: incident.first,
        last: incident.last,
        level: incident.level,
        bytes_left: incident.counted.payload[0],
        bytes_came: incident.counted.payload[1],
        closed: incident.level != EvidenceLevel::Attempt,
    });
}

fn step(incident: &mut Incident, millis: i64, what: Milestone) {
    incident.timeline.push(TimelineEntry { at: after(millis), what });
}

/// The process of smbclient, with all that can be known.
#[must_use]
pub fn smbclient() -> Arc<Process> {
    Arc::new(Process {
        pid: 4_711,
        name: Some("smbclient".into()),
        thread: Some(Thread { id: 4_712, name: "worker".into() }),
        user: 1_000,
        user_name: Some("ann".into()),
        executable: Some(Executable { path: "/usr/bin/smbclient".into(), deleted: false }),
        cgroup_id: u64::MAX,
        cgroup: Some("/user.slice".into()),
        container: Some(Container { id: "c0ffee".into(), runtime: Some("docker".into()) }),
    })
}

/// The same as [`leak_accepted`], by three processes.
#[must_use]
pub fn several_processes() -> Incident {
    let mut it = leak_accepted();
    it.other_processes = [("explorer", 4_720), ("bash", 4_730)]
        .map(|(name, pid)| Arc::new(Process { pid, name: Some(name.into()), ..Process::clone(&smbclient()) }))
        .into();
    it
}

/// A client that gave an NTLMv2 response away, which was accepted.
#[must_use]
pub fn leak_accepted() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.2", "8.8.4.4", EvidenceLevel::Share);
    it.internal.name = Some("PC-ANN".into());
    it.external.name = Some("FILES".into());
    it.counted = Counted {
        connections: 3,
        packets: [36, 33],
        bytes: [4_480, 4_256],
        payload: [1_843, 1_638],
        logons_accepted: 1,
        ..Counted::default()
    };
    find(
        &mut it,
        "rare-smb-destination",
        Severity::Medium,
        47,
        &[],
        "no internal host used 8.8.4.4 in the 7 days before",
    );
    find(&mut it, "smb-to-internet", Severity::High, 73, &[], "10.0.0.2 spoke SMB 3.1.1 with 8.8.4.4");
    find(
        &mut it,
        "ntlm-credential-to-internet",
        Severity::Critical,
        99,
        &["T1187"],
        r"10.0.0.2 sent an NTLMv2 response of CORP\ann for cifs/8.8.4.4 to 8.8.4.4, which accepted it",
    );
    it.credentials = vec![Credential {
        workstation: Some("PC-ANN".into()),
        target: Some("cifs/8.8.4.4".into()),
        fingerprints: vec!["00112233445566778899aabbccddeeff".into()],
        ..credential(CredentialMethod::Ntlmv2, r"CORP\ann", Some(LogonOutcome::Accepted))
    }];
    it.shares = vec![share(r"\\8.8.4.4\IPC$", ShareKind::Pipe), share(r"\\8.8.4.4\files", ShareKind::Disk)];
    it.dialects = vec!["3.1.1".into()];
    it.process = Some(smbclient());
    for port in [50_000, 50_001, 50_002] {
        connect(&mut it, port, 445);
    }
    let account = Some(r"CORP\ann".to_owned());
    step(&mut it, 0, Milestone::Connected);
    step(&mut it, 6, Milestone::Smb);
    step(&mut it, 19, Milestone::CredentialSent(account.clone()));
    step(&mut it, 25, Milestone::Accepted(account));
    step(&mut it, 31, Milestone::Share(r"\\8.8.4.4\files".into()));
    step(&mut it, 11_899, Milestone::Closed);
    it.closed = Some(after(11_899));
    it.sequence = 4;
    it
}

/// The same, refused.
#[must_use]
pub fn leak_refused() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.2", "8.8.4.4", EvidenceLevel::Credential);
    let fact = r"10.0.0.2 sent an NTLMv2 response of CORP\ann to 8.8.4.4, which refused it";
    find(&mut it, "ntlm-credential-to-internet", Severity::High, 86, &["T1187"], fact);
    it.credentials = vec![credential(CredentialMethod::Ntlmv2, r"CORP\ann", Some(LogonOutcome::Refused))];
    it.counted.logons_refused = 1;
    it
}

/// A password in the clear.
#[must_use]
pub fn plain_password() -> Incident {
    let mut it = leak_refused();
    it.credentials = vec![credential(CredentialMethod::Password, "ann", Some(LogonOutcome::Accepted))];
    it.counted.logons_accepted = 1;
    it
}

/// An upload in encrypted messages.
#[must_use]
pub fn encrypted_upload() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.2", "8.8.4.4", EvidenceLevel::Data);
    it.counted.payload = [12_897_485, 40_000];
    it.last = after(240_000);
    find(
        &mut it,
        "data-leaving-over-smb",
        Severity::Critical,
        99,
        &["T1048"],
        "12.3 MiB left 10.0.0.2 for 8.8.4.4 over SMB in 4 min, over one connection",
    );
    it.excess_volume = Some(ExcessVolume { cause: Cause::Bytes, bytes: 12_897_485, rate: 53_739 });
    it.shares = vec![share(r"\\8.8.4.4\IPC$", ShareKind::Pipe), share(r"\\8.8.4.4\drop", ShareKind::Disk)];
    it.encrypted = true;
    it.dialects = vec!["3.1.1".into()];
    connect(&mut it, 50_000, 445);
    it
}

/// Files fetched from outside.
#[must_use]
pub fn download() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.2", "8.8.4.4", EvidenceLevel::Data);
    it.counted.payload = [30_000, 5_242_880];
    it.content.came = true;
    let fact = r"10.0.0.2 read content from \\8.8.4.4\tools; 5.0 MiB came in";
    find(&mut it, "smb-download-from-internet", Severity::High, 73, &["T1105"], fact);
    it.shares = vec![share(r"\\8.8.4.4\tools", ShareKind::Disk)];
    it.credentials = vec![credential(CredentialMethod::Anonymous, "", Some(LogonOutcome::Accepted))];
    it.counted.logons_anonymous = 1;
    it
}

/// A hundred guesses, the last of which was right, and something written.
#[must_use]
pub fn guessing_succeeded() -> Incident {
    let mut it = guessing_refused();
    it.level = EvidenceLevel::Data;
    it.credentials.push(credential(CredentialMethod::Ntlmv2, r"CORP\bob", Some(LogonOutcome::Accepted)));
    it.counted.connections = 100;
    it.counted.logons_accepted = 1;
    it.counted.payload = [9_000, 62_464];
    it.content.came = true;
    it.shares = vec![share(r"\\10.0.1.2\data", ShareKind::Disk)];
    let fact = r"10.0.1.2 accepted NTLMv2 of CORP\bob from 203.0.112.9";
    find(&mut it, "external-logon-accepted", Severity::Critical, 99, &["T1078", "T1133"], fact);
    it
}

/// Ninety-nine guesses for three users.
#[must_use]
pub fn guessing_refused() -> Incident {
    let mut it = pair(Direction::Inbound, "10.0.1.2", "203.0.112.9", EvidenceLevel::Credential);
    it.counted.connections = 99;
    it.counted.logons_refused = 99;
    for user in ["alice", "bob", "carol"] {
        it.refused_accounts.insert(format!(r"corp\{user}"), 33);
        it.credentials.push(credential(
            CredentialMethod::Ntlmv2,
            &format!(r"CORP\{user}"),
            Some(LogonOutcome::Refused),
        ));
    }
    let fact =
        r"10.0.1.2 refused 99 log-ons of 3 accounts (corp\alice, corp\bob and corp\carol) from 203.0.112.9";
    find(&mut it, "smb-password-guessing", Severity::High, 82, &["T1110.001"], fact);
    connect(&mut it, 40_000, 445);
    it
}

/// A response given away and used.
#[must_use]
pub fn relay() -> Incident {
    let mut it = pair(Direction::Inbound, "10.0.1.2", "8.8.4.4", EvidenceLevel::Session);
    it.credentials = vec![credential(CredentialMethod::Ntlmv2, r"CORP\ann", Some(LogonOutcome::Accepted))];
    let fact = "8.8.4.4 sent to 10.0.1.2 the NTLM response that 10.0.0.2 had sent to 8.8.4.4 2 s before; the server accepted it";
    find(&mut it, "ntlm-relay", Severity::Critical, 99, &["T1557.001"], fact);
    it
}

/// A service created and started from outside.
#[must_use]
pub fn remote_execution() -> Incident {
    let mut it = pair(Direction::Inbound, "10.0.1.2", "203.0.112.9", EvidenceLevel::Data);
    it.credentials = vec![credential(CredentialMethod::Ntlmv2, r"CORP\bob", Some(LogonOutcome::Accepted))];
    it.operations.insert("svcctl".into(), vec!["RCreateServiceW".into(), "RStartServiceW".into()]);
    it.operations.insert("srvsvc".into(), vec!["NetrShareEnum".into()]);
    it.shares =
        vec![share(r"\\10.0.1.2\IPC$", ShareKind::Pipe), share(r"\\10.0.1.2\ADMIN$", ShareKind::Disk)];
    it.counted.payload = [20_480, 61_440];
    it.content.came = true;
    let fact = "203.0.112.9 called RCreateServiceW and RStartServiceW of svcctl on 10.0.1.2";
    find(&mut it, "remote-execution-over-smb", Severity::Critical, 99, &["T1021.002", "T1569.002"], fact);
    it
}

/// TLS on the port of SMB.
#[must_use]
pub fn tls_on_445() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.5", "198.51.99.4", EvidenceLevel::Connected);
    it.other_protocols = vec![OtherProtocol::Tls];
    find(
        &mut it,
        "smb-to-internet",
        Severity::High,
        73,
        &[],
        "10.0.0.5 connected to TCP 445 of 198.51.99.4, and spoke TLS",
    );
    (it.severity, it.risk_score) = (Severity::Low, 21);
    connect(&mut it, 50_000, 445);
    it
}

/// A mapped drive that nobody answers.
#[must_use]
pub fn retries() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.17", "198.51.99.4", EvidenceLevel::Attempt);
    it.counted = Counted {
        connections: 8_641,
        silent: 8_641,
        packets: [8_641, 0],
        bytes: [518_460, 0],
        ..Counted::default()
    };
    it.first = after(-8_640 * 30_000);
    it.last = START;
    find(
        &mut it,
        "smb-to-internet",
        Severity::High,
        73,
        &[],
        "10.0.0.17 tried TCP 445 of 198.51.99.4, and no answer was seen",
    );
    (it.severity, it.risk_score) = (Severity::Low, 21);
    connect(&mut it, 50_000, 445);
    it
}

/// A session that the sensor saw from its middle on.
#[must_use]
pub fn joined_late() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.2", "8.8.4.4", EvidenceLevel::Data);
    it.joined_late = true;
    it.complete = false;
    it.counted.payload = [200_000, 90_000];
    it
}

/// Three hundred addresses tried.
#[must_use]
pub fn sweep() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.31", "9.9.0.1", EvidenceLevel::Answered);
    it.scope = Scope::Client;
    it.external = hosts("9.9.0", 300);
    it.targets = Some(TargetCounts { targets: 300, answered: 10, refused: 41, silent: 249 });
    it.counted.connections = 300;
    let fact = "10.0.0.31 tried TCP 445 of 300 addresses: 10 answered, 41 refused, 249 silent";
    find(&mut it, "smb-sweep", Severity::High, 73, &["T1046"], fact);
    it
}

/// A port that answers everybody.
#[must_use]
pub fn exposure() -> Incident {
    let mut it = pair(Direction::Inbound, "10.0.1.2", "9.9.0.1", EvidenceLevel::Answered);
    it.scope = Scope::Exposure;
    it.external = hosts("9.9.0", 20);
    it.counted.connections = 20;
    find(
        &mut it,
        "windows-networking-exposed",
        Severity::Medium,
        47,
        &[],
        "TCP 445 of 10.0.1.2 answered 9.9.0.1",
    );
    it
}

/// An anonymous log-on that was accepted beside a user's that was let in as guest and one that was refused.
#[must_use]
pub fn anonymous_beside_refused() -> Incident {
    let mut it = pair(Direction::Inbound, "10.0.1.2", "203.0.112.9", EvidenceLevel::Share);
    it.credentials = vec![
        credential(CredentialMethod::Anonymous, "", Some(LogonOutcome::Accepted)),
        credential(CredentialMethod::Ntlmv2, r"CORP\guest", Some(LogonOutcome::Refused)),
    ];
    it.counted.logons_refused = 1;
    it.counted.logons_anonymous = 1;
    it.shares = vec![share(r"\\10.0.1.2\IPC$", ShareKind::Pipe)];
    find(
        &mut it,
        "external-access-windows-networking",
        Severity::High,
        73,
        &[],
        "203.0.112.9 spoke SMB with 10.0.1.2",
    );
    it
}

/// Names that steer a terminal and forge a line.
#[must_use]
pub fn hostile_names() -> Incident {
    let mut it = leak_accepted();
    let hostile = "a\u{1b}[2J\nb\u{202e}";
    it.internal.name = Some(hostile.into());
    it.credentials[0].user = Some(hostile.into());
    it.credentials[0].workstation = Some(hostile.into());
    it.shares[1].path = format!(r"\\8.8.4.4\{hostile}");
    it.dialects = vec![hostile.into()];
    it.operations.insert(hostile.into(), vec![hostile.into()]);
    it.timeline[2].what = Milestone::CredentialSent(Some(hostile.into()));
    it.threats = vec![threat(hostile)];
    for finding in it.findings.values_mut() {
        finding.fact.push_str(hostile);
    }
    it
}

fn threat(list: &str) -> ThreatHit {
    ThreatHit {
        list: list.to_owned(),
        prefix: "8.8.4.0/24".into(),
        line: 7,
        description: Some("scanners".into()),
    }
}

/// Node status asked from outside over IPv6 and answered, by a listed host, on a VLAN, partly dropped.
#[must_use]
pub fn netbios_listed() -> Incident {
    let mut it = pair(Direction::Inbound, "fd00:1::2", "2001:4860:4860::8844", EvidenceLevel::Connected);
    it.ports = vec![(UDP, 137, Service::Netbios)];
    it.threats = vec![threat("feed")];
    it.vlan = Some(12);
    it.counted.dropped = 1;
    it.one_sided = true;
    it.learning_until = Some(after(3_600_000));
    it.windows_client = vec!["client GUID".into()];
    it.lost_records = 3;
    it.restarted = true;
    it.continued = 2;
    find(
        &mut it,
        "external-access-windows-networking",
        Severity::Critical,
        99,
        &[],
        "2001:4860:4860::8844 asked UDP 137 of fd00:1::2, which answered",
    );
    connect(&mut it, 137, 137);
    it
}

/// SMB offered over QUIC to a server outside, which answered.
#[must_use]
pub fn quic() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.2", "8.8.4.4", EvidenceLevel::Answered);
    it.ports = vec![(UDP, 443, Service::SmbOverQuic)];
    it.quic = vec![ClientHello {
        version: Version::V1,
        server_name: Some("files.example.com".into()),
        protocols: vec!["smb".into()],
    }];
    it.counted.payload = [1_887, 1_638];
    let fact =
        "10.0.0.2 offered SMB over QUIC version 1 to UDP 443 of 8.8.4.4 (files.example.com), which answered";
    find(&mut it, "smb-over-quic", Severity::High, 73, &[], fact);
    it.rule = "smb-over-quic".into();
    it.severity = Severity::High;
    it.risk_score = 73;
    connect(&mut it, 50_000, 443);
    it.connections.iter_mut().for_each(|one| (one.transport, one.level) = (UDP, EvidenceLevel::Answered));
    step(&mut it, 0, Milestone::SmbOverQuic(Some("files.example.com".into())));
    it
}

/// A Kerberos log-on to a server outside.
#[must_use]
pub fn kerberos() -> Incident {
    let mut it = pair(Direction::Outbound, "10.0.0.2", "8.8.4.4", EvidenceLevel::Session);
    it.credentials = vec![Credential {
        target: Some("cifs/files.example".into()),
        domain: Some("EXAMPLE".into()),
        ..credential(CredentialMethod::Kerberos, "", Some(LogonOutcome::Accepted))
    }];
    find(&mut it, "smb-to-internet", Severity::High, 73, &[], "10.0.0.2 spoke SMB 3.1.1 with 8.8.4.4");
    it
}

/// What a database says of an address.
fn in_system(number: u32, organisation: &str, country: &str) -> Enrichment {
    let autonomous_system = AutonomousSystem { number, organisation: Some(organisation.into()) };
    Enrichment {
        autonomous_system: Some(autonomous_system),
        country: Some(country.into()),
        ..Enrichment::default()
    }
}

/// Volume that left a host which the inventory lists as a backup host.
#[must_use]
pub fn backup_of_inventory() -> Incident {
    let mut it = encrypted_upload();
    it.internal.enrichment.mac = Some("00-00-5E-00-53-01".into());
    it.external.enrichment = in_system(64_500, "ExampleNet", "US");
    it.internal.asset =
        Some(Asset { name: "bk01".into(), owner: Some("Ann Example".into()), role: Some(AssetRole::Backup) });
    (it.severity, it.risk_score) = (Severity::High, 73);
    it.related = RelatedIncidents {
        campaign: Some(IncidentId(0x11c9 << 48)),
        incidents: vec![
            (IncidentId(0x11c9 << 48), BTreeSet::from([RelationKind::ExternalHost])),
            (IncidentId(0x0d4e << 48), BTreeSet::from([RelationKind::ExternalHost, RelationKind::User])),
        ],
    };
    it
}

/// A wave of thirty leaks to one server.
#[must_use]
pub fn campaign(action: CampaignAction) -> CampaignSummary {
    let worst = leak_accepted();
    CampaignSummary {
        id: worst.id,
        action,
        at: after(60_000),
        incidents: 30,
        listed: vec![worst.id, IncidentId(7)],
        internal: (30, vec![ip("10.0.0.2"), ip("10.0.0.3")]),
        external: (1, vec![ip("8.8.4.4")]),
        accounts: vec!["CORP\\ann".into(), "CORP\\bob".into()],
        kinds: BTreeMap::from([(RelationKind::ExternalHost, 29), (RelationKind::User, 3)]),
        severity: worst.severity,
        risk_score: worst.risk_score,
        level: worst.level,
        first: worst.first,
        last: after(50_000),
        rule: worst.rule.clone(),
        worst: message::sentence(&worst),
    }
}

/// Guessing at a server that got its address by DHCP.
#[must_use]
pub fn leased_server() -> Incident {
    let mut it = guessing_refused();
    it.internal.name = None;
    it.internal.enrichment = Enrichment {
        mac: Some("00-00-5E-00-53-02".into()),
        lease_name: Some("nas".into()),
        ..Enrichment::default()
    };
    it.external.enrichment = in_system(64_501, "Hoster", "DE");
    it.external.enrichment.sightings =
        Some(Sightings { first: after(-200_000_000), days: 3, hosts: 2, level: EvidenceLevel::Share });
    it
}

/// Every incident here, with its name.
#[must_use]
pub fn all() -> Vec<(&'static str, Incident)> {
    vec![
        ("leak-accepted", leak_accepted()),
        ("leak-refused", leak_refused()),
        ("plain-password", plain_password()),
        ("encrypted-upload", encrypted_upload()),
        ("download", download()),
        ("guessing-succeeded", guessing_succeeded()),
        ("guessing-refused", guessing_refused()),
        ("relay", relay()),
        ("remote-execution", remote_execution()),
        ("tls-on-445", tls_on_445()),
        ("retries", retries()),
        ("joined-late", joined_late()),
        ("sweep", sweep()),
        ("exposure", exposure()),
        ("anonymous-beside-refused", anonymous_beside_refused()),
        ("hostile-names", hostile_names()),
        ("netbios-listed", netbios_listed()),
        ("kerberos", kerberos()),
        ("quic", quic()),
        ("several-processes", several_processes()),
        ("backup-of-inventory", backup_of_inventory()),
        ("leased-server", leased_server()),
    ]
}
