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
    flow::Evidence,
};
use sensor_common::slot::{Side, TCP};

/// Techniques shown by the flow so far.
#[must_use]
pub fn evidenced(sight: &Sight<'_>) -> Vec<&'static Technique> {
    let flow = sight.flow;
    let mut shown: Vec<&'static Technique> = Vec::new();
    match sight.direction {
        Direction::Inbound => {
            if flow.ends.transport == TCP && flow.evidence >= Evidence::Established {
                shown.push(&EXTERNAL_REMOTE_SERVICES);
            }
            if flow.smb_spoken() {
                shown.push(&EXPLOIT_PUBLIC_FACING_APPLICATION);
            }
        }
        Direction::Outbound => {
            let left = flow.counts().payload[Side::Local as usize];
            if sight.service == Service::Smb && flow.evidence >= Evidence::Data && left > 0 {
                shown.push(&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL);
            }
        }
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

/// Whether somebody asked for the list of shares: NetrShareEnum and its like of the server service (MS-SRVS 3.1.4).
fn looks_for_shares(facts: &Facts) -> bool {
    const ENUMERATIONS: [u16; 3] = [15, 16, 36];
    facts.interfaces.iter().any(|interface| {
        interface.name == Some("srvsvc")
            && interface.operations.iter().any(|number| ENUMERATIONS.contains(number))
    })
}
