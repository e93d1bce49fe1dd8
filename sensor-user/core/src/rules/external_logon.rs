//! External log-on accepted: an internal server lets a user in who comes from the Internet.

use sensor_dissect::facts::{Credential, Outcome};

use super::{
    meta::{EVERY_SERVICE, Finding, History, Rule, RuleMeta, Scope},
    sentence,
};
use crate::{
    address::Direction,
    attack::{EXTERNAL_REMOTE_SERVICES, VALID_ACCOUNTS},
    level::Severity,
    view::FlowView,
};

/// What the rule says of itself.
pub static META: RuleMeta = RuleMeta {
    id: "external-logon-accepted",
    name: "Log-on from the Internet accepted",
    description: "An internal server accepted the log-on of a client on the Internet, neither anonymous nor as guest. \
                  Whoever it is has the password, a ticket or a relayed response, and the rights of that account.",
    false_positives: &[
        "public addresses of your own organisation: list them under networks.internal",
        "a partner or employee who logs on without a tunnel: exempt the address with a reason, or provide a VPN",
    ],
    severity: Severity::Critical,
    risk_score: 99,
    techniques: &[&EXTERNAL_REMOTE_SERVICES, &VALID_ACCOUNTS],
    scope: Scope {
        direction: Some(Direction::Inbound),
        services: EVERY_SERVICE,
        new_term: None,
        evidence: Some("the server accepts a log-on that is neither anonymous nor of a guest"),
    },
};

/// Fires once the server accepted somebody by name.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        if view.direction != Direction::Inbound {
            return None;
        }
        let accepted: Vec<&Credential> = accepted(view).collect();
        let first = accepted.first()?;
        let mut accounts: Vec<String> = Vec::new();
        for account in accepted.iter().filter_map(|credential| sentence::account(credential)) {
            if !accounts.contains(&account) {
                accounts.push(account);
            }
        }
        let how = sentence::method(first.method);
        let by = match accounts.as_slice() {
            [] => how.to_owned(),
            [one] => format!("{how} of {one}"),
            many => format!("log-ons of {}", sentence::list(many)),
        };
        let (client, server) = (view.client.ip(), view.server.ip());
        let fact = format!("{server} accepted {by} from {client}");
        Some(Finding::of(&META, vec![&EXTERNAL_REMOTE_SERVICES, &VALID_ACCOUNTS], fact))
    }
}

/// Credentials that were accepted, those of guests and anonymous ones left out.
pub(super) fn accepted<'a>(view: &FlowView<'a>) -> impl Iterator<Item = &'a Credential> {
    let credentials = view.facts.map_or(&[][..], |facts| &facts.credentials);
    credentials
        .iter()
        .filter(|credential| !credential.is_anonymous() && credential.outcome == Some(Outcome::Accepted))
}
