//! This sensor's own rules, as data: what [`crate::detect`] does with a conversation, for comparison with the others.

use super::{Field, Networks, NewTerm, Ports, Profile, ProfileName, ProfileRule};
use crate::{
    config::Service,
    detect::{
        Direction, Rule, another_port, credential, data_leaving, external_access, rare_destination,
        smb_to_internet, smb1, sweep,
    },
};

const SMB: Ports = Ports::Of(&[Service::Smb]);
const EVERY_SERVICE: Ports = Ports::Of(&[Service::Smb, Service::Rpc, Service::Netbios]);

const fn own(rule: &'static Rule, direction: Option<Direction>, ports: Ports) -> ProfileRule {
    ProfileRule { rule, source: "smb-sensor", direction, ports, new_term: None, evidence: None, process: &[] }
}

/// The profile.
pub(super) static PROFILE: Profile = Profile {
    name: ProfileName::Sensor,
    summary: "the sensor's own rules: both directions, IPv6, every service, told with how far the conversation got",
    networks: Networks::Configured { reserved: true },
    unwraps: true,
    rules: &[
        own(&smb_to_internet::RULE, Some(Direction::Outbound), SMB),
        ProfileRule {
            new_term: Some(NewTerm { field: Field::DestinationIp, days: 7 }),
            ..own(&rare_destination::RULE, Some(Direction::Outbound), SMB)
        },
        own(&external_access::RULE, Some(Direction::Inbound), EVERY_SERVICE),
        ProfileRule {
            evidence: Some("the client sends an NTLM response that is not anonymous"),
            ..own(&credential::RULE, Some(Direction::Outbound), SMB)
        },
        ProfileRule {
            evidence: Some(
                "more payload leaves than detection.data_leaving_bytes, or faster than data_leaving_rate, between the two addresses",
            ),
            ..own(&data_leaving::RULE, None, SMB)
        },
        ProfileRule { evidence: Some("both ends agree on SMB 1"), ..own(&smb1::RULE, None, SMB) },
        ProfileRule {
            evidence: Some("the port is none of the service set, and SMB messages are recognised on it"),
            ..own(&another_port::RULE, None, SMB)
        },
        ProfileRule {
            evidence: Some(
                "the client tries detection.sweep_targets distinct machines within sweep_window seconds",
            ),
            ..own(&sweep::RULE, None, EVERY_SERVICE)
        },
    ],
    schedule: None,
    blind_spots: &[],
};
