//! Credential sent to the Internet: an internal machine gave its user's NTLM response to a stranger.

use super::{Direction, Rule, Severity, Sight};
use crate::{
    attack::{EXFILTRATION_OVER_ALTERNATIVE_PROTOCOL, FORCED_AUTHENTICATION},
    dissect::{
        facts::{Credential, Method, Outcome},
        ntlmssp::ResponseKind,
    },
};

pub(crate) static RULE: Rule = Rule {
    id: "ntlm-credential-to-internet",
    name: "NTLM credential sent to the Internet",
    description: "An internal machine answered the challenge of an SMB server on the Internet with its user's NTLM response. \
                  Whoever runs that server can guess the password from it or pass it on; nobody has to have typed anything \
                  for it to happen.",
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

/// Critical when the response is of version 1, or when the server accepted it: it knew what to do with it.
pub(super) fn weight(sight: &Sight<'_>) -> (Severity, u8) {
    let grave = |credential: &Credential| {
        credential.method == Method::Ntlm(ResponseKind::V1)
            || matches!(credential.outcome, Some(Outcome::Accepted | Outcome::AcceptedAsGuest))
    };
    if sent(sight).any(grave) { (Severity::Critical, 99) } else { (RULE.severity, RULE.risk_score) }
}

/// NTLM responses that were sent; anonymous ones hold nothing.
pub(super) fn sent<'a>(sight: &Sight<'a>) -> impl Iterator<Item = &'a Credential> {
    let credentials = sight.flow.facts.as_deref().map_or(&[][..], |facts| &facts.credentials);
    credentials
        .iter()
        .filter(|credential| matches!(credential.method, Method::Ntlm(ResponseKind::V1 | ResponseKind::V2)))
}
