//! Headlines of log-ons and of the sessions behind them. A user and an outcome in one sentence belong to the same log-on.

use std::collections::BTreeSet;

use super::{Headline, encrypted, interval, located};
use crate::{
    address::Direction,
    incident::{
        Credential, CredentialMethod, Incident, LogonOutcome,
        phrase::{clean, of_account, several},
    },
    level::EvidenceLevel,
};

/// Many refused log-ons.
pub(super) fn guessing(incident: &Incident) -> Option<Headline> {
    if !incident.shows("T1110.001") && !incident.shows("T1110.003") {
        return None;
    }
    let (client, server) = (incident.client().phrase(), incident.server().phrase());
    let refused = incident.counted.logons_refused;
    let users = incident.refused_accounts.keys().filter(|account| !account.is_empty()).count() as u64;
    let for_users = if users > 0 { format!(" for {}", several(users, "user")) } else { String::new() };
    let accepted: Vec<_> =
        incident.accepted_users().filter_map(Credential::account).map(|it| clean(&it)).collect();
    let guests = incident.credentials.iter().filter(|one| one.outcome == Some(LogonOutcome::AcceptedAsGuest));
    let guest = guests.filter_map(Credential::account).map(|account| clean(&account)).next();
    let (outcome, short) = match (accepted.as_slice(), guest) {
        ([], Some(guest)) => (
            format!("{guest} was let in as guest"),
            format!("{refused} passwords tried{for_users}, {guest} let in as guest"),
        ),
        ([], None) => (
            "all of them were refused".to_owned(),
            format!("{refused} passwords tried{for_users}, all refused"),
        ),
        ([one], _) => {
            (format!("{one} was accepted"), format!("password guessed: {refused} refused, {one} accepted"))
        }
        ([one, more @ ..], _) => (
            format!("{one} and {} more were accepted", more.len()),
            format!("passwords guessed: {refused} refused, {one} and {} more accepted", more.len()),
        ),
    };
    let tried = several(refused, "password");
    Some(Headline::new(format!("{client} tried {tried}{for_users} on {server}; {outcome}"), short))
}

/// The user who matters most and what came of it.
pub(super) fn credential(incident: &Incident) -> Option<Headline> {
    let credential = incident.leading_credential().filter(|one| one.method != CredentialMethod::Anonymous)?;
    let headline = match incident.direction {
        Direction::Outbound => given_away(incident, credential),
        Direction::Inbound => logged_on(incident, credential),
    };
    Some(if let_in(credential) { with_share(incident, headline) } else { headline })
}

/// An external client that came in as nobody, whatever was refused beside it.
pub(super) fn anonymous_beside_refused(incident: &Incident) -> Option<Headline> {
    let refused = incident.leading_credential().is_some_and(|one| one.outcome == Some(LogonOutcome::Refused));
    if incident.direction == Direction::Outbound || !refused || anonymous_session(incident).is_none() {
        return None;
    }
    let mut headline = session(incident)?;
    let refused = format!("{} refused", several(incident.counted.logons_refused.max(1), "log-on"));
    for line in [&mut headline.whole, &mut headline.short] {
        line.push_str("; ");
        line.push_str(&refused);
    }
    Some(headline)
}

pub(super) const fn let_in(credential: &Credential) -> bool {
    matches!(credential.outcome, Some(LogonOutcome::Accepted | LogonOutcome::AcceptedAsGuest))
}

/// How many accounts were let in. Anonymous log-ons count as one.
pub(super) fn accounts_let_in(incident: &Incident) -> usize {
    let let_in = incident.credentials.iter().filter(|one| let_in(one));
    let_in
        .map(|one| (one.method == CredentialMethod::Anonymous, one.account()))
        .collect::<BTreeSet<_>>()
        .len()
}

/// The anonymous log-on that was accepted.
pub(super) fn anonymous_session(incident: &Incident) -> Option<&Credential> {
    let mut anonymous = incident.credentials.iter().filter(|one| one.method == CredentialMethod::Anonymous);
    anonymous.find(|one| let_in(one))
}

/// An internal user's credential outside.
fn given_away(incident: &Incident, credential: &Credential) -> Headline {
    let (client, server) = (incident.client().phrase(), incident.server().phrase());
    let what = named(credential);
    let article = match credential.method {
        CredentialMethod::Password => "the plaintext",
        CredentialMethod::Kerberos => "a",
        _ => "an",
    };
    let outcome = match credential.outcome {
        Some(LogonOutcome::Accepted) => ", which accepted it",
        Some(LogonOutcome::AcceptedAsGuest) => ", which let it in as guest",
        Some(LogonOutcome::Refused) => ", which refused it",
        None => "",
    };
    let headline = Headline::new(
        format!("{client} gave {article} {what} to {server}{outcome}"),
        credential_given_away(incident).unwrap_or(what),
    );
    Headline { plain: leak_in_words(incident, credential), ..headline }
}

