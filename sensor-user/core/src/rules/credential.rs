//! Credential sent to the Internet: an internal host gives its user's NTLM response to an external server.

use sensor_dissect::facts::{Credential, Method, Outcome};

use super::{
    meta::{EVERY_SERVICE, Finding, History, Rule, RuleMeta, Scope},
    sentence,
};
use crate::{
    address::Direction,
    attack::{EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, FORCED_AUTHENTICATION},
    level::Severity,
    view::FlowView,
};

/// Metadata of the rule.
pub static META: RuleMeta = RuleMeta {
    id: "ntlm-credential-to-internet",
    name: "NTLM credential sent to the Internet",
    description: "An internal host answered the challenge of a server on the Internet with its user's NTLM response. The operator of that server can guess the password from it \
                  or pass it on. Windows does this without asking the user. An SMB 1 server can ask for the password itself instead.",
    false_positives: &[
        "a file service that you rent at a provider and log on to by name: exempt the server with a reason",
        "public addresses of your own organisation: list them under networks.internal",
    ],
    severity: Severity::High,
    risk_score: 86,
    techniques: &[&FORCED_AUTHENTICATION, &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    scope: Scope {
        direction: Some(Direction::Outbound),
        services: EVERY_SERVICE,
        new_term: None,
        evidence: Some("the client sends an NTLM response that is not anonymous, or a password"),
    },
};

/// Fires once the response was sent, accepted or not.
pub(super) struct Detection;

impl Rule for Detection {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn evaluate(&self, view: &FlowView<'_>, _: &History<'_>) -> Option<Finding> {
        if view.direction != Direction::Outbound {
            return None;
        }
        let sent: Vec<&Credential> = given_away(view).collect();
        let worst = *sent.iter().rev().max_by_key(|credential| gravity(credential))?;
        let mut finding = Finding::of(&META, vec![&FORCED_AUTHENTICATION], fact(view, worst, sent.len()));
        if gravity(worst) > Gravity::Sent {
            (finding.severity, finding.risk_score) = (Severity::Critical, 99);
        }
        Some(finding)
    }
}

/// NTLM responses that were sent, and passwords in their place. An anonymous one proves nothing.
pub(super) fn given_away<'a>(view: &FlowView<'a>) -> impl Iterator<Item = &'a Credential> {
    let credentials = view.facts.map_or(&[][..], |facts| &facts.credentials);
    credentials
        .iter()
        .filter(|credential| !credential.is_anonymous() && credential.method != Method::Kerberos)
}

/// How serious the loss of a credential is, rising.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Gravity {
    /// The password must be guessed from it.
    Sent,
    /// It is the password, or a response of version 1, which reveals the password within hours.
    Weak,
    /// The server accepted it, so the server can use it.
    Accepted,
}

fn gravity(credential: &Credential) -> Gravity {
    if credential.outcome.is_some_and(Outcome::is_accepted) {
        Gravity::Accepted
    } else if credential.is_weak() {
        Gravity::Weak
    } else {
        Gravity::Sent
    }
}

/// The worst of them, and their number.
fn fact(view: &FlowView<'_>, worst: &Credential, count: usize) -> String {
    let who = sentence::account(worst).unwrap_or_else(|| view.client.ip().to_string());
    let what = sentence::method(worst.method);
    let target = worst.target.as_ref().map_or_else(String::new, |target| format!(" for {target}"));
    let outcome = sentence::outcome(worst.outcome);
    let others = if count > 1 { format!("; one of {count} credentials") } else { String::new() };
    format!("{who} sent {what}{target} to {}{outcome}{others}", view.server.ip())
}

#[cfg(test)]
mod tests {
    use sensor_dissect::ntlmssp::ResponseKind;

    use super::*;
    use crate::{
        level::EvidenceLevel,
        rules::fixtures::{
            Answered, FlowFixture, HistoryFixture, Remedy, assert_false_positive, credential, fired, found,
            ntlm_v2, shown,
        },
    };

    fn sent(credential: Credential) -> FlowFixture {
        FlowFixture::outbound().reached(EvidenceLevel::Credential).credential(credential)
    }

    fn finding(flow: &FlowFixture) -> Option<Finding> {
        found(&META, flow, &HistoryFixture::known())
    }

    fn weight(credential: Credential) -> (Severity, u8) {
        let finding = finding(&sent(credential)).unwrap();
        (finding.severity, finding.risk_score)
    }

    #[test]
    fn outbound_ntlm_response_is_given_away() {
        let flow = sent(ntlm_v2(r"CORP\ann").for_target("cifs/8.8.4.4").accepted());
        assert_eq!(fired(&flow, &HistoryFixture::known()), ["smb-to-internet", META.id]);
        let finding = finding(&flow).unwrap();
        assert_eq!(shown(&finding), ["T1187"]);
        let fact = r"CORP\ann sent an NTLMv2 response for cifs/8.8.4.4 to 8.8.4.4, which accepted it";
        assert_eq!(finding.fact, fact);
    }

    #[test]
    fn accepted_ntlmv1_or_password_is_critical() {
        assert_eq!(weight(ntlm_v2("ann")), (Severity::High, 86));
        assert_eq!(weight(ntlm_v2("ann").refused()), (Severity::High, 86));
        assert_eq!(weight(ntlm_v2("ann").accepted()), (Severity::Critical, 99));
        assert_eq!(weight(ntlm_v2("ann").let_in_as_guest()), (Severity::Critical, 99));
        for method in [Method::Ntlm(ResponseKind::V1), Method::Password] {
            assert_eq!(weight(credential("ann", method).refused()), (Severity::Critical, 99), "{method:?}");
        }
    }

    #[test]
    fn fact_names_the_worst_of_several_credentials() {
        let flow = sent(ntlm_v2("eve").refused()).credential(ntlm_v2("ann").accepted());
        let flow = flow.credential(ntlm_v2("bob").refused());
        let fact = "ann sent an NTLMv2 response to 8.8.4.4, which accepted it; one of 3 credentials";
        assert_eq!(finding(&flow).unwrap().fact, fact);
    }

    #[test]
    fn anonymous_ticket_and_inbound_give_nothing_away() {
        for method in [Method::Ntlm(ResponseKind::Anonymous), Method::Kerberos] {
            assert_eq!(finding(&sent(credential("ann", method).accepted())), None, "{method:?}");
        }
        let inbound = FlowFixture::inbound().reached(EvidenceLevel::Credential).credential(ntlm_v2("ann"));
        assert_eq!(finding(&inbound), None);
    }

    #[test]
    fn exemption_avoids_rented_file_service_false_positive() {
        let case = (&sent(ntlm_v2("ann").accepted()), &HistoryFixture::known());
        let remedy = Remedy::Exempt { client: None, server: Some("8.8.4.4/32") };
        assert_false_positive(&META, "rent at a provider", case, &[remedy]);
    }

    #[test]
    fn listed_addresses_avoid_false_positive_on_own_addresses() {
        let case = (&sent(ntlm_v2("ann")), &HistoryFixture::known());
        assert_false_positive(&META, "public addresses of your own", case, &[Remedy::Internal("8.8.4.0/24")]);
    }
}
