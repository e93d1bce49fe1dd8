//! The list and the view of one incident, as shown.

use std::{collections::BTreeMap, fs, path::Path};

use sensor_core::{
    address::Direction,
    incident::{Incident, IncidentId, fixtures},
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
    let shares = |it: &Incident| {
        let text = in_full(it);
        text.lines().find(|line| line.starts_with("  shares")).unwrap()[13..].to_owned()
    };
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
