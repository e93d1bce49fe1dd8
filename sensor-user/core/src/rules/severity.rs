//! Severity of an incident: from the direction, the evidence level and the findings. One pure function.
//!
//! Findings keep the published severities of their rules. The incident's severity follows the evidence: a rule that fires
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

/// Rules that fire on any packet. Their severities say nothing about the evidence.
static ON_ANY_PACKET: [&RuleMeta; 3] =
    [&smb_to_internet::META, &rare_destination::META, &external_access::META];

/// The inputs of the severity besides findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Who opened the connection.
    pub direction: Direction,
    /// The evidence level.
    pub level: EvidenceLevel,
    /// A packet of the server was seen.
    pub answered: bool,
    /// Both sides spoke SMB, NetBIOS or DCE-RPC.
    pub spoken: bool,
    /// A threat list names the external host.
    pub listed: bool,
}

impl Observed {
    /// The evidence of a connection. NetBIOS over UDP counts as spoken once it answered, because it has no SMB.
    #[must_use]
    pub fn of(view: &FlowView<'_>) -> Self {
        let netbios = view.service == Service::Netbios && view.level >= EvidenceLevel::Connected;
        Self {
            direction: view.direction,
            level: view.level,
            answered: view.server_seen(),
            spoken: netbios || view.level >= EvidenceLevel::Smb,
            listed: view.threat,
        }
    }
}

/// Severity and risk score of a connection with these findings.
///
/// An incident of many connections has the severity of the worst of them.
#[must_use]
pub fn severity(observed: Observed, findings: &[Finding]) -> (Severity, u8) {
    let by_level = match (observed.direction, observed.level) {
        // Anybody can send a single packet in the name of a listed host. A host that answers, or is answered, takes part.
        (_, level) if observed.listed && level >= EvidenceLevel::Answered => Severity::Critical,
        _ if observed.spoken => Severity::High,
        (_, EvidenceLevel::Attempt | EvidenceLevel::Refused) => Severity::Low,
        (Direction::Outbound, _) => Severity::Low,
        (Direction::Inbound, _) if observed.answered => Severity::Medium,
        (Direction::Inbound, _) => Severity::Low,
    };
    let by_evidence = || findings.iter().filter(|finding| !ON_ANY_PACKET.contains(&finding.rule));
    let severity = by_evidence().map(|finding| finding.severity).fold(by_level, Severity::max);
    let scores = by_evidence().filter(|finding| finding.severity == severity);
    (severity, scores.map(|finding| finding.risk_score).fold(severity.number(), u8::max))
}

/// Whether a rule fires on any packet, so that its finding says nothing about the evidence.
#[must_use]
pub fn fires_on_any_packet(rule: &str) -> bool {
    ON_ANY_PACKET.iter().any(|meta| meta.id == rule)
}

