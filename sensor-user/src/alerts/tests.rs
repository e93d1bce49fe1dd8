//! The list and the view of one incident, as shown.

use std::{collections::BTreeMap, fs, path::Path};

use sensor_core::{
    incident::{Incident, IncidentId, fixtures},
    level::Severity,
};

use super::{
    detail,
    elsewhere::Elsewhere,
    list::{self, Terminal},
};
use crate::response::{Judge, Judgement, Peer, Verdict};

/// Set to rewrite the golden files instead of comparing them: `SMB_SENSOR_WRITE_GOLDEN=1 cargo test -p sensor-user golden`.
const WRITE: &str = "SMB_SENSOR_WRITE_GOLDEN";

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
    Elsewhere::among(it, &[])
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
    for (name, it) in fixtures::all() {
        assert_golden(&format!("{name}.txt"), &detail::text(&it, &alone(&it), None));
    }
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
    for text in
        [detail::text(&hostile, &alone(&hostile), None), table(std::slice::from_ref(&hostile), &PLAIN)]
    {
        let misleads = |character: char| character != '\n' && sensor_dissect::escape::misleads(character);
        assert!(!text.chars().any(misleads), "{text:?}");
    }
}

#[test]
fn verdict_is_before_what_happened_and_in_full_with_its_note() {
    let leak = fixtures::leak_accepted();
    let verdicts = BTreeMap::from([(leak.id.to_string(), Verdict::Benign)]);
    let other = Incident { id: IncidentId(1), ..fixtures::sweep() };
    let text = list::table(&[leak.clone(), other], &verdicts, &PLAIN);
    assert_eq!(text.matches("[benign] NTLMv2 credential").count(), 1, "{text}");
    assert_eq!(text.matches("[benign]").count(), 1, "{text}");
    let judgement = Judgement {
        verdict: Verdict::Benign,
        note: Some("nightly\u{202e} copy".into()),
        by: Judge::Peer(Peer::User { uid: 1000, name: Some("ann".into()) }),
        at: fixtures::after(90_000),
    };
    let text = detail::text(&leak, &alone(&leak), Some(&judgement));
    let line = text.lines().find(|line| line.starts_with("  verdict")).unwrap();
    assert!(
        line.ends_with(r": nightly\u{202e} copy") && line.contains("benign, by ann (uid 1000), 20"),
        "{line}"
    );
}
