//! One line about an incident: what happened, between whom, how far it got.
//!
//! There are two forms. [`sentence`] is whole and stands in documents; [`summary`] is short and stands beside the hosts in a
//! list. Both say only what was observed. Nothing is said to be absent that was not read. A user and an outcome in one sentence belong
//! to the same log-on.

use super::{
    Credential, CredentialMethod, Incident, LogonOutcome, Scope,
    phrase::{clean, clock, of_account, several, since},
};
use crate::{
    address::Direction,
    level::EvidenceLevel,
    rules::{
        sentence::{bytes, duration},
        sweep,
    },
    service::Service,
    view::OtherProtocol,
};

/// Connections from which on their rhythm is said.
const RHYTHM: u64 = 5;

/// Interfaces whose operations run something on the server or change it.
const EXECUTION: [&str; 4] = ["svcctl", "atsvc", "ITaskSchedulerService", "winreg"];

/// The whole line, without a full stop. Times in it are UTC.
#[must_use]
pub fn sentence(incident: &Incident) -> String {
    let Headline { mut whole, says_volume, .. } = headline(incident);
    for clause in clauses(incident, says_volume) {
        whole.push_str("; ");
        whole.push_str(&clause);
    }
    whole
}

/// The short line, for a list that shows the hosts in columns of their own. Times in it are UTC.
#[must_use]
pub fn summary(incident: &Incident) -> String {
    let Headline { mut short, says_volume, .. } = headline(incident);
    if incident.level == EvidenceLevel::Data && !says_volume {
        let (left, came) = (incident.bytes_left(), incident.bytes_came());
        let more = if left > came { format!("{} out", bytes(left)) } else { format!("{} in", bytes(came)) };
        short.push_str(&format!("; {more}"));
    }
    if incident.joined_late {
        short.push_str("; joined late");
    }
    short
}

/// What an incident is mainly about.
struct Headline {
    whole: String,
    short: String,
    /// It says how much data moved.
    says_volume: bool,
}

impl Headline {
    fn new(whole: String, short: String) -> Self {
        Self { whole, short, says_volume: false }
    }

    fn with_volume(whole: String, short: String) -> Self {
        Self { whole, short, says_volume: true }
    }
}

/// The first of these that the evidence shows, the worst first.
fn headline(incident: &Incident) -> Headline {
    match incident.scope {
        Scope::Client if incident.targets.is_some_and(|counts| counts.targets > 1) => return sweep(incident),
        Scope::Client => return contact(incident),
        Scope::Exposure => return exposure(incident),
        Scope::Pair | Scope::Connection => {}
    }
    relay(incident)
        .or_else(|| execution(incident))
        .or_else(|| guessing(incident))
        .or_else(|| departure(incident))
        .or_else(|| anonymous_beside_refused(incident))
        .or_else(|| credential(incident))
        .or_else(|| download(incident))
        .or_else(|| session(incident))
        .unwrap_or_else(|| contact(incident))
}

