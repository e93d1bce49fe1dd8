use super::{sentence, summary, title};
use crate::{
    address::Direction,
    asset::{Asset, AssetRole},
    incident::{CredentialMethod, Incident, LogonOutcome, Share, ShareKind, fixtures::*},
    level::EvidenceLevel,
    service::Service,
    time::Timestamp,
};

fn assert_lines(incident: &Incident, whole: &str, short: &str) {
    assert_eq!((sentence(incident).as_str(), summary(incident).as_str()), (whole, short));
}

#[test]
fn leak_names_credential_destination_and_outcome() {
    assert_lines(
        &leak_accepted(),
        r"10.0.0.2 gave an NTLMv2 credential of CORP\ann to 8.8.4.4, which accepted it, and connected \\8.8.4.4\files; 3 connections since 10:13 UTC",
        r"NTLMv2 credential of CORP\ann given away and accepted",
    );
    assert_lines(
        &leak_refused(),
        r"10.0.0.2 gave an NTLMv2 credential of CORP\ann to 8.8.4.4, which refused it",
        r"NTLMv2 credential of CORP\ann given away, refused",
    );
    assert_lines(
        &plain_password(),
        "10.0.0.2 gave the plaintext password of ann to 8.8.4.4, which accepted it",
        "password of ann given away and accepted",
    );
    assert_lines(
        &kerberos(),
        "10.0.0.2 gave a Kerberos ticket for cifs/files.example to 8.8.4.4, which accepted it",
        "Kerberos ticket for cifs/files.example given away and accepted",
    );
    let mut unanswered = leak_refused();
    unanswered.credentials[0].outcome = None;
    assert_eq!(sentence(&unanswered), r"10.0.0.2 gave an NTLMv2 credential of CORP\ann to 8.8.4.4");
}

#[test]
fn title_of_a_leak_needs_no_address_and_other_titles_are_whole_sentences() {
    let leak = "An internal host gave an NTLM credential to a server on the Internet";
    assert_eq!(title(&leak_accepted()), format!("{leak}, and the server accepted it"));
    assert_eq!(title(&leak_refused()), format!("{leak}, and the server refused it"));
    let mut other = leak_accepted();
    other.conflicting = true;
    assert_eq!(title(&other), sentence(&other), "what the server received is not known");
    let mut other = leak_accepted();
    other.credentials.push(credential(CredentialMethod::Kerberos, r"CORP\bob", None));
    assert_eq!(title(&other), sentence(&other), "of two users");
    for other in [plain_password(), kerberos(), encrypted_upload(), relay(), guessing_succeeded(), sweep()] {
        assert_eq!(title(&other), sentence(&other));
    }
}

#[test]
fn names_a_host_of_the_inventory_and_its_role() {
    assert_lines(
        &backup_of_inventory(),
        r"10.0.0.2 (bk01) sent 12.3 MiB to \\8.8.4.4\drop (encrypted) in 4 min; the inventory lists bk01 as a backup host",
        r"12.3 MiB left for \\8.8.4.4\drop (encrypted)",
    );
    let mut read = guessing_succeeded();
    read.techniques.remove("T1110.001");
    read.techniques.insert("T1048".into(), String::new());
    read.internal.asset = Some(Asset { name: "fs01".into(), owner: None, role: None });
    let sentence = sentence(&read);
    assert!(sentence.contains(r"from \\10.0.1.2\data as"), "a path names its server by address: {sentence}");
}

#[test]
fn names_each_role_that_changes_the_severity_and_no_other() {
    let listed = |role: &str| {
        let mut scan = sweep();
        let role = Some(AssetRole::from(role.to_owned()));
        scan.internal.asset = Some(Asset { name: "scan01".into(), owner: None, role });
        sentence(&scan)
    };
    for (role, is) in
        [("scanner", "a scanner"), ("backup", "a backup host"), ("file-server", "a file server")]
    {
        let said = listed(role);
        assert!(said.starts_with("10.0.0.31 (scan01) tried TCP 445 of 300 addresses"), "{said}");
        assert!(said.ends_with(&format!("; the inventory lists scan01 as {is}")), "{said}");
    }
    let said = listed("printer");
    assert!(said.starts_with("10.0.0.31 (scan01) ") && !said.contains("the inventory"), "{said}");
}

