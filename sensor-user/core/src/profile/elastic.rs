//! Elastic's prebuilt rules about SMB and the Internet, in two states.
//!
//! `elastic-v105` is "SMB activity to the Internet" of version 105 (package 8.17.4) with "rare SMB connection to the Internet" of
//! version 209. `elastic-current` is the state of 2026: version 112 of the first, which requires a new source, the newest version
//! of the second, and "SMB activity from the Internet". Both directions share one pair of lists. For the rule from the Internet,
//! the source must be outside the second list and the destination in the first.
//!
//! Elastic runs them every five minutes over the last nine. The sensor reports a match at once: once for a connection if
//! the query is about documents, once for a term and window if it is about new terms. Overlapping executions that drop
//! duplicates give the same result. Elastic's limit of a hundred alerts for an execution applies to a window here.

use std::borrow::Cow;

use super::{Field, Networks, NewTerm, Ports, Profile, ProfileName, ProfileRule, Schedule};
use crate::{
    attack::{
        EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXPLOIT_PUBLIC_FACING_APPLICATION, EXTERNAL_REMOTE_SERVICES,
        FORCED_AUTHENTICATION,
    },
    level::Severity,
    rules::{RuleMeta, SMB, Scope, external_access, rare_destination, smb_to_internet},
};

const INTERNAL: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

const NOT_INTERNET: &[&str] = &[
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/32",
    "192.0.0.171/32",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.168.0.0/16",
    "192.88.99.0/24",
    "224.0.0.0/4",
    "100.64.0.0/10",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
];

const NETWORKS: Networks = Networks::Fixed { internal: INTERNAL, not_internet: NOT_INTERNET };

const SCHEDULE: Schedule = Schedule { every_minutes: 5, look_back_minutes: 9, max_alerts: 100 };

const SMB_PORTS: Ports = Ports::Fixed { tcp: &[139, 445], udp: &[], smb_on_any: false };
const SMB_ANYWHERE: Ports = Ports::Fixed { tcp: &[139, 445], udp: &[], smb_on_any: true };

/// The rare rule's condition about the client's process.
const WINDOWS_KERNEL: &[&str] = &["host.os.type: windows", "process.pid: 4"];

/// These rules take every unlisted address for the Internet. Listing a network does not help, but an exemption does.
const FALSE_POSITIVES: &[&str] = &[
    "public addresses of your own organisation, which these rules do not know: exempt them with a reason",
    "unanswered single packets of a scan or with a forged source: use the profile sensor, which rates them low",
    "file services that you rent at a provider: exempt the server with a reason",
];

/// A source that is new within five days.
const NEW_SOURCE: NewTerm = NewTerm { field: Field::SourceIp, days: 5 };

static SMB_V105: RuleMeta = RuleMeta {
    id: "elastic-v105-smb-to-internet",
    false_positives: FALSE_POSITIVES,
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXPLOIT_PUBLIC_FACING_APPLICATION, &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    ..smb_to_internet::META
};

static RARE_V209: RuleMeta = RuleMeta {
    id: "elastic-v105-rare-smb-destination",
    false_positives: FALSE_POSITIVES,
    severity: Severity::Medium,
    risk_score: 47,
    techniques: &[&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    ..rare_destination::META
};

static SMB_V112: RuleMeta = RuleMeta {
    id: "elastic-current-smb-to-internet",
    name: "SMB to the Internet by a new source",
    scope: Scope { new_term: Some(NEW_SOURCE), ..smb_to_internet::META.scope },
    severity: Severity::Medium,
    risk_score: 47,
    ..SMB_V105
};

static RARE_CURRENT: RuleMeta = RuleMeta {
    id: "elastic-current-rare-smb-destination",
    techniques: &[&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, &FORCED_AUTHENTICATION],
    ..RARE_V209
};

static FROM_INTERNET: RuleMeta = RuleMeta {
    id: "elastic-current-smb-from-internet",
    false_positives: FALSE_POSITIVES,
    name: "SMB from the Internet by a new source",
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&EXTERNAL_REMOTE_SERVICES, &EXPLOIT_PUBLIC_FACING_APPLICATION],
    scope: Scope { services: SMB, new_term: Some(NEW_SOURCE), ..external_access::META.scope },
    ..external_access::META
};

/// As of version 105.
pub(super) static V105: Profile = Profile {
    name: ProfileName::ElasticV105,
    summary: "Elastic's \"SMB to the Internet\" version 105 and \"rare SMB\" version 209: any packet counts",
    networks: NETWORKS,
    unwraps: false,
    rules: Cow::Borrowed(&[
        ProfileRule {
            rule: &SMB_V105,
            source: "SMB activity to the Internet, version 105",
            ports: SMB_ANYWHERE,
            process: &[],
        },
        ProfileRule {
            rule: &RARE_V209,
            source: "Rare SMB connection to the Internet, version 209",
            ports: SMB_PORTS,
            process: WINDOWS_KERNEL,
        },
    ]),
    schedule: Some(SCHEDULE),
    blind_spots: &[
        "clients with IPv6 addresses",
        "public addresses of your own organisation, which count as the Internet despite the configuration",
        "how far the connection got: a lone SYN is enough, even a forged one",
        "connections from the Internet",
        "the client's process, of which the rare rule asks (Windows, process 4), unless the client is this machine",
    ],
};

/// As published in 2026.
pub(super) static CURRENT: Profile = Profile {
    name: ProfileName::ElasticCurrent,
    summary: "Elastic's rules of 2026: to the Internet (version 112), from the Internet, and rare destinations",
    networks: NETWORKS,
    unwraps: false,
    rules: Cow::Borrowed(&[
        ProfileRule {
            rule: &SMB_V112,
            source: "SMB activity to the Internet, version 112",
            ports: SMB_ANYWHERE,
            process: &[],
        },
        ProfileRule {
            rule: &RARE_CURRENT,
            source: "Rare SMB connection to the Internet, 2026",
            ports: SMB_PORTS,
            process: WINDOWS_KERNEL,
        },
        ProfileRule {
            rule: &FROM_INTERNET,
            source: "SMB activity from the Internet, 2026",
            ports: SMB_PORTS,
            process: &[],
        },
    ]),
    schedule: Some(SCHEDULE),
    blind_spots: &[
        "internal hosts with IPv6 addresses",
        "public addresses of your own organisation, which count as the Internet despite the configuration",
        "how far the connection got: a lone SYN is enough, even a forged one",
        "a second destination of the same source within five days",
        "the client's process, of which the rare rule asks (Windows, process 4), unless the client is this machine",
    ],
};
