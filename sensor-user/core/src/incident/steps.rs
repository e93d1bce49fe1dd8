//! What to do about an incident, by what was seen: what to check, how to contain it, and how to exempt it where it is benign.

use super::{
    CredentialMethod, Incident, LogonOutcome, Scope,
    phrase::{clean, clock},
};
use crate::{address::Direction, level::EvidenceLevel, service::Service};

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
    let mut steps = Steps { benign: exemption(incident), ..Steps::default() };
    match incident.scope {
        Scope::Client if incident.targets.is_some_and(|counts| counts.targets > 1) => {
            sweep(incident, &mut steps);
        }
        Scope::Exposure => exposure(incident, &mut steps),
        Scope::Client | Scope::Pair | Scope::Connection => pair(incident, &mut steps),
    }
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

fn sweep(incident: &Incident, steps: &mut Steps) {
    let client = incident.client().phrase();
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
    let (server, ports) = (incident.server().phrase(), incident.ports_phrase());
    steps.check.push(format!(
        "Find the firewall rule, port forwarding or public address that makes {ports} of {server} reachable."
    ));
    steps.contain.push(format!("Close {ports} to the Internet; offer file access over a VPN."));
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
    match incident.direction {
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
        incident.internal.phrase()
    ));
}

fn execution(incident: &Incident, steps: &mut Steps) {
    let server = incident.server().phrase();
    let around = clock(incident.first);
    if incident.shows("T1569.002") {
        steps.check.push(format!("Look for the service that was created, changed or started on {server} from {around} UTC on (event 7045), and for its program file."));
        steps.contain.push(format!(
            "Isolate {server}; stop and delete that service after keeping a copy of its program."
        ));
    }
    if incident.shows("T1053.005") {
        steps.check.push(format!("Look for the scheduled task that was registered or run on {server} from {around} UTC on (event 4698)."));
        steps
            .contain
            .push(format!("Isolate {server}; delete that task after keeping a copy of what it runs."));
    }
    if incident.shows("T1112") {
        steps.check.push(format!(
            "Compare the registry of {server} with a state from before {around} UTC: keys were written."
        ));
    }
}

fn guessing(incident: &Incident, steps: &mut Steps) {
    let (client, server) = (incident.client().phrase(), incident.server().phrase());
    steps.check.push(format!(
        "Look at the accounts that were tried: are they locked out, and does {server} lock accounts at all?"
    ));
    if incident.accepted_users().next().is_none() {
        steps.contain.push(format!("Block {client} and close {} to the Internet.", incident.ports_phrase()));
    }
}