#[test]
fn names_volume_from_inside_and_disk_shares_before_pipes() {
    assert_lines(
        &encrypted_upload(),
        r"10.0.0.2 sent 12.3 MiB to \\8.8.4.4\drop (encrypted) in 4 min",
        r"12.3 MiB left for \\8.8.4.4\drop (encrypted)",
    );
    assert_lines(
        &download(),
        r"10.0.0.2 fetched 5.0 MiB from \\8.8.4.4\tools",
        r"5.0 MiB came in from \\8.8.4.4\tools",
    );
    let mut named = download();
    named.shares[0].path = r"\\files.example\tools".into();
    assert_eq!(sentence(&named), r"10.0.0.2 fetched 5.0 MiB from \\files.example\tools of 8.8.4.4");
    let mut read = guessing_succeeded();
    read.techniques.remove("T1110.001");
    read.techniques.insert("T1048".into(), String::new());
    read.counted.connections = 1;
    assert_lines(
        &read,
        r"203.0.112.9 fetched 8.8 KiB from \\10.0.1.2\data as CORP\bob in 12 s",
        r"8.8 KiB left, read from \\10.0.1.2\data as CORP\bob",
    );
}

#[test]
fn counts_guesses_and_names_the_right_one() {
    assert_lines(
        &guessing_succeeded(),
        r"203.0.112.9 tried 99 passwords for 3 users on 10.0.1.2; CORP\bob was accepted; 8.8 KiB left, 61 KiB came in; 100 connections since 10:13 UTC",
        r"password guessed: 99 refused, CORP\bob accepted; 61 KiB in",
    );
    assert_lines(
        &guessing_refused(),
        "203.0.112.9 tried 99 passwords for 3 users on 10.0.1.2; all of them were refused; 99 connections since 10:13 UTC",
        "99 passwords tried for 3 users, all refused",
    );
    let mut guest = guessing_refused();
    guest.credentials[1].outcome = Some(LogonOutcome::AcceptedAsGuest);
    assert_eq!(summary(&guest), r"99 passwords tried for 3 users, CORP\bob let in as guest");
}

#[test]
fn relay_and_remote_execution_come_before_their_logon() {
    assert_lines(
        &relay(),
        "8.8.4.4 logged on to 10.0.1.2 with the response that 10.0.0.2 had given it 2 s before: a relay",
        r"NTLM response of CORP\ann relayed",
    );
    assert_lines(
        &remote_execution(),
        r"203.0.112.9 called svcctl RCreateServiceW and RStartServiceW on 10.0.1.2 as CORP\bob; 20 KiB left, 60 KiB came in; 203.0.112.9 called srvsvc NetrShareEnum",
        r"remote execution as CORP\bob: svcctl RCreateServiceW and RStartServiceW; 60 KiB in",
    );
}

#[test]
fn names_no_user_where_several_log_ons_fit() {
    let other = || credential(CredentialMethod::Anonymous, "", Some(LogonOutcome::Accepted));
    let mut executed = remote_execution();
    executed.credentials.push(other());
    assert!(summary(&executed).starts_with("remote execution: svcctl"), "{}", summary(&executed));
    let mut leak = leak_accepted();
    leak.credentials.push(other());
    let expected = r"10.0.0.2 gave an NTLMv2 credential of CORP\ann to 8.8.4.4, which accepted it; \\8.8.4.4\files was connected";
    assert!(sentence(&leak).starts_with(expected), "{}", sentence(&leak));
    let mut relayed = relay();
    relayed.credentials.push(credential(CredentialMethod::Ntlmv2, r"CORP\bob", None));
    assert_eq!(summary(&relayed), "NTLM response relayed");
    let fact = r"8.8.4.4 sent an NTLM response of CORP\bob that was made for 8.8.4.4 to 10.0.1.2";
    relayed.techniques.insert("T1557.001".into(), fact.into());
    assert_eq!(summary(&relayed), r"NTLM response of CORP\bob relayed");
}

#[test]
fn keeps_a_refused_user_apart_from_an_anonymous_session() {
    assert_lines(
        &anonymous_beside_refused(),
        r"203.0.112.9 logged on to 10.0.1.2 anonymously, and connected \\10.0.1.2\IPC$; 1 log-on refused",
        r"anonymous session; \\10.0.1.2\IPC$; 1 log-on refused",
    );
    let mut outbound = leak_refused();
    outbound.level = EvidenceLevel::Share;
    outbound.credentials.push(credential(CredentialMethod::Anonymous, "", Some(LogonOutcome::Accepted)));
    outbound.shares = vec![share(r"\\8.8.4.4\IPC$", ShareKind::Pipe)];
    assert_eq!(
        sentence(&outbound),
        r"10.0.0.2 gave an NTLMv2 credential of CORP\ann to 8.8.4.4, which refused it; an anonymous session was set up, and \\8.8.4.4\IPC$ connected"
    );
}

#[test]
fn refused_logon_connects_no_share() {
    let mut refused = anonymous_beside_refused();
    refused.credentials.remove(0);
    refused.level = EvidenceLevel::Credential;
    assert_lines(
        &refused,
        r"203.0.112.9 tried to log on to 10.0.1.2 as CORP\guest (NTLMv2) and was refused",
        r"1 log-on refused: CORP\guest (NTLMv2)",
    );
}

