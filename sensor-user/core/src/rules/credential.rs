//! Credential sent to the Internet: an internal machine gave its user's NTLM response to a stranger.

use super::{Direction, Rule, Severity, Sight};
use crate::{
    attack::{EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, FORCED_AUTHENTICATION},
    dissect::facts::{Credential, Method, Outcome},
};

pub(crate) static RULE: Rule = Rule {
    id: "ntlm-credential-to-internet",
    name: "NTLM credential sent to the Internet",
    description: "An internal machine answered the challenge of an SMB server on the Internet with its user's NTLM response. \
                  Whoever runs that server can guess the password from it or pass it on; nobody has to have typed anything \
                  for it to happen. An SMB 1 server can ask for the password itself instead.",
    false_positives: &[
        "a file service that you rent at a provider and log on to by name: exempt the server with a reason",
        "public addresses of your own organisation that are not listed as internal networks",
    ],
    severity: Severity::High,
    risk_score: 86,
    techniques: &[&FORCED_AUTHENTICATION, &EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL],
    check: "Find what made the client connect: a UNC path in a mail, shortcut, document or web page opened in the seconds before; \
            and whether other clients sent credentials to the same server.",
    contain: "Change the password of the user named here now, end their sessions, and block outgoing TCP 139 and 445 at the \
              border. A response of NTLM version 1 gives the password away in hours.",
};

pub(super) fn fires(sight: &Sight<'_>) -> bool {
    sight.direction == Direction::Outbound && sent(sight).next().is_some()
}

/// Critical when it is the password itself or a response of version 1, or when the server accepted it: it knew what to do with it.
pub(super) fn weight(sight: &Sight<'_>) -> (Severity, u8) {
    let grave = |credential: &Credential| {
        credential.is_weak() || credential.outcome.is_some_and(Outcome::is_accepted)
    };
    if sent(sight).any(grave) { (Severity::Critical, 99) } else { (RULE.severity, RULE.risk_score) }
}

/// NTLM responses that were sent, and passwords in their place; anonymous ones hold nothing.
pub(super) fn sent<'a>(sight: &Sight<'a>) -> impl Iterator<Item = &'a Credential> {
    let credentials = sight.flow.facts.as_deref().map_or(&[][..], |facts| &facts.credentials);
    credentials
        .iter()
        .filter(|credential| !credential.is_anonymous() && credential.method != Method::Kerberos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        detect::fixtures::{
            assert_known_false_positive, exempt, inbound, knowing, ours, outbound, rules, sight, techniques,
        },
        dissect::{Facts, ntlmssp::ResponseKind, status::Status},
        flow::{Evidence, Flow},
    };
    use sensor_common::slot::TCP;

    const REFUSED: Option<Outcome> = Some(Outcome::Refused(Status::Nt(0xC000_006D)));

    fn answered(flow: Flow, kind: ResponseKind, outcome: Option<Outcome>) -> Flow {
        let credential = Credential {
            method: Method::Ntlm(kind),
            user: Some("eve".into()),
            domain: Some("CORP".into()),
            workstation: None,
            target: None,
            fingerprint: None,
            outcome,
        };
        let facts = Facts { smb2: true, credentials: vec![credential], ..Facts::default() };
        knowing(flow, Evidence::AuthenticatedAttempt, facts)
    }

    fn sent_out(kind: ResponseKind, outcome: Option<Outcome>) -> Flow {
        answered(outbound(445, Evidence::Smb), kind, outcome)
    }

    #[test]
    fn a_response_that_goes_out_is_an_alert_of_its_own() {
        let flow = sent_out(ResponseKind::V2, REFUSED);
        assert_eq!(rules(&flow, false), ["smb-to-internet", RULE.id]);
        assert_eq!(techniques(&flow), ["T1187"]);
    }

    #[test]
    fn it_is_critical_when_it_is_of_version_1_or_was_accepted() {
        let weight = |kind, outcome| RULE.weight(&sight(&sent_out(kind, outcome)));
        for outcome in [REFUSED, None] {
            assert_eq!(weight(ResponseKind::V2, outcome), (Severity::High, 86));
            assert_eq!(weight(ResponseKind::V1, outcome), (Severity::Critical, 99));
        }
        for outcome in [Outcome::Accepted, Outcome::AcceptedAsGuest] {
            assert_eq!(weight(ResponseKind::V2, Some(outcome)), (Severity::Critical, 99));
        }
    }

    #[test]
    fn an_anonymous_session_gives_nothing_away_and_neither_does_a_stranger() {
        assert_eq!(rules(&sent_out(ResponseKind::Anonymous, None), false), ["smb-to-internet"]);
        let stranger = answered(inbound(TCP, 445, Evidence::Smb), ResponseKind::V2, None);
        assert_eq!(rules(&stranger, false), ["external-access-windows-networking"]);
        assert!(!techniques(&stranger).contains(&"T1187"));
    }

    #[test]
    fn a_file_service_that_is_rented_is_a_false_positive_until_it_is_exempt() {
        let flow = sent_out(ResponseKind::V2, Some(Outcome::Accepted));
        let configs = [&Config::default(), &exempt(None, Some("8.8.4.4/32"))];
        assert_known_false_positive(&RULE, "rent at a provider", &[flow], configs);
    }

    #[test]
    fn public_addresses_of_ones_own_are_a_false_positive_until_they_are_listed() {
        let flow = sent_out(ResponseKind::V2, None);
        let configs = [&Config::default(), &ours("8.8.4.0/24")];
        assert_known_false_positive(&RULE, "public addresses of your own", &[flow], configs);
    }
}
