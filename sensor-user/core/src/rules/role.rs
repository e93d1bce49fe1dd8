//! How the role of an own host changes the severity of its incidents. One pure function.
//!
//! A role raises or lowers the severity by one step of the table. It never suppresses an incident, and keeps the severity that
//! other findings, threat lists and the evidence give.

use super::{Observed, data_leaving, meta::Finding, severity, sweep};
use crate::{
    address::Direction,
    asset::AssetRole,
    level::{EvidenceLevel, Severity},
};

/// Severity and risk score of a connection of an own host with this role.
#[must_use]
pub fn severity_by_role(
    role: Option<&AssetRole>,
    observed: Observed,
    findings: &[Finding],
) -> (Severity, u8) {
    let by_evidence = severity(observed, findings);
    let without = |rule: &str| {
        let others: Vec<_> = findings.iter().filter(|one| one.rule.id != rule).cloned().collect();
        severity(observed, &others)
    };
    match (role, observed.direction, by_evidence.0) {
        // An exposed port of a host that holds everybody's files.
        (Some(AssetRole::FileServer), Direction::Inbound, Severity::Medium) => raised(Severity::High),
        // Servers are connected to: few of them open connections to file shares of others.
        (Some(AssetRole::FileServer), Direction::Outbound, Severity::Low)
            if observed.level >= EvidenceLevel::Answered =>
        {
            raised(Severity::Medium)
        }
        // Volume is what a backup host is for.
        (Some(AssetRole::Backup), Direction::Outbound, Severity::Critical) => {
            without(data_leaving::META.id).max(raised(Severity::High))
        }
        // So are many targets for a scanner.
        (Some(AssetRole::Scanner), Direction::Outbound, Severity::High) => {
            without(sweep::META.id).max(raised(Severity::Medium))
        }
        _ => by_evidence,
    }
}

const fn raised(severity: Severity) -> (Severity, u8) {
    (severity, severity.number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{
        TargetCounts, evaluate,
        fixtures::{Answered as _, FlowFixture, HistoryFixture, ntlm_v2},
    };

    fn judged(role: &AssetRole, flow: &FlowFixture) -> (Severity, u8) {
        let (view, past) = (flow.view(), HistoryFixture::known());
        severity_by_role(Some(role), Observed::of(&view), &evaluate(&view, &past.history()))
    }

    /// The table of roles, row by row; what no row names stays.
    #[test]
    fn role_moves_one_step_and_nothing_else() {
        use AssetRole::{Backup, FileServer, Other};
        use EvidenceLevel::{Answered, Attempt, Connected, Credential, Data, Smb};
        let out = |level| FlowFixture::outbound().reached(level);
        let into = |level| FlowFixture::inbound().reached(level);
        let other = Other("printer".into());
        let rows = [
            (&FileServer, into(Attempt), Severity::Low, 21),
            (&FileServer, into(Answered), Severity::High, 73),
            (&FileServer, out(Attempt), Severity::Low, 21),
            (&FileServer, out(Connected), Severity::Medium, 47),
            (&FileServer, out(Smb), Severity::High, 73),
            (&Backup, out(Data).payload(11 << 20, 0), Severity::High, 73),
            (&Backup, out(Connected), Severity::Low, 21),
            (&Backup, into(Answered), Severity::Medium, 47),
            (&AssetRole::Scanner, out(Smb), Severity::High, 73),
            (&AssetRole::Scanner, out(Credential).credential(ntlm_v2("ann")), Severity::High, 86),
            (&other, out(Data).payload(11 << 20, 0), Severity::Critical, 99),
            (&other, into(Answered), Severity::Medium, 47),
        ];
        for (role, flow, severity, score) in rows {
            assert_eq!(judged(role, &flow), (severity, score), "{role:?} {flow:?}");
        }
    }

    #[test]
    fn backup_to_a_listed_host_stays_critical() {
        let flow = FlowFixture::outbound()
            .reached(EvidenceLevel::Data)
            .payload(11 << 20, 0)
            .seen(|view| view.threat = true);
        assert_eq!(judged(&AssetRole::Backup, &flow), (Severity::Critical, 99));
        let accepted = FlowFixture::outbound()
            .reached(EvidenceLevel::Data)
            .payload(11 << 20, 0)
            .credential(ntlm_v2("ann").accepted());
        assert_eq!(
            judged(&AssetRole::Backup, &accepted),
            (Severity::Critical, 99),
            "a credential was given away"
        );
    }

    #[test]
    fn sweep_of_a_scanner_is_medium() {
        let counts = TargetCounts { targets: 300, answered: 0, refused: 0, silent: 300 };
        let limits = HistoryFixture::known().limits;
        let finding = sweep::finding(Direction::Outbound, &counts, false, &limits).unwrap();
        let attempts = Observed::of(&FlowFixture::outbound().view());
        let judged = |role| severity_by_role(role, attempts, std::slice::from_ref(&finding));
        assert_eq!(judged(Some(&AssetRole::Scanner)), (Severity::Medium, 47));
        assert_eq!(judged(None), (Severity::High, 82));
    }
}
