//! A report as text.

use sensor_core::rules::sentence::{bytes, counted};
use sensor_dissect::escape::shown;

use super::{content::Report, exempted::Exempted, pairs::Pair, severities::Severities, verdicts::Given};
use crate::{columns::aligned, exposure};

/// Verdicts that are listed.
const LISTED: usize = 20;

/// The text.
pub(super) fn text(report: &Report) -> String {
    let mut text = format!(
        "smb-sensor report of {}, {} to {}\n",
        shown(report.host.as_bytes()),
        report.since,
        report.until
    );
    for note in notes(report) {
        text.push_str(&note);
        text.push('\n');
    }
    let mut section = |title: &str, body: &str| text.push_str(&format!("\n{title}\n{body}"));
    section("INCIDENTS", &incidents(report));
    section("OPENED IN THE WEEK OF", &weeks(report));
    section("VERDICTS", &verdicts(report));
    section(
        &format!("TOP PAIRS ({} in all)", report.pairs.total),
        &table(&PAIRS, report.pairs.top.iter().map(pair)),
    );
    section("CAMPAIGNS", &campaigns(report));
    section("EXPOSED HOSTS", &exposure::table(&report.exposed));
    section("EXEMPT (since it is counted)", &table(&EXEMPTED, report.exempted.iter().map(exempted)));
    section("LOST OR LEFT OUT", &lines(&report.loss.lines()));
    text
}

/// What has to be said before the numbers.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    match &report.kept_since {
        None => notes.push("The database has no documents.".to_owned()),
        Some(kept) if report.begins_late => notes.push(format!(
            "The oldest document in the database is of {kept}: older ones have been removed, or there were none."
        )),
        Some(_) => {}
    }
    notes
}

const PAIRS: [&str; 8] =
    ["SEVERITY", "INTERNAL HOST", "EXTERNAL HOST", "DIRECTION", "INCIDENTS", "CONN", "LEFT", "CAME IN"];
const EXEMPTED: [&str; 5] = ["EXEMPTION", "CONN", "PACKETS", "LAST", "WHY"];

fn incidents(report: &Report) -> String {
    let incidents = &report.incidents;
    let numbers: Vec<_> =
        incidents.by_severity.named().iter().map(|(name, count)| format!("{count} {name}")).collect();
    format!(
        "{}, {} of them open: {}\n",
        counted(incidents.total, "incident"),
        incidents.open,
        numbers.join(", ")
    )
}

fn severities(first: &str, counts: &Severities) -> Vec<String> {
    let numbers = counts.named().map(|(_, count)| count.to_string());
    [vec![first.to_owned()], numbers.to_vec(), vec![counts.total().to_string()]].concat()
}

fn weeks(report: &Report) -> String {
    let mut rows: Vec<_> =
        report.incidents.weeks.iter().map(|week| severities(&week.begins, &week.opened)).collect();
    if report.incidents.earlier > 0 {
        let earlier = report.incidents.earlier.to_string();
        rows.push(vec![
            "before".to_owned(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            earlier,
        ]);
    }
    table(&["", "CRITICAL", "HIGH", "MEDIUM", "LOW", "ALL"], rows.into_iter())
}

fn verdicts(report: &Report) -> String {
    let rows = report.verdicts.named().map(|(name, counts)| severities(name, &counts));
    let mut text = table(&["", "CRITICAL", "HIGH", "MEDIUM", "LOW", "ALL"], rows.into_iter());
    let given = &report.verdicts.given;
    if !given.is_empty() {
        text.push('\n');
        text.push_str(&table(
            &["GIVEN", "VERDICT", "INCIDENT", "SEVERITY", "WHAT HAPPENED", "BY", "WHY"],
            given.iter().take(LISTED).map(given_row),
        ));
        text.push_str(&more(given.len(), LISTED));
    }
    text
}

fn given_row(given: &Given) -> Vec<String> {
    let Given { at, incident, severity, summary, verdict, by, note } = given;
    let note = note.as_deref().unwrap_or_default();
    [at.as_str(), verdict, incident, severity.name(), summary, by, note]
        .map(|cell| shown(cell.as_bytes()))
        .to_vec()
}

fn pair(pair: &Pair) -> Vec<String> {
    let host = |address: &str, name: &Option<String>| {
        let name = name.as_ref().map(|name| format!(" {}", shown(name.as_bytes()))).unwrap_or_default();
        format!("{address}{name}")
    };
    vec![
        pair.severity.name().to_owned(),
        host(&pair.internal, &pair.internal_name),
        host(&pair.external, &pair.external_name),
        pair.direction.name().to_owned(),
        pair.incidents.to_string(),
        pair.connections.to_string(),
        bytes(pair.left_bytes),
        bytes(pair.came_bytes),
    ]
}

fn campaigns(report: &Report) -> String {
    let rows = report.campaigns.iter().map(|one| {
        vec![
            one.severity.name().to_owned(),
            one.last.clone(),
            one.incidents.to_string(),
            one.internal_hosts.to_string(),
            one.external.clone(),
            one.worst.clone(),
            one.id.clone(),
        ]
    });
    table(&["SEVERITY", "LAST", "INCIDENTS", "INTERNAL HOSTS", "EXTERNAL HOST", "THE WORST ONE", "ID"], rows)
}

fn exempted(one: &Exempted) -> Vec<String> {
    let reason = one.reason.as_deref().unwrap_or("not among the exemptions that are known here");
    vec![
        shown(one.id.as_bytes()),
        one.connections.to_string(),
        one.packets.to_string(),
        one.last.clone(),
        shown(reason.as_bytes()),
    ]
}

/// A table with a header, or a line that says that there is nothing.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = header.iter().map(|one| (*one).to_owned()).collect();
    let all: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    if all.len() == 1 { "none\n".to_owned() } else { aligned(&all) }
}

fn lines(lines: &[String]) -> String {
    if lines.is_empty() { "nothing\n".to_owned() } else { lines.join("\n") + "\n" }
}

/// How many of a list are not shown.
pub(super) fn more(all: usize, listed: usize) -> String {
    match all.saturating_sub(listed) {
        0 => String::new(),
        more => format!("{more} more are in the output of --json\n"),
    }
}
