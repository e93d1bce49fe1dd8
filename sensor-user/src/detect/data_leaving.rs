//! Data leaving over SMB: an internal machine sends a lot to a server on the Internet, or serves it to a stranger.

use super::{Limits, Rule, Service, Severity, Sight};
use crate::{attack::EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, flow::Evidence};

pub(crate) static RULE: Rule = Rule {
    id: "data-leaving-over-smb",
    name: "Data leaving over SMB",
    description: "More bytes left the internal networks over SMB, or left faster, than a session set-up and a look around take: \
                  over one conversation with the Internet, or over many between the same two addresses. That is what carrying \
                  files out looks like.",
    false_positives: &[
        "a backup or copy to file storage that you rent at a provider: exempt the pair with a reason",
        "public addresses of your own organisation that are not listed as internal networks",
    ],
    severity: Severity::High,
    risk_score: 82,
    techniques: &[&EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    check: "Which share and user are named here, what the internal machine holds, and whether the amount goes on growing.",
    contain: "Block the external address, isolate the internal machine, and keep its disk: what left can be told from it.",
};

pub(super) fn fires(sight: &Sight<'_>, limits: &Limits) -> bool {
    sight.service == Service::Smb && (sight.flow.departure.is_some() || by_itself(sight, limits))
}

/// Whether this conversation alone carried enough.
fn by_itself(sight: &Sight<'_>, limits: &Limits) -> bool {
    sight.flow.evidence >= Evidence::Data && sight.flow.payload_from_inside() >= limits.departures.bytes
}
