//! Which techniques the evidence on a flow shows.
//!
//! A rule is about techniques; an alert names the ones that happened. An attempt that went nowhere shows none.

use super::{Direction, Sight, credential};
use crate::{
    attack::{
        EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, EXPLOIT_PUBLIC_FACING_APPLICATION, EXTERNAL_REMOTE_SERVICES,
        FORCED_AUTHENTICATION, NETWORK_SHARE_DISCOVERY, NON_STANDARD_PORT, Technique,
    },
    config::Service,
    dissect::Facts,
    flow::{Evidence, MORE_THAN_SET_UP},
};
use sensor_common::slot::TCP;

/// Techniques shown by the flow so far.
#[must_use]
pub fn evidenced(sight: &Sight<'_>) -> Vec<&'static Technique> {
    let flow = sight.flow;
    let mut shown: Vec<&'static Technique> = Vec::new();
    if sight.direction == Direction::Inbound {
        if flow.ends.transport == TCP && flow.evidence >= Evidence::Established {
            shown.push(&EXTERNAL_REMOTE_SERVICES);
        }
        if flow.smb_spoken() {
            shown.push(&EXPLOIT_PUBLIC_FACING_APPLICATION);
        }
    }
    if sight.service == Service::Smb
        && flow.evidence >= Evidence::Data
        && content_left(sight.direction, flow.payload_from_inside())
    {
        shown.push(&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL);
    }
    if sight.direction == Direction::Outbound && credential::sent(sight).next().is_some() {
        shown.push(&FORCED_AUTHENTICATION);
    }
    if flow.facts.as_deref().is_some_and(looks_for_shares) {
        shown.push(&NETWORK_SHARE_DISCOVERY);
    }
    if !sight.usual_port {
        shown.push(&NON_STANDARD_PORT);
    }
    shown
}

/// Whether so much payload from the inside holds content, where data moved. A client sends what it wants to send; a server
/// answers whatever it is asked, and content is what goes beyond such answers.
const fn content_left(direction: Direction, from_inside: u64) -> bool {
    match direction {
        Direction::Outbound => from_inside > 0,
        Direction::Inbound => from_inside > MORE_THAN_SET_UP,
    }
}

/// Whether somebody asked for the list of shares: NetrShareEnum and its like of the server service (MS-SRVS 3.1.4).
fn looks_for_shares(facts: &Facts) -> bool {
    const ENUMERATIONS: [u16; 3] = [15, 16, 36];
    facts.interfaces.iter().any(|interface| {
        interface.name == Some("srvsvc")
            && interface.operations.iter().any(|number| ENUMERATIONS.contains(number))
    })
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::UDP;
    use uuid::Uuid;

    use super::*;
    use crate::{
        detect::fixtures::{inbound, knowing, outbound, techniques},
        dissect::facts::Interface,
    };

    #[test]
    fn an_attempt_shows_no_technique() {
        assert!(techniques(&outbound(445, Evidence::Attempt)).is_empty());
        assert!(techniques(&inbound(TCP, 445, Evidence::Refused)).is_empty());
    }

    #[test]
    fn evidence_names_the_technique() {
        assert!(techniques(&outbound(445, Evidence::Established)).is_empty(), "no byte left yet");
        assert_eq!(techniques(&outbound(445, Evidence::Data)), ["T1048"]);
        assert_eq!(techniques(&inbound(TCP, 445, Evidence::Established)), ["T1133"]);
        assert_eq!(techniques(&inbound(TCP, 445, Evidence::Data)), ["T1133", "T1190"]);
        assert!(
            techniques(&inbound(UDP, 137, Evidence::Established)).is_empty(),
            "an answer is no remote service"
        );
    }

    #[test]
    fn whoever_lists_shares_looks_for_them() {
        let listed = Interface {
            uuid: Uuid::from_u128(0x4B32_4FC8_1670_01D3_1278_5A47_BF6E_E188),
            version: (3, 0),
            name: Some("srvsvc"),
            operations: vec![15],
        };
        let facts = Facts { smb2: true, interfaces: vec![listed], ..Facts::default() };
        let flow = knowing(inbound(TCP, 445, Evidence::Smb), Evidence::Share, facts);
        assert_eq!(techniques(&flow), ["T1133", "T1190", "T1135"]);
    }

    #[test]
    fn what_a_stranger_fetches_from_an_internal_server_leaves_and_mere_answers_do_not() {
        assert!(content_left(Direction::Outbound, 1));
        assert!(!content_left(Direction::Outbound, 0));
        assert!(!content_left(Direction::Inbound, 2_000), "a list of shares");
        assert!(content_left(Direction::Inbound, 100_000));
    }
}
