//! Netography's rule: an address outside your own networks reaches Windows networking inside them.

use super::{Networks, Ports, Profile, ProfileName, ProfileRule};
use crate::{
    attack::{
        EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXTERNAL_REMOTE_SERVICES, NETWORK_SERVICE_DISCOVERY,
        NETWORK_SHARE_DISCOVERY,
    },
    detect::{Direction, Rule, external_access},
};

static RULE: Rule = Rule {
    id: "netography-external-access",
    techniques: &[
        &NETWORK_SERVICE_DISCOVERY,
        &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL,
        &EXTERNAL_REMOTE_SERVICES,
        &NETWORK_SHARE_DISCOVERY,
    ],
    ..external_access::RULE
};

/// The profile. Whatever is not one of your networks is outside, be it special-purpose space.
pub(super) static PROFILE: Profile = Profile {
    name: ProfileName::Netography,
    summary: "Netography's \"external access of SMB\": whoever is not in your networks reaches Windows networking in them",
    networks: Networks::Configured { reserved: false },
    unwraps: true,
    rules: &[ProfileRule {
        rule: &RULE,
        source: "external_access_of_smb",
        direction: Some(Direction::Inbound),
        ports: Ports::Fixed { tcp: &[135, 139, 445], udp: &[137, 138], smb_on_any: false },
        new_term: None,
        evidence: None,
        process: &[],
    }],
    schedule: None,
    blind_spots: &[
        "what internal machines do on the Internet",
        "special-purpose addresses: link-local, carrier and documentation ones count as strangers unless you list them",
        "SMB on other ports",
    ],
};
