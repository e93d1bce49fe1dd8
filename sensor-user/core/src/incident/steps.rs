//! What to do about an incident, by its evidence: what to check, how to contain it, and how to exempt it if it is benign.

use super::{
    CredentialMethod, Incident, LogonOutcome, Scope,
    covered::Covered,
    phrase::{clean, clock, clock_to_the_second},
};
use crate::{
    address::Direction,
    asset::AssetRole,
    level::{EvidenceLevel, Severity},
    service::Service,
};

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// What to find out, the most urgent first.
    pub check: Vec<String>,
    /// How to end it and undo what it did, the most urgent first.
    pub contain: Vec<String>,
    /// The command that exempts it, where it turns out to be benign. The reason is to be filled in.
    pub benign: String,
    /// What to configure, where the configuration makes this incident doubtful.
    pub hint: Option<String>,
}

impl Steps {
    /// Everything to do now, in order: what is most urgent to contain, what to find out, and what else to contain.
    pub fn in_order(&self) -> impl Iterator<Item = &str> {
        let first = self.contain.len().min(1);
        let (first, others) = self.contain.split_at(first);
        first.iter().chain(&self.check).chain(others).map(String::as_str)
    }
}

/// The steps that the evidence calls for. `networks_defined` says whether internal networks beyond the private ranges are configured.
#[must_use]
pub fn steps(incident: &Incident, networks_defined: bool) -> Steps {
    let mut steps = Steps { benign: Covered::of(incident).command("\"…\""), ..Steps::default() };
    match incident.scope {
        Scope::Client if incident.targets.is_some_and(|counts| counts.targets > 1) => {
            sweep(incident, &mut steps);
        }
        Scope::Exposure => exposure(incident, &mut steps),
        Scope::Client | Scope::Pair | Scope::Connection => pair(incident, &mut steps),
    }
    by_role(incident, &mut steps);
    add_command(incident, &mut steps);
    if incident.joined_late {
        steps.check.push(
            "Look for the log-on in the server's or the client's own log: the sensor came after it."
                .to_owned(),
        );
    }
    if !incident.threats.is_empty() {
        steps.check.push(format!(
            "Look for other traffic with {}: a threat list names it.",
            incident.external.phrase()
        ));
    }
    if !networks_defined {
        steps.hint = Some(format!(
            "No internal networks are configured beyond the private ranges. If {} is yours, list it under networks.internal.",
            incident.external.phrase(),
        ));
    }
    steps
}

/// Client and server. The internal one has its best name, because somebody has to find it.
fn hosts(incident: &Incident) -> (String, String) {
    let (internal, external) = (incident.internal.named_phrase(), incident.external.phrase());
    match incident.direction {
        Direction::Outbound => (internal, external),
        Direction::Inbound => (external, internal),
    }
}

/// The step that closes the ports of SMB outwards.
const BLOCK_OUTWARDS: &str = "Block TCP 445 and 139 outwards in the firewall";

/// Adds the command that cuts the two hosts off from each other: to the step that closes these ports, where there is one, or else as a
/// step of its own.
fn add_command(incident: &Incident, steps: &mut Steps) {
    let Some(command) = block(incident) else { return };
    match steps.contain.iter_mut().find(|step| step.starts_with(BLOCK_OUTWARDS)) {
        Some(step) => *step = format!("{BLOCK_OUTWARDS}, and for these two hosts at once:  {command}"),
        None => steps.contain.push(format!("Cut them off from each other meanwhile:  {command}")),
    }
}

/// The command that cuts the two hosts off from each other, where that is urgent.
fn block(incident: &Incident) -> Option<String> {
    let is_urgent = incident.severity >= Severity::High && incident.level >= EvidenceLevel::Answered;
    let (Some(internal), Some(external)) =
        (incident.internal.only_address(), incident.external.only_address())
    else {
        return None;
    };
    let id = incident.id;
    (is_urgent && incident.scope == Scope::Pair)
        .then(|| format!("smb-sensor block {internal} {external} --for 24h --reason {id}"))
}

