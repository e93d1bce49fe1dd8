//! The list and the view of one incident, as shown.

use std::{collections::BTreeMap, fs, path::Path};

use sensor_core::{
    address::Direction,
    incident::{CredentialMethod, Incident, IncidentId, fixtures},
    level::Severity,
    time::Timestamp,
};

use super::{
    detail,
    elsewhere::Elsewhere,
    list::{self, Terminal},
};
use crate::response::{Author, Peer, Verdict, VerdictEntry};

/// Set to rewrite the golden files instead of comparing them: `SMB_SENSOR_WRITE_GOLDEN=1 cargo test -p sensor-user golden`.
const WRITE: &str = "SMB_SENSOR_WRITE_GOLDEN";

/// When somebody reads it: on the day of the incidents.
const NOW: Timestamp = Timestamp::from_unix_nanos(fixtures::START.unix_nanos() + 3_600_000_000_000);

const PLAIN: Terminal = Terminal { colours: false, width: None };

fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/alerts/golden").join(name);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, kept, "{name} differs: set {WRITE} to rewrite it and read the difference");
}

/// The line of the view of an incident that begins with this word, without it.
fn line_of(it: &Incident, word: &str) -> String {
    let text = in_full(it);
    text.lines().find(|line| line.trim_start().starts_with(word)).unwrap()[13..].to_owned()
}

/// No other incident names its external host.
fn alone(it: &Incident) -> Elsewhere {
    Elsewhere { all_are_counted: true, ..Elsewhere::among(it, &[]) }
}

/// One incident, without a verdict.
fn in_full(it: &Incident) -> String {
    detail::text(it, &alone(it), None, NOW)
}

/// The list, without verdicts.
fn table(incidents: &[Incident], terminal: &Terminal) -> String {
    list::table(incidents, &BTreeMap::new(), terminal)
}

/// Every incident, with an identifier of its own.
fn incidents() -> Vec<Incident> {
    let numbered = fixtures::all().into_iter().zip(0x1000_u64..);
    numbered.map(|((_, it), number)| Incident { id: IncidentId(number << 48), ..it }).collect()
}

#[test]
fn golden_list_has_a_line_for_each_incident() {
    let incidents = incidents();
    let text = table(&incidents, &PLAIN);
    assert_eq!(text.lines().count(), incidents.len() + 1);
    assert_golden("list.txt", &text);
}

#[test]
fn golden_list_fits_terminals_of_every_width() {
    for width in [80, 120, 160, 220] {
        let text = table(&incidents(), &Terminal { width: Some(width), ..PLAIN });
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
        }
        assert_golden(&format!("list-{width}.txt"), &text);
    }
}

#[test]
fn no_terminal_is_too_narrow() {
    for width in 0..80 {
        let text = table(&incidents(), &Terminal { width: Some(width), ..PLAIN });
        assert!(text.lines().count() > incidents().len(), "{width}: {text}");
    }
}

#[test]
fn golden_views_of_single_incidents() {
    for (name, it) in fixtures::all().into_iter().chain([("leak-in-full", fixtures::leak_in_full())]) {
        assert_golden(&format!("{name}.txt"), &in_full(&it));
    }
}

/// Text with each run of spaces as one.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn golden_examples_are_one_line_each_and_say_what_happened() {
    let text = table(&fixtures::examples(), &PLAIN);
    assert_golden("examples.txt", &text);
    let said: Vec<_> = text.lines().skip(1).map(words).collect();
    let expected = [
        r"critical 29 Nov 10:14:07 10.0.0.2 pc-ann 8.8.4.4 AS64500 ExampleNet NTLMv2 credential of CORP\ann given away and accepted 3 7f3a",
        r"critical 29 Nov 09:58:41 10.0.1.2 fs01 203.0.112.9 AS64501 Hoster password guessed: 99 refused, CORP\bob accepted; 61 KiB in 100 b102",
        "high 29 Nov 09:12:30 10.0.0.31 9.9.0.0/23 (300 addresses) sweep on TCP 445: 10 answered, 41 refused, 249 silent 300 11c9",
        "medium 29 Nov 08:03:12 10.0.1.2 fs01 20 addresses TCP 445 answers the Internet 20 0d4e",
        "low 29 Nov 07:55:00 10.0.0.17 198.51.99.4 TCP 445 tried, no answer; every 30 s since 26 Nov 8640 9a70",
    ];
    assert_eq!(said, expected);
}

