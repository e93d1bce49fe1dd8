//! Password guessing: many passwords for one account or a few.

use super::{
    meta::{EVERY_SERVICE, Finding, History, Rule, RuleMeta, Scope},
    password_spraying::{accepted, sprayed, weighed},
    sentence,
};
use crate::{
    address::Direction,
    attack::PASSWORD_GUESSING,
    level::{EvidenceLevel, Severity},
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "smb-password-guessing",
    name: "Password guessing over SMB from the Internet",
    description: "An internal server refused many log-ons of one client on the Internet, for one account or a few. \
                  The finding is critical once the server accepts a log-on of that client.",
    false_positives: &[
        "a remote machine that keeps trying an old password: exempt its address with a reason until it has the new one",
        "a password audit that you ordered: exempt the auditing host while it runs",
    ],
    severity: Severity::High,
    risk_score: 73,
    techniques: &[&PASSWORD_GUESSING],
    scope: Scope {
        direction: Some(Direction::Inbound),
        services: EVERY_SERVICE,
        new_term: None,
        evidence: Some("the server refuses many log-ons of the client"),
    },
};

/// Fires inbound only: Windows itself repeats a refused log-on several times for each click, so that refusals of one
/// account by an external server show no guessing. The rule [`credential`](super::credential) covers them.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, history: &History<'_>) -> Option<Finding> {
        if view.direction != Direction::Inbound || view.level < EvidenceLevel::Smb {
            return None;
        }
        let (logons, limits) = (history.logons, &history.limits.logons);
        // Tries that are spraying do not count as guessing too.
        let sprayed = sprayed(logons, limits);
        let is_sprayed = |account: &str| {
            sprayed.as_ref().is_some_and(|sprayed| sprayed.iter().any(|(one, _)| *one == account))
        };
        let guessed: Vec<(&str, u64)> = logons
            .refused
            .iter()
            .map(|(account, tries)| (account.as_str(), *tries))
            .filter(|(account, _)| !is_sprayed(account))
            .collect();
        // Accounts that did not fit into the list have no count of their own: beside spraying they count as
        // sprayed.
        let refused = match sprayed {
            Some(_) => guessed.iter().map(|(_, tries)| tries).sum(),
            None => logons.refused_total,
        };
        if refused < limits.refused {
            return None;
        }
        let (client, server) = (view.client.ip(), view.server.ip());
        let log_ons = sentence::counted(refused, "log-on");
        let named: Vec<&str> =
            guessed.iter().map(|(account, _)| *account).filter(|account| !account.is_empty()).collect();
        let whose = match named.as_slice() {
            [] => String::new(),
            [one] => format!(" of {one}"),
            many => {
                format!(" of {} ({})", sentence::counted(many.len() as u64, "account"), sentence::list(many))
            }
        };
        let fact = format!("{server} refused {log_ons}{whose} from {client}{}", accepted(logons));
        Some(weighed(Finding::of(&META, vec![&PASSWORD_GUESSING], fact), logons))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixtures::{
        FlowFixture, HistoryFixture, Remedy, assert_false_positive, fired, found, shown,
    };

    fn inbound() -> FlowFixture {
        FlowFixture::inbound().reached(EvidenceLevel::Credential)
    }

    #[test]
    fn many_refused_logons_of_one_client_are_guessing() {
        let past = HistoryFixture::known().refused(r"corp\bob", 98).refused(r"corp\ann", 1);
        let finding = found(&META, &inbound(), &past).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::High, 73));
        assert_eq!(shown(&finding), ["T1110.001"]);
        let fact = r"10.0.1.2 refused 99 log-ons of 2 accounts (corp\ann and corp\bob) from 8.8.4.4";
        assert_eq!(finding.fact, fact);
    }

    #[test]
    fn successful_guess_is_critical() {
        let past = HistoryFixture::known().refused(r"corp\bob", 99).accepted(r"CORP\bob");
        let finding = found(&META, &inbound(), &past).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::Critical, 99));
        assert!(
            finding.fact.ends_with(r"99 log-ons of corp\bob from 8.8.4.4; it accepted CORP\bob"),
            "{}",
            finding.fact
        );
    }

    #[test]
    fn guesses_of_unseen_users_count() {
        let past = HistoryFixture::known().refused("", 5);
        assert_eq!(found(&META, &inbound(), &past).unwrap().fact, "10.0.1.2 refused 5 log-ons from 8.8.4.4");
    }

    #[test]
    fn few_refusals_and_those_of_an_external_server_are_silent() {
        assert!(found(&META, &inbound(), &HistoryFixture::known().refused("bob", 4)).is_none());
        let outbound = FlowFixture::outbound().reached(EvidenceLevel::Credential);
        assert!(found(&META, &outbound, &HistoryFixture::known().refused("bob", 99)).is_none());
    }

    #[test]
    fn distinguishes_spraying_from_guessing_and_reports_both() {
        let mut past = HistoryFixture::known();
        for number in 0..40 {
            past = past.refused(&format!("user{number}"), 1);
        }
        assert!(found(&META, &inbound(), &past).is_none());
        let both = fired(&inbound(), &past.refused("bob", 60));
        assert!(both.ends_with(&[META.id, "smb-password-spraying"]), "{both:?}");
    }

    #[test]
    fn exempt_machine_avoids_old_password_false_positive() {
        let case = (&inbound(), &HistoryFixture::known().refused("bob", 30));
        let remedy = Remedy::Exempt { client: Some("8.8.4.4/32"), server: None };
        assert_false_positive(&META, "old password", case, &[remedy]);
    }

    #[test]
    fn exempt_host_avoids_audit_false_positive() {
        let case = (&inbound(), &HistoryFixture::known().refused("bob", 30));
        let remedy = Remedy::Exempt { client: Some("8.8.4.4/32"), server: None };
        assert_false_positive(&META, "audit", case, &[remedy]);
    }
}