/// What to ask of somebody who knows what the internal host is for.
fn by_role(incident: &Incident, steps: &mut Steps) {
    let Some(asset) = &incident.internal.asset else { return };
    let (host, other) = (incident.internal.named_phrase(), incident.external.phrase());
    let whom = asset.owner.as_deref().map_or_else(|| format!("the person who runs {host}"), clean);
    match (&asset.role, incident.direction) {
        (Some(AssetRole::Scanner), Direction::Outbound) => {
            steps.check.push(format!("Ask {whom} whether this scan was ordered, and by whom."));
        }
        (Some(AssetRole::Backup), Direction::Outbound) => {
            steps.check.push(format!("Ask {whom} whether backups of {host} go to {other}."));
        }
        (Some(AssetRole::FileServer), Direction::Outbound) => {
            steps.check.push(format!(
                "Ask {whom} why a file server opens connections to {other}; few have a reason to."
            ));
        }
        _ => {}
    }
}

fn sweep(incident: &Incident, steps: &mut Steps) {
    let (client, _) = hosts(incident);
    let answered = incident.targets.is_some_and(|targets| targets.answered > 0);
    match incident.direction {
        Direction::Outbound => {
            steps.check.push(format!("Find the program on {client} that tries these addresses: malware that spreads, or a scanner.{}", process(incident)));
            steps
                .contain
                .push(format!("Isolate {client}, and block TCP 445 and 139 outwards in the firewall."));
        }
        Direction::Inbound => {
            steps.check.push("Compare the firewall's rules with the ports that were tried: none of them should be open to the Internet.".to_owned());
            if answered {
                steps.check.push("Look at the hosts that answered: each is open to everybody.".to_owned());
            }
            steps.contain.push(format!(
                "Close {} inwards in the firewall; blocking {client} alone does not help for long.",
                incident.ports_phrase()
            ));
        }
    }
}

fn exposure(incident: &Incident, steps: &mut Steps) {
    let ((_, server), ports) = (hosts(incident), incident.ports_phrase());
    steps.check.push(format!(
        "Find the firewall rule, port forwarding or public address that makes {ports} of {server} reachable."
    ));
    steps.contain.push(format!("Close {ports} to the Internet; offer file access over a VPN."));
    if let Some(seen) = incident.webdav.as_ref().filter(|seen| seen.served) {
        if seen.anonymous {
            steps
                .check
                .push(format!("Find out which files {server} gives away over WebDAV without a log-on."));
        }
        steps
            .contain
            .push(format!("Turn WebDAV off on {server} where {ports} has to stay open for other reasons."));
    }
}

fn pair(incident: &Incident, steps: &mut Steps) {
    if incident.shows("T1557.001") {
        relay(incident, steps);
    }
    if ["T1569.002", "T1053.005", "T1112"].into_iter().any(|technique| incident.shows(technique)) {
        execution(incident, steps);
    }
    if incident.shows("T1110.001") || incident.shows("T1110.003") {
        guessing(incident, steps);
    }
    if !incident.quic.is_empty() {
        over_quic(incident, steps);
    }
    match incident.direction {
        _ if is_over_quic_alone(incident) => {}
        Direction::Outbound => outbound(incident, steps),
        Direction::Inbound => inbound(incident, steps),
    }
}

fn relay(incident: &Incident, steps: &mut Steps) {
    steps
        .check
        .push("Find the host that gave the response away, and what made it connect outwards.".to_owned());
    steps.contain.push(format!(
        "Require SMB signing on {} and on every other server; it makes relayed log-ons worthless.",
        incident.internal.named_phrase()
    ));
}