/// The same in words that need no address: one user's NTLM credential, and no clause behind it that nobody may overlook.
fn leak_in_words(incident: &Incident, credential: &Credential) -> Option<String> {
    let is_ntlm = !matches!(credential.method, CredentialMethod::Kerberos | CredentialMethod::Password);
    let is_of_another =
        |one: &Credential| one.method != CredentialMethod::Anonymous && one.account() != credential.account();
    let has_others = incident.credentials.iter().any(is_of_another);
    let has_clauses = incident.conflicting
        || incident.webdav.is_some()
        || !incident.threats.is_empty()
        || interval(incident).is_some();
    if !is_ntlm || has_others || has_clauses {
        return None;
    }
    let outcome = match credential.outcome {
        Some(LogonOutcome::Accepted) => ", and the server accepted it",
        Some(LogonOutcome::AcceptedAsGuest) => ", and the server let it in as guest",
        Some(LogonOutcome::Refused) => ", and the server refused it",
        None => "",
    };
    Some(format!("An internal host gave an NTLM credential to a server on the Internet{outcome}"))
}

/// "NTLMv2 credential of CORP\ann given away and accepted": the user who matters most.
pub(super) fn credential_given_away(incident: &Incident) -> Option<String> {
    let credential = incident.leading_credential().filter(|one| one.method != CredentialMethod::Anonymous)?;
    let what = named(credential);
    let outcome = match credential.outcome {
        Some(LogonOutcome::Accepted) => " and accepted",
        Some(LogonOutcome::AcceptedAsGuest) => " and let in as guest",
        Some(LogonOutcome::Refused) => ", refused",
        None => "",
    };
    Some(format!("{what} given away{outcome}"))
}

/// "NTLMv2 credential of CORP\ann"
fn named(credential: &Credential) -> String {
    let whose = of_account(credential);
    match credential.method {
        CredentialMethod::Password => format!("password{whose}"),
        CredentialMethod::Kerberos => {
            let service = credential.target.as_deref().map(|name| format!(" for {}", clean(name)));
            format!("Kerberos ticket{whose}{}", service.unwrap_or_default())
        }
        method => format!("{} credential{whose}", method.name()),
    }
}

/// An external client's log-on.
fn logged_on(incident: &Incident, credential: &Credential) -> Headline {
    let (client, server) = (incident.client().phrase(), incident.server().phrase());
    let account = credential.account().map(|account| clean(&account));
    let user = account.as_deref().unwrap_or("a user");
    let method = credential.method.name();
    match credential.outcome {
        Some(LogonOutcome::Accepted) => Headline::new(
            format!("{client} logged on to {server} as {user} ({method})"),
            format!("{user} logged on ({method})"),
        ),
        Some(LogonOutcome::AcceptedAsGuest) => Headline::new(
            format!("{client} tried to log on to {server} as {user} ({method}) and was let in as guest"),
            format!("{user} let in as guest ({method})"),
        ),
        Some(LogonOutcome::Refused) => {
            let refused = incident.counted.logons_refused.max(1);
            let times = if refused > 1 {
                format!("; {refused} log-ons were refused")
            } else {
                " and was refused".into()
            };
            Headline::new(
                format!("{client} tried to log on to {server} as {user} ({method}){times}"),
                format!("{} refused: {user} ({method})", several(refused, "log-on")),
            )
        }
        None => Headline::new(
            format!("{client} sent {server} a log-on of {user} ({method})"),
            format!("log-on of {user} ({method})"),
        ),
    }
}

/// The same, with the share that was connected after it. If several accounts were let in, it may belong to another one.
fn with_share(incident: &Incident, headline: Headline) -> Headline {
    let Some(share) = incident.leading_share().filter(|share| share.connected == Some(true)) else {
        return headline;
    };
    let (path, encrypted) = (clean(&share.path), encrypted(incident));
    let short = match incident.direction {
        Direction::Outbound => headline.short,
        Direction::Inbound => format!("{}; {path}", headline.short),
    };
    let whole = if accounts_let_in(incident) > 1 {
        format!("{}; {path} was connected{encrypted}", headline.whole)
    } else {
        format!("{}, and connected {path}{encrypted}", headline.whole)
    };
    Headline { whole, short, ..headline }
}

/// A session of nobody in particular: an anonymous one, or one whose log-on was not read.
pub(super) fn session(incident: &Incident) -> Option<Headline> {
    if incident.level < EvidenceLevel::Session {
        return None;
    }
    let (client, server) = (incident.client().phrase(), incident.server().phrase());
    let anonymous = anonymous_session(incident).is_some();
    let encrypted = encrypted(incident);
    let share = incident.leading_share().filter(|share| share.connected == Some(true));
    let share = share.map(|share| clean(&share.path));
    Some(match (share, anonymous) {
        (Some(path), true) => Headline::new(
            format!("{client} logged on to {server} anonymously, and connected {path}{encrypted}"),
            format!("anonymous session; {path}{encrypted}"),
        ),
        (Some(path), false) => Headline::new(
            format!("{client} connected {}{encrypted}", located(&path, incident.server())),
            format!("{path} connected{encrypted}"),
        ),
        (None, true) => Headline::new(
            format!("{client} logged on to {server} anonymously"),
            "anonymous session".to_owned(),
        ),
        (None, false) if incident.level == EvidenceLevel::Data => Headline::new(
            format!("{client} and {server} exchanged more over SMB than a set-up takes{encrypted}"),
            format!("data exchanged{encrypted}"),
        ),
        (None, false) => Headline::new(
            format!("{client} set up an SMB session with {server}{encrypted}"),
            format!("SMB session{encrypted}"),
        ),
    })
}
