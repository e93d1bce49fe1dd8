//! How bad an incident is: by the direction, by how far it got, and by what was found. One pure function.
//!
//! Findings keep the severities that their rules are published with. The incident's follows the evidence: a rule that fires
//! on any packet does not make an attempt high.

use super::{
    external_access,
    meta::{Finding, RuleMeta},
    rare_destination, smb_to_internet,
};
use crate::{
    address::Direction,
    level::{EvidenceLevel, Severity},
    service::Service,
    view::FlowView,
};

/// Rules that fire on any packet, whatever came of it: their severities say nothing of the evidence.
static ON_ANY_PACKET: [&RuleMeta; 3] =
    [&smb_to_internet::META, &rare_destination::META, &external_access::META];

/// What severity depends on, beside findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Who opened the connection.
    pub direction: Direction,
    /// How far it got.
    pub level: EvidenceLevel,
    /// SMB, NetBIOS or DCE-RPC was spoken both ways.
    pub spoken: bool,
    /// A threat list names the external host.
    pub listed: bool,
}

impl Observed {
    /// What a connection shows. NetBIOS over UDP is spoken once it answered; it has no SMB to go on with.
    #[must_use]
    pub fn of(view: &FlowView<'_>) -> Self {
        let netbios = view.service == Service::Netbios && view.level >= EvidenceLevel::Connected;
        Self {
            direction: view.direction,
            level: view.level,
            spoken: netbios || view.level >= EvidenceLevel::Smb,
            listed: view.threat,
        }
    }
}

/// Severity and risk score of a connection with these findings.
///
/// An incident of many connections is as bad as the worst of them.
#[must_use]
pub fn severity(observed: Observed, findings: &[Finding]) -> (Severity, u8) {
    let by_level = match (observed.direction, observed.level) {
        // A lone packet anybody can send in the name of a listed host; a host that answers, or is answered, takes part.
        (_, level) if observed.listed && level >= EvidenceLevel::Answered => Severity::Critical,
        _ if observed.spoken => Severity::High,
        (_, EvidenceLevel::Attempt | EvidenceLevel::Refused) => Severity::Low,
        (Direction::Outbound, _) => Severity::Low,
        (Direction::Inbound, _) => Severity::Medium,
    };
    let by_evidence = || findings.iter().filter(|finding| !ON_ANY_PACKET.contains(&finding.rule));
    let severity = by_evidence().map(|finding| finding.severity).fold(by_level, Severity::max);
    let scores = by_evidence().filter(|finding| finding.severity == severity);
    (severity, scores.map(|finding| finding.risk_score).fold(severity.number(), u8::max))
}

/// The finding that stands for all: the worst one that evidence made, or else the worst.
#[must_use]
pub fn leading(findings: &[Finding]) -> Option<&Finding> {
    findings
        .iter()
        .rev()
        .max_by_key(|finding| (!ON_ANY_PACKET.contains(&finding.rule), finding.severity, finding.risk_score))
}
