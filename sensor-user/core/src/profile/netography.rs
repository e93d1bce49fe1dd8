//! Netography's rule: an address outside your own networks reaches Windows networking inside them.

use std::borrow::Cow;

use super::{Networks, Ports, Profile, ProfileName, ProfileRule};
use crate::{
    attack::{
        EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXTERNAL_REMOTE_SERVICES, NETWORK_SERVICE_DISCOVERY,
        NETWORK_SHARE_DISCOVERY,
    },
    rules::{RuleMeta, external_access},
};

static RULE: RuleMeta = RuleMeta {
    id: "netography-external-access",
    techniques: &[
        &NETWORK_SERVICE_DISCOVERY,
        &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
        &EXTERNAL_REMOTE_SERVICES,
        &NETWORK_SHARE_DISCOVERY,
    ],
    ..external_access::META
};

/// The profile. Every address outside your networks is external, special-purpose space included.
pub(super) static PROFILE: Profile = Profile {
    name: ProfileName::Netography,
    summary: "Netography's \"external access of SMB\": an address outside your networks reaches Windows networking in them",
    networks: Networks::Configured { reserved: false },
    unwraps: true,
    rules: Cow::Borrowed(&[ProfileRule {
        rule: &RULE,
        source: "external_access_of_smb",
        ports: Ports::Fixed { tcp: &[135, 139, 445], udp: &[137, 138], smb_on_any: false },
        process: &[],
    }]),
    schedule: None,
    blind_spots: &[
        "connections that internal hosts open to the Internet",
        "special-purpose addresses: link-local, carrier and documentation ones count as strangers unless you list them",
        "SMB on other ports",
    ],
};