fn execution(incident: &Incident, steps: &mut Steps) {
    let (_, server) = hosts(incident);
    let around = clock(incident.first);
    if incident.shows("T1569.002") {
        steps.check.push(format!("Look for the service that was created, changed or started on {server} from {around} UTC on (event 7045), and for its program file."));
        steps.contain.push(format!(
            "Isolate {server}; stop and delete that service after keeping a copy of its program."
        ));
    }
    if incident.shows("T1053.005") {
        steps.check.push(format!("Look for the scheduled task that was registered or run on {server} from {around} UTC on (event 4698)."));
        steps.contain.push(format!(
            "Isolate {server}; delete that task after keeping a copy of the program that it runs."
        ));
    }
    if incident.shows("T1112") {
        steps.check.push(format!(
            "Compare the registry of {server} with a state from before {around} UTC: keys were written."
        ));
    }
}

fn guessing(incident: &Incident, steps: &mut Steps) {
    let (client, server) = hosts(incident);
    steps.check.push(format!(
        "Look at the accounts that were tried: are they locked out, and does {server} lock accounts at all?"
    ));
    if incident.accepted_users().next().is_none() {
        steps.contain.push(format!("Block {client} and close {} to the Internet.", incident.ports_phrase()));
    }
}

/// SMB over QUIC: what is behind the first packets is encrypted, so the two hosts have to say it.
fn over_quic(incident: &Incident, steps: &mut Steps) {
    let (client, server) = hosts(incident);
    match incident.direction {
        Direction::Outbound => {
            steps.check.push(format!("Find what made {client} use SMB over QUIC with {server}: a drive mapping, `net use` with /TRANSPORT:QUIC, or a tool. On Windows, look in the event log Microsoft-Windows-SMBClient/Connectivity."));
            steps.check.push(format!("Find out whose file server {server} is, and whether a log-on or files went there: the packets are encrypted and do not show it."));
            steps.contain.push(format!(
                "Block UDP 443 to {server} in the firewall; blocking TCP 445 does not stop SMB over QUIC."
            ));
        }
        Direction::Inbound => {
            steps.check.push(format!("Check whether {server} is set up for SMB over QUIC (Get-SmbServerCertificateMapping): {client} asked for it, and the packets do not show whether the server agreed."));
            steps.contain.push(format!("If {server} should not serve files to the Internet, remove that mapping (Remove-SmbServerCertificateMapping)."));
        }
    }
}

/// Whether nothing but SMB over QUIC was tried.
fn is_over_quic_alone(incident: &Incident) -> bool {
    !incident.quic.is_empty() && incident.ports.iter().all(|(.., service)| *service == Service::SmbOverQuic)
}

fn outbound(incident: &Incident, steps: &mut Steps) {
    let (client, server) = hosts(incident);
    credentials_given_away(incident, steps);
    if incident.level >= EvidenceLevel::Smb {
        let at = clock_to_the_second(incident.first);
        let what = incident.leading_share().map_or_else(|| server.clone(), |share| clean(&share.path));
        steps.check.push(format!(
            "Find what made {client} open {what} at {at} UTC: mail, shortcut, document, web page, drive mapping.{}",
            process(incident)
        ));
    }
    if incident.shows("T1048") {
        steps
            .check
            .push(format!("Find out which files {client} holds and which of them were written to {server}."));
        steps.contain.push(format!("Isolate {client} and keep its disk: it shows which files left."));
    }
    if incident.shows("T1105") {
        steps.check.push(format!("Find the files that {client} fetched, and whether one of them was run."));
        steps.contain.push(format!("Isolate {client} until those files are known."));
    }
    if incident.webdav.is_some() {
        steps.check.push(format!("Find what made {client} open a WebDAV path on {server}: a link, a shortcut, a document or a mail, or a program that uses WebDAV on purpose.{}", process(incident)));
        steps.contain.push(format!(
            "Block {} to {server} in the firewall. Turn the WebClient service off where nobody needs WebDAV.",
            incident.webdav_ports_phrase()
        ));
    } else if incident.level < EvidenceLevel::Smb {
        let other = if incident.other_protocols.is_empty() {
            ""
        } else {
            " Something else than SMB answers there: a tunnel or a misused port."
        };
        steps.check.push(format!("Find the program on {client} that connects to {server}: a stale drive mapping, a link, or something unwanted.{other}{}", process(incident)));
    }
    if incident.ports.iter().any(|(.., service)| !matches!(service, Service::WebDav | Service::SmbOverQuic)) {
        steps.contain.push(format!("{BLOCK_OUTWARDS}."));
    }
}

