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

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "smb-password-guessing",
    name: "Password guessing over SMB from the Internet",
    description: "An internal server refused many log-ons of one client on the Internet, for one account or a few. \
                  The finding is critical once the server accepts a log-on of that client.",
    false_positives: &[
        "a remote machine that goes on trying an old password: exempt its address with a reason until it has the new one",
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
/// account by an external server show no guessing. They are [`credential`](super::credential)'s.
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
        // Tries that are spraying are no guessing as well.
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
        // Of accounts for which there was no room it is not known how often each was tried: beside spraying they count as
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