#[test]
fn example_of_one_incident_says_all_that_a_person_asks() {
    let text = words(&in_full(&fixtures::examples()[0]));
    let parts = [
        "CRITICAL An internal host gave an NTLM credential to a server on the Internet, and the server accepted it. ",
        "internal 10.0.0.2 pc-ann (owner Ann Example), opened by smbclient (pid 4711, user ann) ",
        "external 8.8.4.4:445, AS64500 ExampleNet, US; first seen today; no other internal host is known to have used it ",
        r"user CORP\ann on PC-ANN, NTLMv2, accepted ",
        "shares files (disk), IPC$ (pipe) ",
        "volume 1.8 KiB left, 1.6 KiB came in, 3 connections in 12 s, SMB 3.1.1, not encrypted ",
        r"timeline 10:13:55.102 connected · .108 SMB · .121 credential sent · .127 accepted · .133 \\8.8.4.4\files · 10:14:07.001 closed ",
        "findings ntlm-credential-to-internet (high 86 → critical 99, T1187), response in the frame of 10:13:55.121: ",
        "for cifs/8.8.4.4 to 8.8.4.4, ",
        "smb-to-internet (high 73)",
        "rare-smb-destination (medium 47)",
        "complete every message of the set-up was read; no record lost ",
        r"do now 1. Change the password of CORP\ann; the response can be cracked or relayed. ",
        r"2. Find what made 10.0.0.2 (pc-ann) open \\8.8.4.4\files at 10:13:55 UTC: mail, shortcut, document, web page",
        "Process: smbclient (pid 4711). ",
        "3. Block TCP 445 and 139 outwards in the firewall, and for these two hosts at once: smb-sensor block 10.0.0.2 8.8.4.4 --for 24h --reason 7f3a",
        "if benign smb-sensor exempt add --destination 8.8.4.4 --source 10.0.0.2 ",
    ];
    let mut rest = text.as_str();
    for part in parts {
        let place = rest.find(part).unwrap_or_else(|| panic!("{part} is missing or out of order in {text}"));
        rest = &rest[place + part.len()..];
    }
}

#[test]
fn time_of_a_step_is_as_short_as_the_one_before_allows() {
    let timeline = |it: &Incident| line_of(it, "timeline");
    let mut leak = fixtures::leak_accepted();
    leak.timeline.truncate(2);
    leak.timeline[1].at = fixtures::after(1_000);
    assert_eq!(timeline(&leak), "10:13:55.102 connected · 10:13:56.102 SMB", "another second");
    leak.timeline[1].at = fixtures::after(86_400_000);
    let closed = leak.timeline[1].clone();
    leak.timeline.push(closed);
    let another_day = "10:13:55.102 connected · 2026-11-30 10:13:55.102 SMB · .102 SMB";
    assert_eq!(timeline(&leak), another_day);
}

#[test]
fn frame_of_a_credential_is_named_only_if_no_other_can_be_meant() {
    let found = |it: &Incident| {
        let text = in_full(it);
        let line = text.lines().find(|line| line.contains("ntlm-credential-to-internet (")).unwrap();
        line.split_once("), ").unwrap().1.split_once(": ").unwrap().0.to_owned()
    };
    let mut leak = fixtures::leak_accepted();
    leak.credentials[0].attempts = 2;
    assert_eq!(found(&leak), "first response in the frame of 10:13:55.121");
    assert_eq!(found(&fixtures::plain_password()), "password in the frame of 10:13:55.121");
    leak.credentials.push(fixtures::credential(CredentialMethod::Kerberos, "", None));
    assert_eq!(found(&leak), "first response in the frame of 10:13:55.121", "a ticket is no response");
    leak.credentials.push(fixtures::credential(CredentialMethod::Ntlmv1, r"CORP\bob", None));
    assert_eq!(found(&leak), "found at 10:13:55.108");
}

#[test]
fn external_host_is_said_to_be_new_only_on_its_first_day_and_to_be_used_by_nobody_else_only_if_so() {
    let it = fixtures::leak_in_full();
    let said = |it: &Incident, elsewhere: &Elsewhere, now| {
        let text = detail::text(it, elsewhere, None, now);
        let line = text.lines().find(|line| line.starts_with("  external")).unwrap();
        line.split_once(", US; ").unwrap().1.to_owned()
    };
    let nobody = "no other internal host is known to have used it";
    assert_eq!(said(&it, &alone(&it), NOW), format!("first seen today; {nobody}"));
    let tomorrow = fixtures::after(86_400_000);
    assert_eq!(said(&it, &alone(&it), tomorrow), format!("first seen 2026-11-29 10:13; {nobody}"));
    let mut seen = it.clone();
    let sightings = seen.external.enrichment.sightings.as_mut().unwrap();
    (sightings.first, sightings.days) = (fixtures::after(-3_600_000), 2);
    let earlier = format!("first seen today at 09:13, on 2 days, as far as share; {nobody}");
    assert_eq!(said(&seen, &alone(&seen), NOW), earlier);
    let exempted = Elsewhere { all_are_counted: false, ..alone(&it) };
    let no_incident = "first seen today; no other internal host has an incident with it";
    assert_eq!(said(&it, &exempted, NOW), no_incident, "another may have used it without one");
    let other = Elsewhere { other_hosts: 1, ..alone(&it) };
    let by_two = "first seen today, on 1 day by 2 internal hosts, as far as share";
    assert_eq!(said(&it, &other, NOW), by_two);
    let inbound = Incident { direction: Direction::Inbound, ..it };
    let text = in_full(&inbound);
    assert!(text.contains("; first seen today; no other internal host has an incident with it\n"), "{text}");
}