fn credentials_given_away(incident: &Incident, steps: &mut Steps) {
    let mut accounts: Vec<String> = Vec::new();
    let mut unnamed = false;
    for credential in &incident.credentials {
        match (credential.method, credential.account()) {
            (CredentialMethod::Anonymous | CredentialMethod::Kerberos, _) => {}
            (_, Some(account)) if !accounts.contains(&account) => accounts.push(account),
            (_, Some(_)) => {}
            (_, None) => unnamed = true,
        }
    }
    let accounts: Vec<_> = accounts.iter().map(|account| clean(account)).collect();
    let whose = match (crate::rules::sentence::list(&accounts), unnamed) {
        (list, _) if !list.is_empty() => list,
        (_, true) => "the user who was logged on".to_owned(),
        _ => return,
    };
    let plain = incident.credentials.iter().any(|one| one.method == CredentialMethod::Password);
    let why = if plain { "it was sent in the clear" } else { "the response can be cracked or relayed" };
    steps.contain.push(format!("Change the password of {whose}; {why}."));
}

fn inbound(incident: &Incident, steps: &mut Steps) {
    let ((client, server), ports) = (hosts(incident), incident.ports_phrase());
    let accounts: Vec<_> =
        incident.accepted_users().filter_map(super::Credential::account).map(|it| clean(&it)).collect();
    let in_as_user = incident.accepted_users().next().is_some();
    if in_as_user {
        let whose = if accounts.is_empty() {
            "the account".to_owned()
        } else {
            crate::rules::sentence::list(&accounts)
        };
        steps
            .contain
            .push(format!("Disable {whose}, end its sessions and change its password; {client} has it."));
        steps.check.push(format!("Look for other log-ons of {whose}, from {client} and from elsewhere."));
    }
    let nobody = incident.credentials.iter().any(|one| match one.outcome {
        Some(LogonOutcome::AcceptedAsGuest) => true,
        Some(LogonOutcome::Accepted) => one.method == CredentialMethod::Anonymous,
        _ => false,
    });
    if nobody {
        steps.contain.push(format!("Turn guest and anonymous access off on {server}."));
    }
    if incident.content.came {
        let share = incident.leading_share().map_or_else(|| server.clone(), |share| clean(&share.path));
        steps.check.push(format!("Look for files written to {share} from {} UTC on.", clock(incident.first)));
    }
    if incident.content.left || incident.shows("T1048") {
        let share = incident.leading_share().map_or_else(|| server.clone(), |share| clean(&share.path));
        steps.check.push(format!("Find out what {share} holds: {client} read from it."));
    }
    if incident.shows("T1190") {
        steps.check.push(format!("Check that {server} is patched against MS17-010 and CVE-2020-0796, and look for signs of an intrusion."));
    }
    if incident.level >= EvidenceLevel::Answered {
        steps.check.push(format!("Find the firewall rule, port forwarding or public address that makes {ports} of {server} reachable."));
        steps.contain.push(format!("Close {ports} of {server} to the Internet."));
    } else {
        steps.check.push(format!(
            "Check that the firewall drops {ports} from the Internet; nothing shows that {server} answered."
        ));
        steps.contain.push(format!("Close {ports} inwards in the firewall."));
    }
}

/// ` Process: smbclient (pid 4711).`, or ` Processes: smbclient (pid 4711) and 2 more.`
fn process(incident: &Incident) -> String {
    let Some(process) = &incident.process else { return String::new() };
    let name = process.name.as_deref().map_or_else(|| "unknown".to_owned(), clean);
    let at_least = if incident.more_processes { "at least " } else { "" };
    match incident.other_processes.len() {
        0 => format!(" Process: {name} (pid {}).", process.pid),
        more => format!(" Processes: {name} (pid {}) and {at_least}{more} more.", process.pid),
    }
}

#[cfg(test)]
mod tests;
