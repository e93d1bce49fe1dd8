//! Password spraying: a few passwords, each tried for many accounts.

use super::{
    limits::LogonLimits,
    meta::{EVERY_SERVICE, Finding, History, Logons, Rule, RuleMeta, Scope},
    sentence,
};
use crate::{
    attack::PASSWORD_SPRAYING,
    level::{EvidenceLevel, Severity},
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "smb-password-spraying",
    name: "Password spraying over SMB across the border",
    description: "A server refused the log-ons of many accounts that came from one client, a few tries for each. \
                  Spraying tries a common password for every user, so that no account is locked.",
    false_positives: &[
        "a gateway or proxy through which many users with old passwords log on: exempt it with a reason",
        "a password audit that you ordered: exempt the auditing host while it runs",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&PASSWORD_SPRAYING],
    scope: Scope {
        direction: None,
        services: EVERY_SERVICE,
        new_term: None,
        evidence: Some("the server refuses log-ons of many accounts, a few tries each"),
    },
};

/// Fires in both directions: no ordinary client tries many accounts.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, history: &History<'_>) -> Option<Finding> {
        if view.level < EvidenceLevel::Smb {
            return None;
        }
        let (logons, limits) = (history.logons, &history.limits.logons);
        let sprayed = sprayed(logons, limits)?;
        let refused: u64 = sprayed.iter().map(|(_, tries)| tries).sum();
        let (client, server) = (view.client.ip(), view.server.ip());
        let accounts = sentence::counted(sprayed.len() as u64, "account");
        let log_ons = sentence::counted(refused, "log-on");
        let accepted = accepted(logons);
        let fact = format!(
            "{server} refused {log_ons} of {accounts} from {client}, at most {} each{accepted}",
            limits.tries
        );
        Some(weighed(Finding::of(&META, vec![&PASSWORD_SPRAYING], fact), logons))
    }
}

/// Accounts that were tried a few times each, with their refused log-ons; `None` if they are not many.
pub(super) fn sprayed<'a>(logons: &'a Logons, limits: &LogonLimits) -> Option<Vec<(&'a str, u64)>> {
    let tried = logons.refused.iter().map(|(account, tries)| (account.as_str(), *tries));
    let few: Vec<_> =
        tried.filter(|(account, tries)| !account.is_empty() && *tries <= limits.tries).collect();
    (few.len() >= limits.accounts).then_some(few)
}

/// Whom the server accepted, as the end of a sentence.
pub(super) fn accepted(logons: &Logons) -> String {
    match logons.accepted.as_slice() {
        [] => String::new(),
        [one] => format!("; it accepted {one}"),
        many => format!("; it accepted {}", sentence::list(many)),
    }
}

/// The finding, critical if one of the log-ons succeeded.
pub(super) fn weighed(mut finding: Finding, logons: &Logons) -> Finding {
    if !logons.accepted.is_empty() {
        (finding.severity, finding.risk_score) = (Severity::Critical, 99);
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixtures::{FlowFixture, HistoryFixture, Remedy, assert_false_positive, found, shown};

    fn inbound() -> FlowFixture {
        FlowFixture::inbound().reached(EvidenceLevel::Credential)
    }

    fn tried(accounts: u32, each: u64) -> HistoryFixture {
        (0..accounts)
            .fold(HistoryFixture::known(), |past, number| past.refused(&format!("user{number}"), each))
    }

    #[test]
    fn few_tries_for_many_accounts_are_spraying_in_either_direction() {
        let finding = found(&META, &inbound(), &tried(40, 1)).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::High, 73));
        assert_eq!(shown(&finding), ["T1110.003"]);
        let fact = "10.0.1.2 refused 40 log-ons of 40 accounts from 8.8.4.4, at most 3 each";
        assert_eq!(finding.fact, fact);
        let outbound = FlowFixture::outbound().reached(EvidenceLevel::Credential);
        assert!(found(&META, &outbound, &tried(5, 3)).is_some());
    }

    #[test]
    fn successful_password_is_critical() {
        let finding = found(&META, &inbound(), &tried(39, 1).accepted("user39")).unwrap();
        assert_eq!(finding.severity, Severity::Critical);
        assert!(finding.fact.ends_with("; it accepted user39"), "{}", finding.fact);
    }

    #[test]
    fn few_accounts_many_tries_and_unseen_users_are_no_spraying() {
        for past in [tried(4, 3), tried(5, 4), tried(4, 1).refused("", 1)] {
            assert!(found(&META, &inbound(), &past).is_none(), "{past:?}");
        }
    }

    #[test]
    fn exempt_gateway_of_many_users_avoids_false_positive() {
        let remedy = Remedy::Exempt { client: Some("8.8.4.4/32"), server: None };
        assert_false_positive(&META, "gateway or proxy", (&inbound(), &tried(40, 1)), &[remedy]);
    }

    #[test]
    fn exempt_host_avoids_audit_false_positive() {
        let remedy = Remedy::Exempt { client: Some("8.8.4.4/32"), server: None };
        assert_false_positive(&META, "audit", (&inbound(), &tried(40, 1)), &[remedy]);
    }
}