#[test]
fn names_the_protocol_of_a_port_without_smb() {
    assert_lines(
        &tls_on_445(),
        "10.0.0.5 connected to TCP 445 of 198.51.99.4 (vpn.example.com) and spoke TLS, not SMB",
        "TLS (vpn.example.com) on TCP 445, not SMB",
    );
    let mut named = tls_on_445();
    named.tls_servers = vec!["b.example".into(), "a\u{1b}.example".into()];
    assert_eq!(summary(&named), r"TLS (a\u{1b}.example and b.example) on TCP 445, not SMB");
    named.tls_servers.clear();
    assert_eq!(summary(&named), "TLS on TCP 445, not SMB");
    let mut mute = tls_on_445();
    mute.other_protocols.clear();
    mute.counted.payload = [0, 0];
    assert_eq!(summary(&mute), "connected to TCP 445, no data sent");
    mute.complete = false;
    assert_eq!(summary(&mute), "connected to TCP 445, no SMB seen", "what was not read may have been SMB");
    mute.complete = true;
    mute.counted.payload = [10, 0];
    assert_eq!(summary(&mute), "connected to TCP 445, no SMB seen", "not everything that is sent is read");
    mute.unanswered_smb = true;
    assert_eq!(
        sentence(&mute),
        "10.0.0.5 connected to TCP 445 of 198.51.99.4; SMB was seen from one side only"
    );
    mute.level = EvidenceLevel::Answered;
    assert_eq!(sentence(&mute), "10.0.0.5 tried TCP 445 of 198.51.99.4, which answered");
    mute.level = EvidenceLevel::Refused;
    assert_eq!(sentence(&mute), "10.0.0.5 tried TCP 445 of 198.51.99.4, which refused");
}

#[test]
fn retries_have_a_rhythm_and_a_burst_has_none() {
    assert_lines(
        &retries(),
        "10.0.0.17 tried TCP 445 of 198.51.99.4, and no answer was seen; 8641 connections since 26 Nov, every 30 s on average",
        "TCP 445 tried, no answer; every 30 s since 26 Nov",
    );
    let mut burst = retries();
    burst.first = burst.last;
    assert_eq!(summary(&burst), "TCP 445 tried, no answer");
    let mut dropped = retries();
    dropped.counted.dropped = dropped.counted.connections;
    assert_eq!(summary(&dropped), "TCP 445 tried, dropped; every 30 s since 26 Nov");
}

#[test]
fn late_joiner_names_what_it_missed() {
    assert_lines(
        &joined_late(),
        "10.0.0.2 and 8.8.4.4 exchanged more over SMB than a set-up takes; 195 KiB left, 88 KiB came in; joined late: the log-on was before 10:13 UTC, when the sensor first saw it",
        "data exchanged; 195 KiB out; joined late",
    );
    let at_start = Incident { joined_at_start: Some(after(-733_000)), ..joined_late() };
    let said = sentence(&at_start);
    let clause = "; joined late: the log-on was before 10:01 UTC, when the sensor started";
    assert!(said.ends_with(clause), "{said}");
}

#[test]
fn counts_hosts_of_an_incident() {
    assert_lines(
        &sweep(),
        "10.0.0.31 tried TCP 445 of 300 addresses, a sweep: 10 answered, 41 refused, 249 silent",
        "sweep on TCP 445: 10 answered, 41 refused, 249 silent",
    );
    assert_lines(
        &exposure(),
        "TCP 445 of 10.0.1.2 answers the Internet: 20 addresses reached it",
        "TCP 445 answers the Internet",
    );
}

#[test]
fn names_smb_without_a_logon_and_netbios() {
    let mut spoken = pair(Direction::Outbound, "10.0.0.2", "8.8.4.4", EvidenceLevel::Smb);
    assert_eq!(sentence(&spoken), "10.0.0.2 spoke SMB with 8.8.4.4 on TCP 445");
    spoken.dialects = vec!["3.1.1".into()];
    assert_eq!(summary(&spoken), "spoke SMB 3.1.1 on TCP 445");
    spoken.ports = vec![(6, 135, Service::Rpc)];
    spoken.dialects.clear();
    assert_eq!(summary(&spoken), "spoke DCE-RPC on TCP 135");
    assert_eq!(
        sentence(&netbios_listed()),
        "2001:4860:4860::8844 asked NetBIOS on UDP 137 of fd00:1::2, which answered; packets of one direction alone were seen; \
         the external host is on the threat list feed (2001:4860:4860::/48)"
    );
    let mut share_only = joined_late();
    share_only.level = EvidenceLevel::Share;
    share_only.shares = vec![Share { path: r"\\8.8.4.4\x".into(), kind: None, connected: Some(true) }];
    assert!(sentence(&share_only).starts_with(r"10.0.0.2 connected \\8.8.4.4\x; joined late: the log-on"));
}

