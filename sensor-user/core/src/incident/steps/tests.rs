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
        let place = rest.find(part).unwrap_or_else(|| panic!("{part} is missing or out of order in\n{text}"));
        rest = &rest[place + part.len()..];
    }
}

#[test]
fn leak_puts_the_password_first_and_names_the_process() {
    assert_says(
        &fixtures::leak_accepted(),
        &[
            r"Change the password of CORP\ann; the response can be cracked or relayed.",
            r"made 10.0.0.2 (PC-ANN) open \\8.8.4.4\files at 10:13:55 UTC",
            "smbclient (pid 4711)",
            "Block TCP 445 and 139 outwards",
        ],
    );
    assert_says(&fixtures::plain_password(), &["Change the password of ann; it was sent in the clear."]);
    assert_says(&fixtures::several_processes(), &["Processes: smbclient (pid 4711) and 2 more."]);
    let kerberos = text(&steps(&fixtures::kerberos(), true));
    assert!(!kerberos.contains("password"), "a ticket gives no password away: {kerberos}");
}

#[test]
fn accepted_logon_concerns_the_account_and_written_files() {
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
fn role_of_the_host_says_whom_to_ask() {
    let mut backup = fixtures::backup_of_inventory();
    assert_says(&backup, &["Ask Ann Example whether backups of 10.0.0.2 (bk01) go to 8.8.4.4."]);
    assert!(steps(&backup, true).benign.contains("--source 10.0.0.2 "), "a command has the address alone");
    let asset = backup.internal.asset.as_mut().unwrap();
    (asset.owner, asset.role) = (None, Some(AssetRole::FileServer));
    assert_says(
        &backup,
        &["Ask the person who runs 10.0.0.2 (bk01) why a file server opens connections to 8.8.4.4"],
    );
}

#[test]
fn internal_host_is_named_as_well_as_it_is_known_and_by_its_address() {
    let mut leased = fixtures::leased_server();
    assert_says(&leased, &["does 10.0.1.2 (nas) lock accounts at all?", "Close TCP 445 of 10.0.1.2 (nas)"]);
    leased.internal.enrichment.lease_name = Some("a\u{202e}b".into());
    assert_says(&leased, &[r"does 10.0.1.2 (a\u{202e}b) lock"]);
    assert_says(&leased, &["smb-sensor block 10.0.1.2 203.0.112.9 --for"]);
    let many = Incident { internal: fixtures::hosts("10.0.0", 2), ..fixtures::leak_accepted() };
    assert_says(&many, &["made 2 addresses open"]);
}

#[test]
fn sweep_of_a_listed_scanner_may_have_been_ordered() {
    let mut scan = fixtures::sweep();
    scan.internal.asset = fixtures::backup_of_inventory().internal.asset;
    let whether = "Ask Ann Example whether this scan was ordered, and by whom.";
    assert!(!text(&steps(&scan, true)).contains(whether), "a backup host scans nothing");
    scan.internal.asset.as_mut().unwrap().role = Some(AssetRole::Scanner);
    assert_says(&scan, &[whether]);
    scan.internal.asset.as_mut().unwrap().owner = None;
    assert_says(&scan, &["Ask the person who runs 10.0.0.31 (bk01) whether this scan was ordered"]);
    let exposed = Incident { internal: scan.internal, ..fixtures::exposure() };
    assert!(!text(&steps(&exposed, true)).contains("was ordered"), "a stranger came to the scanner");
}

#[test]
fn scan_concerns_the_firewall_and_open_ports() {
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
fn remote_execution_relay_and_transfer_have_their_own_steps() {
    assert_says(&fixtures::remote_execution(), &["Isolate 10.0.1.2", "service that was created"]);
    assert_says(&fixtures::relay(), &["Require SMB signing on 10.0.1.2", "gave the response away"]);
    assert_says(&fixtures::encrypted_upload(), &["keep its disk", "written to 8.8.4.4"]);
    assert_says(&fixtures::download(), &["Isolate 10.0.0.2", "whether one of them was run"]);
    assert_says(&fixtures::joined_late(), &["Look for the log-on"]);
    assert_says(&fixtures::netbios_listed(), &["a threat list names it"]);
}

#[test]
fn unnamed_credential_still_has_steps() {
    let mut leak = fixtures::leak_refused();
    leak.credentials = vec![credential(CredentialMethod::Ntlmv2, "", None)];
    assert_says(&leak, &["Change the password of the user who was logged on"]);
}

#[test]
fn suggested_exemption_covers_little_else() {
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
fn hints_at_undefined_networks() {
    let hint = |defined| steps(&fixtures::leak_accepted(), defined).hint;
    assert_eq!(hint(true), None);
    assert!(hint(false).is_some_and(|hint| hint.contains("8.8.4.4") && hint.contains("networks.internal")));
}

#[test]
fn every_incident_has_steps_in_whole_sentences() {
    for (name, incident) in fixtures::all() {
        let steps = steps(&incident, false);
        assert!(!steps.check.is_empty() && !steps.contain.is_empty(), "{name}");
        for step in steps.in_order() {
            let (said, command) = step.split_once(":  smb-sensor ").unwrap_or((step, ""));
            assert!(
                (said.ends_with(['.', '?']) || !command.is_empty())
                    && !step.chars().any(sensor_dissect::escape::misleads),
                "{name}: {step}"
            );
        }
    }
}

#[test]
fn offer_over_quic_concerns_the_two_hosts_and_no_tcp_port() {
    assert_says(&fixtures::quic(), &["Block UDP 443 to 8.8.4.4", "event log Microsoft-Windows-SMBClient"]);
    assert!(!text(&steps(&fixtures::quic(), true)).contains("TCP 445 and 139"), "that would not stop it");
    let mut inbound = fixtures::quic();
    inbound.direction = Direction::Inbound;
    assert_says(&inbound, &["Remove-SmbServerCertificateMapping", "10.0.0.2 is set up for SMB over QUIC"]);
    let mut both = fixtures::quic();
    both.ports.push((6, 445, Service::Smb));
    assert_says(&both, &["Block UDP 443", "Block TCP 445 and 139 outwards"]);
    assert!(steps(&both, true).benign.contains("--service quic,smb"));
}

#[test]
fn urgent_pair_has_the_command_that_blocks_it() {
    let command = "smb-sensor block 10.0.0.2 8.8.4.4 --for 24h --reason 7f3a000000000001";
    let said = text(&steps(&fixtures::leak_accepted(), true));
    let outwards = "Block TCP 445 and 139 outwards in the firewall, and for these two hosts at once:  ";
    assert!(said.ends_with(&format!("{outwards}{command}")), "{said}");
    assert_eq!(said.matches("smb-sensor block").count(), 1, "{said}");
    let said = text(&steps(&fixtures::quic(), true));
    assert!(said.ends_with(&format!("\nCut them off from each other meanwhile:  {command}")), "{said}");
    let mild = Incident { severity: Severity::Medium, ..fixtures::leak_accepted() };
    assert!(text(&steps(&mild, true)).ends_with("Block TCP 445 and 139 outwards in the firewall."));
    for other in [fixtures::exposure(), fixtures::sweep(), fixtures::tls_on_445()] {
        let said = steps(&other, true).contain.join("\n");
        assert!(!said.contains("smb-sensor block"), "{said}");
    }
}
