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

/// What the rule says of itself.
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

/// Fires in both directions: nobody opens a file by trying many accounts.
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

/// Accounts that were tried a few times each, with their refused log-ons; `None` while they are not many.
pub(super) fn sprayed<'a>(logons: &'a Logons, limits: &LogonLimits) -> Option<Vec<(&'a str, u64)>> {
    let tried = logons.refused.iter().map(|(account, tries)| (account.as_str(), *tries));
    let few: Vec<_> =
        tried.filter(|(account, tries)| !account.is_empty() && *tries <= limits.tries).collect();
    (few.len() >= limits.accounts).then_some(few)
}

/// Whom the server let in, as the end of a sentence.
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