#[test]
fn port_is_beside_the_address_where_it_is_the_only_one_of_tcp() {
    let line = |it: &Incident, name: &str| {
        let text = in_full(it);
        text.lines().find(|line| line.starts_with(name)).unwrap().to_owned()
    };
    let mut leak = fixtures::leak_accepted();
    assert!(line(&leak, "  external").starts_with("  external   8.8.4.4:445 FILES; "));
    let (transport, _, service) = leak.ports[0];
    leak.ports.push((transport, 139, service));
    assert!(line(&leak, "  external").starts_with("  external   8.8.4.4 FILES, TCP 445 and 139; "));
}

#[test]
fn shares_are_named_without_their_server_only_if_it_is_the_one_above_for_all() {
    let shares = |it: &Incident| line_of(it, "shares");
    let mut leak = fixtures::leak_accepted();
    assert_eq!(shares(&leak), "files (disk), IPC$ (pipe)");
    leak.shares[0].path = leak.shares[0].path.replace("8.8.4.4", "files");
    assert_eq!(shares(&leak), "files (disk), IPC$ (pipe)", "its name is above too");
    leak.shares[0].path = leak.shares[0].path.replace("files", "other");
    assert!(
        shares(&leak).contains(r"\\8.8.4.4\") && shares(&leak).contains(r"\\other\"),
        "{}",
        shares(&leak)
    );
}

#[test]
fn only_a_terminal_gets_colours_and_the_worst_stands_out() {
    let incidents = incidents();
    assert!(!table(&incidents, &PLAIN).contains('\u{1b}'));
    let coloured = table(&incidents, &Terminal { colours: true, ..PLAIN });
    let line = |severity: Severity| coloured.lines().find(|line| line.contains(severity.name())).unwrap();
    assert!(line(Severity::Critical).contains("\u{1b}["));
    assert!(!line(Severity::Low).contains("\u{1b}["));
}

#[test]
fn escapes_text_from_the_wire() {
    let hostile = fixtures::hostile_names();
    for text in [in_full(&hostile), table(std::slice::from_ref(&hostile), &PLAIN)] {
        let misleads = |character: char| character != '\n' && sensor_dissect::escape::misleads(character);
        assert!(!text.chars().any(misleads), "{text:?}");
    }
}

#[test]
fn segments_that_contradict_each_other_are_in_the_headline_and_beside_what_was_read() {
    let leak = Incident { conflicting: true, ..fixtures::leak_accepted() };
    let text = in_full(&leak);
    let headline = text.lines().next().unwrap();
    assert!(
        headline.contains("contradict each other, which may be an attempt to mislead the sensor"),
        "{text}"
    );
    let complete = text.lines().find(|line| line.starts_with("  complete")).unwrap();
    assert!(complete.ends_with("; no record lost; segments contradict each other"), "{text}");
}

#[test]
fn verdict_is_before_what_happened_and_in_full_with_its_note() {
    let leak = fixtures::leak_accepted();
    let verdicts = BTreeMap::from([(leak.id.to_string(), Verdict::Benign)]);
    let other = Incident { id: IncidentId(1), ..fixtures::sweep() };
    let text = list::table(&[leak.clone(), other], &verdicts, &PLAIN);
    assert_eq!(text.matches("[benign] NTLMv2 credential").count(), 1, "{text}");
    assert_eq!(text.matches("[benign]").count(), 1, "{text}");
    let verdict_entry = VerdictEntry {
        verdict: Verdict::Benign,
        note: Some("nightly\u{202e} copy".into()),
        by: Author::Peer(Peer::User { uid: 1000, name: Some("ann".into()) }),
        at: fixtures::after(90_000),
    };
    let text = detail::text(&leak, &alone(&leak), Some(&verdict_entry), NOW);
    let line = text.lines().find(|line| line.starts_with("  verdict")).unwrap();
    assert!(
        line.ends_with(r": nightly\u{202e} copy") && line.contains("benign, by ann (uid 1000), 20"),
        "{line}"
    );
}
