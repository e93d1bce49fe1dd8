//! External log-on accepted: an internal server accepts a user from the Internet.

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

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "external-logon-accepted",
    name: "Log-on from the Internet accepted",
    description: "An internal server accepted the log-on of a client on the Internet, neither anonymous nor as guest. \
                  That client has the password, a ticket or a relayed response, and the rights of the account.",
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

/// Fires once the server accepted a named user.
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

/// Accepted credentials, without those of guests and anonymous users.
pub(super) fn accepted<'a>(view: &FlowView<'a>) -> impl Iterator<Item = &'a Credential> {
    let credentials = view.facts.map_or(&[][..], |facts| &facts.credentials);
    credentials
        .iter()
        .filter(|credential| !credential.is_anonymous() && credential.outcome == Some(Outcome::Accepted))
}

#[cfg(test)]
mod tests {
    use sensor_dissect::{facts::Method, ntlmssp::ResponseKind};

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{
            Answered, FlowFixture, HistoryFixture, Remedy, assert_false_positive, credential, found, ntlm_v2,
            shown,
        },
    };

    fn logged_on(credential: Credential) -> FlowFixture {
        FlowFixture::inbound().reached(EvidenceLevel::Session).credential(credential)
    }

    fn finding(flow: &FlowFixture) -> Option<Finding> {
        found(&META, flow, &HistoryFixture::known())
    }

    #[test]
    fn accepted_external_logon_is_critical() {
        let finding = finding(&logged_on(ntlm_v2(r"CORP\bob").accepted())).unwrap();
        assert_eq!((finding.severity, finding.risk_score), (Severity::Critical, 99));
        assert_eq!(shown(&finding), ["T1133", "T1078"]);
        assert_eq!(finding.fact, r"10.0.1.2 accepted an NTLMv2 response of CORP\bob from 8.8.4.4");
    }

    #[test]
    fn names_each_account_once_and_none_for_a_ticket() {
        let flow = logged_on(ntlm_v2("bob").accepted()).credential(ntlm_v2("bob").accepted());
        let flow = flow.credential(ntlm_v2("eve").refused()).credential(ntlm_v2("ann").accepted());
        assert_eq!(finding(&flow).unwrap().fact, "10.0.1.2 accepted log-ons of bob and ann from 8.8.4.4");
        let mut ticket = credential("", Method::Kerberos).accepted();
        ticket.domain = Some("CORP".to_owned());
        let fact = "10.0.1.2 accepted a Kerberos ticket from 8.8.4.4";
        assert_eq!(finding(&logged_on(ticket)).unwrap().fact, fact);
    }

    #[test]
    fn anonymous_guest_refused_and_outbound_logons_are_silent() {
        let anonymous = credential("", Method::Ntlm(ResponseKind::Anonymous)).accepted();
        for credential in
            [anonymous, ntlm_v2("bob").let_in_as_guest(), ntlm_v2("bob").refused(), ntlm_v2("bob")]
        {
            assert_eq!(finding(&logged_on(credential.clone())), None, "{credential:?}");
        }
        let outbound = FlowFixture::outbound().reached(EvidenceLevel::Session);
        assert_eq!(finding(&outbound.credential(ntlm_v2("bob").accepted())), None);
    }

    #[test]
    fn listed_addresses_avoid_own_site_false_positive() {
        let case = (&logged_on(ntlm_v2("bob").accepted()), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }

    #[test]
    fn exempt_address_avoids_partner_false_positive() {
        let case = (&logged_on(ntlm_v2("bob").accepted()), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: Some("8.8.4.4/32"), server: None };
        assert_false_positive(&META, "partner or employee", case, &[remedy]);
    }
}