fn outbound(incident: &Incident, steps: &mut Steps) {
    let (client, server) = (incident.client().phrase(), incident.server().phrase());
    credentials_given_away(incident, steps);
    if incident.level >= EvidenceLevel::Smb {
        let at = clock(incident.first);
        let what = incident.leading_share().map_or_else(|| server.clone(), |share| clean(&share.path));
        steps.check.push(format!(
            "Find what made {client} open {what} at {at} UTC: mail, shortcut, document, web page, drive mapping.{}",
            process(incident)
        ));
    }
    if incident.shows("T1048") {
        steps.check.push(format!("Find out what {client} holds and what of it was written to {server}."));
        steps.contain.push(format!("Isolate {client} and keep its disk: it shows what left."));
    }
    if incident.shows("T1105") {
        steps.check.push(format!("Find the files that {client} fetched, and whether one of them was run."));
        steps.contain.push(format!("Isolate {client} until those files are known."));
    }
    if incident.level < EvidenceLevel::Smb {
        let other = if incident.other_protocols.is_empty() {
            ""
        } else {
            " Something else than SMB answers there: a tunnel or a misused port."
        };
        steps.check.push(format!("Find the program on {client} that connects to {server}: a stale drive mapping, a link, or something unwanted.{other}{}", process(incident)));
    }
    steps.contain.push("Block TCP 445 and 139 outwards in the firewall.".to_owned());
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
    let (client, server, ports) =
        (incident.client().phrase(), incident.server().phrase(), incident.ports_phrase());
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

/// ` Process: smbclient (pid 4711).`
fn process(incident: &Incident) -> String {
    let Some(process) = &incident.process else { return String::new() };
    let name = process.name.as_deref().map_or_else(|| "unknown".to_owned(), clean);
    format!(" Process: {name} (pid {}).", process.pid)
}

/// The command that exempts this incident and as little else as possible.
fn exemption(incident: &Incident) -> String {
    let mut command = "smb-sensor exempt add".to_owned();
    if let Some(server) = incident.server().only_address().filter(|_| incident.scope != Scope::Client) {
        command.push_str(&format!(" --destination {server}"));
    }
    if let Some(client) = incident.client().only_address().filter(|_| incident.scope != Scope::Exposure) {
        command.push_str(&format!(" --source {client}"));
    }
    let mut services: Vec<&str> = incident
        .ports
        .iter()
        .map(|(.., service)| match service {
            Service::Smb => "smb",
            Service::Rpc => "rpc",
            Service::Netbios => "netbios",
        })
        .collect();
    services.sort_unstable();
    services.dedup();
    if !services.is_empty() {
        command.push_str(&format!(" --service {}", services.join(",")));
    }
    command.push_str(" --reason \"…\"");
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::{self, credential, pair};

    fn text(steps: &Steps) -> String {
        steps.in_order().collect::<Vec<_>>().join("\n")
    }

    /// Fails unless all of `parts` are said, in this order.
    fn assert_says(incident: &Incident, parts: &[&str]) {
        let text = text(&steps(incident, true));
        let mut rest = text.as_str();
        for part in parts {
            let place =
                rest.find(part).unwrap_or_else(|| panic!("{part} is missing or out of order in\n{text}"));
            rest = &rest[place + part.len()..];
        }
    }

    #[test]
    fn after_a_leak_the_password_comes_first_and_the_process_is_named() {
        assert_says(
            &fixtures::leak_accepted(),
            &[
                r"Change the password of CORP\ann; the response can be cracked or relayed.",
                r"made 10.0.0.2 open \\8.8.4.4\files at 10:13 UTC",
                "smbclient (pid 4711)",
                "Block TCP 445 and 139 outwards",
            ],
        );
        assert_says(&fixtures::plain_password(), &["Change the password of ann; it was sent in the clear."]);
        let kerberos = text(&steps(&fixtures::kerberos(), true));
        assert!(!kerberos.contains("password"), "a ticket gives no password away: {kerberos}");
    }

    #[test]
    fn after_an_accepted_log_on_they_speak_of_the_account_and_of_what_was_written() {
        assert_says(
            &fixtures::guessing_succeeded(),
            &[
                r"Disable CORP\bob",
                r"other log-ons of CORP\bob",
                r"files written to \\10.0.1.2\data",
                "Close TCP 445",
            ],
        );
        assert_says(&fixtures::guessing_refused(), &["Block 203.0.112.9", "locked out"]);
        let anonymous = text(&steps(&fixtures::anonymous_beside_refused(), true));
        assert!(
            anonymous.contains("Turn guest and anonymous access off") && !anonymous.contains("Disable"),
            "{anonymous}"
        );
    }

    #[test]
    fn a_scan_is_a_matter_of_the_firewall_and_an_open_port_is_closed() {
        assert_says(&fixtures::sweep(), &["Isolate 10.0.0.31", "Find the program on 10.0.0.31"]);
        let mut inbound = fixtures::sweep();
        inbound.direction = Direction::Inbound;
        std::mem::swap(&mut inbound.internal, &mut inbound.external);
        assert_says(&inbound, &["Close TCP 445 inwards in the firewall", "hosts that answered"]);
        assert_says(&fixtures::exposure(), &["Close TCP 445 to the Internet", "firewall rule"]);
        let attempt = pair(Direction::Inbound, "10.0.1.2", "8.8.4.4", EvidenceLevel::Attempt);
        assert_says(&attempt, &["nothing shows that 10.0.1.2 answered"]);
    }

    #[test]
    fn remote_execution_relays_and_moved_files_have_steps_of_their_own() {
        assert_says(&fixtures::remote_execution(), &["Isolate 10.0.1.2", "service that was created"]);
        assert_says(&fixtures::relay(), &["Require SMB signing on 10.0.1.2", "gave the response away"]);
        assert_says(&fixtures::encrypted_upload(), &["keep its disk", "written to 8.8.4.4"]);
        assert_says(&fixtures::download(), &["Isolate 10.0.0.2", "whether one of them was run"]);
        assert_says(&fixtures::joined_late(), &["Look for the log-on"]);
        assert_says(&fixtures::netbios_listed(), &["a threat list names it"]);
    }

    #[test]
    fn a_credential_without_a_name_is_somebodys_all_the_same() {
        let mut leak = fixtures::leak_refused();
        leak.credentials = vec![credential(CredentialMethod::Ntlmv2, "", None)];
        assert_says(&leak, &["Change the password of the user who was logged on"]);
    }

    #[test]
    fn the_exemption_covers_the_incident_and_little_else() {
        let benign = |incident: &Incident| steps(incident, true).benign;
        assert_eq!(
            benign(&fixtures::leak_accepted()),
            "smb-sensor exempt add --destination 8.8.4.4 --source 10.0.0.2 --service smb --reason \"…\""
        );
        assert_eq!(
            benign(&fixtures::sweep()),
            "smb-sensor exempt add --source 10.0.0.31 --service smb --reason \"…\""
        );
        assert_eq!(
            benign(&fixtures::exposure()),
            "smb-sensor exempt add --destination 10.0.1.2 --service smb --reason \"…\""
        );
    }

    #[test]
    fn undefined_networks_are_hinted_at() {
        let hint = |defined| steps(&fixtures::leak_accepted(), defined).hint;
        assert_eq!(hint(true), None);
        assert!(
            hint(false).is_some_and(|hint| hint.contains("8.8.4.4") && hint.contains("networks.internal"))
        );
    }

    #[test]
    fn every_incident_has_steps_that_are_whole_sentences() {
        for (name, incident) in fixtures::all() {
            let steps = steps(&incident, false);
            assert!(!steps.check.is_empty() && !steps.contain.is_empty(), "{name}");
            for step in steps.in_order() {
                assert!(
                    step.ends_with(['.', '?']) && !step.chars().any(sensor_dissect::escape::misleads),
                    "{name}: {step}"
                );
            }
        }
    }
}