/// One client, many servers.
fn sweep(incident: &Incident) -> Headline {
    let (client, ports) = (incident.client().phrase(), incident.ports_phrase());
    let counts = incident.targets.unwrap_or_default();
    let outcomes: Vec<_> =
        [(counts.answered, "answered"), (counts.refused, "refused"), (counts.silent, "silent")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
    let outcomes = outcomes.join(", ");
    let at_least = if incident.server().at_least { "at least " } else { "" };
    let addresses = if counts.targets == 1 { "address" } else { "addresses" };
    // A few servers are no sweep before the rule says so.
    let is_sweep = incident.findings.contains_key(sweep::META.id);
    let (whole, short) = if is_sweep { (", a sweep", "sweep on") } else { ("", "tried") };
    Headline::new(
        format!("{client} tried {ports} of {at_least}{} {addresses}{whole}: {outcomes}", counts.targets),
        format!("{short} {ports}: {outcomes}"),
    )
}

/// One server that answers many.
fn exposure(incident: &Incident) -> Headline {
    let (server, ports) = (incident.server().phrase(), incident.ports_phrase());
    let answer = if incident.ports.len() > 1 { "answer" } else { "answers" };
    let whom = match incident.client().only_address() {
        Some(one) => one.to_string(),
        None => incident.client().phrase(),
    };
    Headline::new(
        format!("{ports} of {server} {answer} the Internet: {whom} reached it"),
        format!("{ports} {answer} the Internet"),
    )
}

/// The same response on two servers.
fn relay(incident: &Incident) -> Option<Headline> {
    let fact = incident.techniques.get("T1557.001")?;
    let whose = incident.leading_credential().map(of_account).unwrap_or_default();
    Some(Headline::new(format!("{}: a relay", clean(fact)), format!("NTLM response{whose} relayed")))
}

/// Remote procedures that run something.
fn execution(incident: &Incident) -> Option<Headline> {
    let shown = ["T1569.002", "T1053.005", "T1112"].into_iter().any(|technique| incident.shows(technique));
    let called = incident.operations_phrase(|interface| EXECUTION.contains(&interface)).filter(|_| shown)?;
    let (client, server) = (incident.client().phrase(), incident.server().phrase());
    let accepted = incident.accepted_users().find_map(Credential::account);
    let user = accepted.map(|account| format!(" as {}", clean(&account))).unwrap_or_default();
    Some(Headline::new(
        format!("{client} called {called} on {server}{user}"),
        format!("remote execution{user}: {called}"),
    ))
}

/// Many refused log-ons.
fn guessing(incident: &Incident) -> Option<Headline> {
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

/// Content that left.
fn departure(incident: &Incident) -> Option<Headline> {
    if !incident.shows("T1048") {
        return None;
    }
    let amount = bytes(incident.bytes_left());
    let (internal, external) = (incident.internal.phrase(), incident.external.phrase());
    let share = incident.disk_share().map(|share| clean(&share.path));
    let encrypted = encrypted(incident);
    let took = duration(incident.last.since(incident.first));
    Some(match (incident.direction, share) {
        (Direction::Outbound, share) => {
            let to = share.map_or_else(|| external.clone(), |path| located(&path, &external));
            Headline::with_volume(
                format!("{internal} sent {amount} to {to}{encrypted} in {took}"),
                format!("{amount} left for {to}{encrypted}"),
            )
        }
        (Direction::Inbound, Some(path)) => {
            let from = located(&path, &internal);
            Headline::with_volume(
                format!("{external} fetched {amount} from {from}{encrypted} in {took}"),
                format!("{amount} left, read from {path}{encrypted}"),
            )
        }
        (Direction::Inbound, None) => Headline::with_volume(
            format!("{amount} left {internal} for {external}{encrypted} in {took}"),
            format!("{amount} left{encrypted}"),
        ),
    })
}

/// The user who matters most and what came of it.
fn credential(incident: &Incident) -> Option<Headline> {
    let credential = incident.leading_credential().filter(|one| one.method != CredentialMethod::Anonymous)?;
    let headline = match incident.direction {
        Direction::Outbound => given_away(incident, credential),
        Direction::Inbound => logged_on(incident, credential),
    };
    Some(if let_in(credential) { with_share(incident, headline) } else { headline })
}

/// An external client that came in as nobody, whatever was refused beside it.
fn anonymous_beside_refused(incident: &Incident) -> Option<Headline> {
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

/// The anonymous log-on that was accepted.
fn anonymous_session(incident: &Incident) -> Option<&Credential> {
    let mut anonymous = incident.credentials.iter().filter(|one| one.method == CredentialMethod::Anonymous);
    anonymous.find(|one| let_in(one))
}

const fn let_in(credential: &Credential) -> bool {
    matches!(credential.outcome, Some(LogonOutcome::Accepted | LogonOutcome::AcceptedAsGuest))
}

/// An internal user's credential outside.
fn given_away(incident: &Incident, credential: &Credential) -> Headline {
    let (client, server, whose) =
        (incident.client().phrase(), incident.server().phrase(), of_account(credential));
    let (what, short) = match credential.method {
        CredentialMethod::Password => (format!("the plaintext password{whose}"), format!("password{whose}")),
        CredentialMethod::Kerberos => {
            let service = credential.target.as_deref().map(|name| format!(" for {}", clean(name)));
            let service = service.unwrap_or_default();
            (format!("a Kerberos ticket{service}"), format!("Kerberos ticket{service}"))
        }
        method => (
            format!("an {} credential{whose}", method.name()),
            format!("{} credential{whose}", method.name()),
        ),
    };
    let (outcome, short_outcome) = match credential.outcome {
        Some(LogonOutcome::Accepted) => (", which accepted it", " and accepted"),
        Some(LogonOutcome::AcceptedAsGuest) => (", which let it in as guest", " and let in as guest"),
        Some(LogonOutcome::Refused) => (", which refused it", ", refused"),
        None => ("", ""),
    };
    Headline::new(
        format!("{client} gave {what} to {server}{outcome}"),
        format!("{short} given away{short_outcome}"),
    )
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

/// The same, with the share that was connected after it.
fn with_share(incident: &Incident, headline: Headline) -> Headline {
    let Some(share) = incident.leading_share().filter(|share| share.connected == Some(true)) else {
        return headline;
    };
    let (path, encrypted) = (clean(&share.path), encrypted(incident));
    let short = match incident.direction {
        Direction::Outbound => headline.short,
        Direction::Inbound => format!("{}; {path}", headline.short),
    };
    Headline { whole: format!("{}, and connected {path}{encrypted}", headline.whole), short, ..headline }
}

/// Content that came from outside on an internal client's demand.
fn download(incident: &Incident) -> Option<Headline> {
    let fetched =
        incident.shows("T1105") || (incident.direction == Direction::Outbound && incident.content.came);
    let share = incident.disk_share().filter(|_| fetched)?;
    let amount = bytes(incident.bytes_came());
    let from = located(&clean(&share.path), &incident.external.phrase());
    let encrypted = encrypted(incident);
    Some(Headline::with_volume(
        format!("{} fetched {amount} from {from}{encrypted}", incident.internal.phrase()),
        format!("{amount} came in from {from}{encrypted}"),
    ))
}

/// A session of nobody in particular: an anonymous one, or one whose log-on was not read.
fn session(incident: &Incident) -> Option<Headline> {
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
            format!("{client} connected {}{encrypted}", located(&path, &server)),
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

/// Connections that came to no session.
fn contact(incident: &Incident) -> Headline {
    let (client, server, ports) =
        (incident.client().phrase(), incident.server().phrase(), incident.ports_phrase());
    let named = |service| incident.ports.iter().any(|(.., known)| *known == service);
    match incident.level {
        EvidenceLevel::Attempt if incident.counted.dropped >= incident.counted.connections.max(1) => {
            Headline::new(
                format!("{client} tried {ports} of {server}, and enforcement dropped it"),
                format!("{ports} tried, dropped{}", rhythm(incident)),
            )
        }
        EvidenceLevel::Attempt => Headline::new(
            format!("{client} tried {ports} of {server}, and no answer was seen"),
            format!("{ports} tried, no answer{}", rhythm(incident)),
        ),
        EvidenceLevel::Refused => Headline::new(
            format!("{client} tried {ports} of {server}, which refused"),
            format!("{ports} refused{}", rhythm(incident)),
        ),
        EvidenceLevel::Answered => {
            let whom = if incident.direction == Direction::Inbound { " the Internet" } else { "" };
            Headline::new(
                format!("{client} tried {ports} of {server}, which answered"),
                format!("{ports} answered{whom}{}", rhythm(incident)),
            )
        }
        EvidenceLevel::Connected if named(Service::Netbios) => Headline::new(
            format!("{client} asked NetBIOS on {ports} of {server}, which answered"),
            format!("NetBIOS on {ports} answered{}", rhythm(incident)),
        ),
        EvidenceLevel::Connected => connected(incident, &client, &server, &ports),
        _ => {
            let protocol = match incident.dialect_phrase() {
                Some(dialect) => dialect,
                None if named(Service::Rpc) && !named(Service::Smb) => "DCE-RPC".to_owned(),
                None => "SMB".to_owned(),
            };
            Headline::new(
                format!("{client} spoke {protocol} with {server} on {ports}"),
                format!("spoke {protocol} on {ports}"),
            )
        }
    }
}

/// Connections without SMB.
fn connected(incident: &Incident, client: &str, server: &str, ports: &str) -> Headline {
    let other: Vec<_> = incident.other_protocols.iter().map(|protocol| other(*protocol)).collect();
    if !other.is_empty() {
        let other = other.join(" and ");
        return Headline::new(
            format!("{client} connected to {ports} of {server} and spoke {other}, not SMB"),
            format!("{other} on {ports}, not SMB"),
        );
    }
    let (whole, short) = if incident.read_in_full() {
        ("; no SMB was spoken", ", no SMB")
    } else {
        ("; no SMB was seen", ", no SMB seen")
    };
    Headline::new(
        format!("{client} connected to {ports} of {server}{whole}"),
        format!("connected to {ports}{short}"),
    )
}

const fn other(protocol: OtherProtocol) -> &'static str {
    match protocol {
        OtherProtocol::Http => "HTTP",
        OtherProtocol::Tls => "TLS",
    }
}

/// What else is known, in whole sentences.
fn clauses(incident: &Incident, says_volume: bool) -> Vec<String> {
    let mut clauses = Vec::new();
    if !says_volume && incident.level == EvidenceLevel::Data {
        clauses.extend(incident.volume_phrase());
    }
    clauses.extend(of_another_logon(incident));
    let execution = |interface: &str| EXECUTION.contains(&interface);
    let executed = incident.is_about_two_hosts() && execution_shown(incident);
    if let Some(called) = incident.operations_phrase(|interface| !(executed && execution(interface))) {
        clauses.push(format!("{} called {called}", incident.client().phrase()));
    }
    if executed && incident.counted.logons_refused > 0 {
        clauses.push(format!("{} refused", several(incident.counted.logons_refused, "log-on")));
    }
    clauses.extend(repetition(incident));
    if incident.joined_late {
        clauses.push(joined_late(incident));
    }
    if incident.one_sided {
        clauses.push("packets of one direction alone were seen".to_owned());
    }
    if let Some(hit) = incident.threats.first() {
        let (list, prefix) = (clean(&hit.list), clean(&hit.prefix));
        clauses.push(format!("the external host is on the threat list {list} ({prefix})"));
    }
    clauses
}

fn execution_shown(incident: &Incident) -> bool {
    execution(incident).is_some() && relay(incident).is_none()
}

/// A session beside a credential that was not seen to be accepted: it is not that user's.
fn of_another_logon(incident: &Incident) -> Option<String> {
    let credential = incident.leading_credential().filter(|one| one.method != CredentialMethod::Anonymous)?;
    let outbound = incident.direction == Direction::Outbound && incident.is_about_two_hosts();
    if let_in(credential) || !outbound || incident.level < EvidenceLevel::Session || incident.shows("T1048") {
        return None;
    }
    let how = if anonymous_session(incident).is_some() { "an anonymous session" } else { "a session" };
    let share = incident.leading_share().filter(|share| share.connected == Some(true));
    let share = share.map(|share| format!(", and {} connected", clean(&share.path))).unwrap_or_default();
    Some(format!("{how} was set up{share}"))
}

/// How many connections, since when and how often.
fn repetition(incident: &Incident) -> Option<String> {
    let count = incident.counted.connections;
    if count < 2 || !incident.is_about_two_hosts() {
        return None;
    }
    let since = since(incident.first, incident.last);
    let since = if since.contains(':') { since + " UTC" } else { since };
    let every = interval(incident).map(|every| format!(", every {every} on average")).unwrap_or_default();
    Some(format!("{count} connections {since}{every}"))
}

/// The time between connections, where there are enough of them over time.
fn interval(incident: &Incident) -> Option<String> {
    let gaps = u32::try_from(incident.counted.connections.saturating_sub(1)).unwrap_or(u32::MAX);
    let every = incident.last.since(incident.first).checked_div(gaps)?;
    // A second or less is no rhythm but a burst.
    (incident.counted.connections >= RHYTHM && every.as_secs() >= 2).then(|| duration(every))
}

/// "; every 30 s since 26 Nov"
fn rhythm(incident: &Incident) -> String {
    interval(incident)
        .map(|every| format!("; every {every} {}", since(incident.first, incident.last)))
        .unwrap_or_default()
}

/// What a late arrival may have missed.
fn joined_late(incident: &Incident) -> String {
    let missed = match incident.leading_credential() {
        None if incident.level >= EvidenceLevel::Session => "the log-on",
        _ => "the beginning",
    };
    format!("joined late: {missed} was before {} UTC, when the sensor first saw it", clock(incident.first))
}

/// ` (encrypted)`
fn encrypted(incident: &Incident) -> &'static str {
    if incident.encrypted { " (encrypted)" } else { "" }
}

/// A share, with the address of its server where the path does not have it.
fn located(path: &str, server: &str) -> String {
    let host = path.trim_start_matches('\\').split('\\').next().unwrap_or_default();
    if host == server { path.to_owned() } else { format!("{path} of {server}") }
}

#[cfg(test)]
mod tests;