/// The leading finding: the worst one with evidence, or else the worst.
#[must_use]
pub fn leading(findings: &[Finding]) -> Option<&Finding> {
    findings
        .iter()
        .rev()
        .max_by_key(|finding| (!ON_ANY_PACKET.contains(&finding.rule), finding.severity, finding.risk_score))
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::{TCP, UDP};

    use super::*;
    use crate::rules::{
        evaluate,
        fixtures::{Answered, FlowFixture, HistoryFixture, credential, ntlm_v2},
        sweep,
    };
    use sensor_dissect::{facts::Method, ntlmssp::ResponseKind};

    fn judged(flow: &FlowFixture, past: &HistoryFixture) -> (Severity, u8) {
        let view = flow.view();
        severity(Observed::of(&view), &evaluate(&view, &past.history()))
    }

    /// The table of severities, row by row.
    #[test]
    fn severity_follows_direction_and_evidence() {
        use EvidenceLevel::{
            Answered as SynAck, Attempt, Connected, Credential, Data, Refused, Session, Smb,
        };
        let out = |level| FlowFixture::outbound().reached(level);
        let into = |level| FlowFixture::inbound().reached(level);
        let known = HistoryFixture::known;
        let v1 = credential("ann", Method::Ntlm(ResponseKind::V1));
        let rows = [
            // Attempts that were not answered, or that were refused.
            (out(Attempt), known(), Severity::Low, 21),
            (out(Attempt), HistoryFixture::new_destination(), Severity::Low, 21),
            (out(Refused), known(), Severity::Low, 21),
            (into(Attempt), known(), Severity::Low, 21),
            (into(Refused), known(), Severity::Low, 21),
            // Outbound: answered or connected, no SMB seen.
            (out(SynAck), known(), Severity::Low, 21),
            (out(Connected), known(), Severity::Low, 21),
            // Inbound: the port answered.
            (into(SynAck), known(), Severity::Medium, 47),
            (into(Connected), known(), Severity::Medium, 47),
            // Both sides spoke SMB, NetBIOS or DCE-RPC.
            (out(Smb), known(), Severity::High, 73),
            (into(Smb), known(), Severity::High, 73),
            (into(Smb).on(TCP, 135), known(), Severity::High, 73),
            (into(Connected).on(UDP, 137), known(), Severity::High, 73),
            // Outbound: an NTLM response was sent.
            (out(Credential).credential(ntlm_v2("ann")), known(), Severity::High, 86),
            (out(Credential).credential(ntlm_v2("ann").refused()), known(), Severity::High, 86),
            (out(Session).credential(ntlm_v2("ann").accepted()), known(), Severity::Critical, 99),
            (out(Credential).credential(v1), known(), Severity::Critical, 99),
            (
                out(Credential).credential(credential("ann", Method::Password)),
                known(),
                Severity::Critical,
                99,
            ),
            // Inbound: refused log-ons, and many of them.
            (into(Credential).credential(ntlm_v2("bob").refused()), known(), Severity::High, 73),
            (into(Credential), known().refused("bob", 99), Severity::High, 73),
            // Inbound: a log-on was accepted, other than anonymous or guest.
            (into(Session).credential(ntlm_v2("bob").accepted()), known(), Severity::Critical, 99),
            (into(Session).credential(ntlm_v2("bob").let_in_as_guest()), known(), Severity::High, 73),
            // Much data left.
            (out(Data).payload(11 << 20, 0), known(), Severity::Critical, 99),
            // A relay.
            (
                into(Credential).credential(ntlm_v2("ann").for_target("cifs/8.8.4.4")),
                known(),
                Severity::Critical,
                99,
            ),
        ];
        for (flow, past, severity, score) in rows {
            assert_eq!(judged(&flow, &past), (severity, score), "{flow:?}");
        }
    }

    #[test]
    fn active_listed_host_is_critical_and_a_lone_packet_is_not() {
        let listed = |flow: FlowFixture, level| {
            judged(&flow.reached(level).seen(|view| view.threat = true), &HistoryFixture::known())
        };
        for level in [EvidenceLevel::Attempt, EvidenceLevel::Refused] {
            assert_eq!(listed(FlowFixture::outbound(), level), (Severity::Low, 21), "{level}");
        }
        for level in [EvidenceLevel::Answered, EvidenceLevel::Connected, EvidenceLevel::Smb] {
            assert_eq!(listed(FlowFixture::outbound(), level), (Severity::Critical, 99), "{level}");
            assert_eq!(listed(FlowFixture::inbound(), level), (Severity::Critical, 99), "{level}");
        }
    }

    #[test]
    fn sweep_has_the_severity_of_its_finding() {
        let counts = crate::rules::TargetCounts { targets: 300, answered: 0, refused: 0, silent: 300 };
        let finding =
            sweep::finding(Direction::Outbound, &counts, false, &HistoryFixture::known().limits).unwrap();
        let attempts = Observed::of(&FlowFixture::outbound().view());
        assert_eq!(severity(attempts, &[finding]), (Severity::High, 82));
    }

    #[test]
    fn leading_finding_is_the_worst_with_evidence() {
        let flow = FlowFixture::outbound().on(TCP, 4_445).reached(EvidenceLevel::Credential);
        let past = HistoryFixture::new_destination();
        let lead = |flow: &FlowFixture| {
            let findings = evaluate(&flow.view(), &past.history());
            leading(&findings).map(|finding| finding.rule.id)
        };
        assert_eq!(lead(&FlowFixture::outbound()), Some("smb-to-internet"));
        assert_eq!(lead(&flow), Some("smb-on-another-port"));
        assert_eq!(lead(&flow.credential(ntlm_v2("ann"))), Some("ntlm-credential-to-internet"));
        assert_eq!(leading(&[]), None);
    }
}