#[test]
fn offer_over_quic_names_the_server_and_claims_no_smb() {
    assert_lines(
        &quic(),
        "10.0.0.2 offered SMB over QUIC to UDP 443 of 8.8.4.4 (files.example.com), which answered; at least 1.8 KiB left, 1.6 KiB came in",
        "SMB offered over QUIC (files.example.com); at least 1.8 KiB left, 1.6 KiB came in",
    );
    let mut silent = Incident { level: EvidenceLevel::Attempt, ..quic() };
    silent.quic[0].server_name = None;
    assert_lines(
        &silent,
        "10.0.0.2 offered SMB over QUIC to UDP 443 of 8.8.4.4, and no answer was seen",
        "SMB offered over QUIC, no answer",
    );
    let mut both = Incident { level: EvidenceLevel::Smb, ..quic() };
    both.ports.push((6, 445, Service::Smb));
    assert_eq!(
        sentence(&both),
        "10.0.0.2 spoke SMB with 8.8.4.4 on UDP 443, TCP 445; 10.0.0.2 also offered SMB over QUIC to UDP 443 (files.example.com)"
    );
}

#[test]
fn every_message_is_one_line_without_control_characters() {
    for (name, incident) in all() {
        for line in [sentence(&incident), summary(&incident)] {
            assert!(!line.chars().any(sensor_dissect::escape::misleads), "{name}: {line:?}");
            assert!(!line.is_empty() && !line.ends_with(['.', ';']), "{name}: {line}");
        }
    }
}

#[test]
fn every_level_in_every_direction_has_a_message() {
    for direction in [Direction::Outbound, Direction::Inbound] {
        for level in EvidenceLevel::ALL {
            let mut incident = pair(direction, "10.0.0.2", "8.8.4.4", level);
            incident.first = Timestamp::from_unix_seconds(0);
            let line = sentence(&incident);
            assert!(line.contains("10.0.0.2") && line.contains("8.8.4.4"), "{level}: {line}");
        }
    }
}

#[test]
fn names_other_users_beside_the_leading_one() {
    let mut leak = leak_accepted();
    leak.credentials.push(credential(CredentialMethod::Ntlmv2, r"CORP\bob", Some(LogonOutcome::Refused)));
    let said = sentence(&leak);
    assert!(said.contains(r"; a credential of CORP\bob (refused) was given away as well"), "{said}");
    leak.credentials.push(credential(CredentialMethod::Kerberos, r"CORP\bob", Some(LogonOutcome::Accepted)));
    leak.credentials.push(credential(CredentialMethod::Ntlmv2, r"CORP\eve", None));
    let said = sentence(&leak);
    let two = r"; credentials of CORP\bob (accepted) and CORP\eve were given away as well";
    assert!(said.contains(two), "{said}");
    leak.conflicting = true;
    let said = sentence(&leak);
    assert!(said.contains("were seen as well"), "which segment arrived is not known: {said}");
    leak.credentials.truncate(2);
    leak.direction = Direction::Inbound;
    assert!(!sentence(&leak).contains("as well"), "a refused log-on is none");
    leak.credentials[1].outcome = Some(LogonOutcome::Accepted);
    let said = sentence(&leak);
    assert!(said.contains("logged on as well"), "{said}");
}

#[test]
fn segments_that_contradict_each_other_are_named() {
    let clause = "; segments contradict each other, which may be an attempt to mislead the sensor";
    for mut incident in [leak_accepted(), leak_refused(), encrypted_upload(), joined_late()] {
        assert!(!sentence(&incident).contains("contradict"), "{}", sentence(&incident));
        incident.conflicting = true;
        assert!(sentence(&incident).contains(clause), "{}", sentence(&incident));
    }
}

#[test]
fn volume_that_left_hides_no_credential() {
    let mut sent = leak_accepted();
    sent.level = EvidenceLevel::Data;
    sent.techniques.insert("T1048".into(), "20 MiB were written".into());
    let given_away = r"; NTLMv2 credential of CORP\ann given away and accepted";
    for line in [sentence(&sent), summary(&sent)] {
        assert!(line.contains(given_away), "{line}");
        assert_eq!(line.matches("CORP").count(), 1, "{line}");
    }
    sent.credentials.clear();
    assert!(!sentence(&sent).contains("given away"));
}

#[test]
fn interface_without_a_call_was_bound() {
    let mut leak = leak_accepted();
    leak.operations.insert("srvsvc".into(), Vec::new());
    assert!(sentence(&leak).contains("10.0.0.2 bound to srvsvc"), "{}", sentence(&leak));
    leak.operations.insert("srvsvc".into(), vec!["NetrShareEnum".into()]);
    let said = sentence(&leak);
    assert!(said.contains("called srvsvc NetrShareEnum") && !said.contains("bound"), "{said}");
}
