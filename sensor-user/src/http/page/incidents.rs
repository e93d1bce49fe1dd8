//! The list of incidents, with filters and pages.

use anyhow::Result;
use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use sensor_core::{
    incident::{Incident, message},
    level::Severity,
};
use serde::Deserialize;

use super::{
    decoded,
    format::number,
    frame::{Frame, rendered},
    read,
    rows::Row,
};
use crate::{
    http::Source,
    storage::{IdentifierQuery, IncidentOrder, Reader},
};

/// Incidents on one page.
const LISTED: usize = 50;

/// Most bytes of the text to look for.
const MAX_TEXT: usize = 200;

/// The filters, as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    severity: String,
    state: String,
    sort: String,
    q: String,
    page: String,
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct Incidents {
    frame: Frame,
    rows: Vec<Row>,
    filter: Filter,
    /// Filters that are not known.
    unknown: Vec<String>,
    total: String,
    range: String,
    previous: Option<usize>,
    next: Option<usize>,
}

pub(super) async fn page(State(source): State<Source>, Query(mut filter): Query<Filter>) -> Response {
    let end = (0..=MAX_TEXT.min(filter.q.len())).rev().find(|end| filter.q.is_char_boundary(*end));
    filter.q.truncate(end.unwrap_or(0));
    read(source, move |source, reader| {
        let wanted = filter.page.parse::<usize>().unwrap_or(1).clamp(1, 1 << 20);
        let (found, total) = found(reader, &filter, (wanted - 1) * LISTED)?;
        let first = (wanted - 1) * LISTED + 1;
        let range = match found.len() {
            0 => String::new(),
            count => format!("{}–{}", number(first as u64), number((first + count - 1) as u64)),
        };
        Ok(rendered(&Incidents {
            frame: Frame::of(source, "incidents"),
            previous: (wanted > 1).then(|| wanted - 1),
            next: (first + found.len() <= total && !found.is_empty()).then_some(wanted + 1),
            rows: found,
            total: number(total as u64),
            range,
            unknown: filter.unknown(),
            filter,
        }))
    })
    .await
}

impl Filter {
    /// What it says that is not known, and so has no effect.
    fn unknown(&self) -> Vec<String> {
        let severities: Vec<_> = Severity::ALL.into_iter().map(Severity::name).collect();
        [
            ("severity", &self.severity, severities.as_slice()),
            ("state", &self.state, &["open", "closed"]),
            ("order", &self.sort, &["time"]),
        ]
        .into_iter()
        .filter(|(_, typed, known)| !typed.is_empty() && !known.contains(&typed.as_str()))
        .map(|(what, typed, _)| format!("The {what} {typed:?} is not known and has no effect."))
        .collect()
    }
}

/// The rows of one page, and how many incidents fit in all.
fn found(reader: &Reader, filter: &Filter, offset: usize) -> Result<(Vec<Row>, usize)> {
    let least = Severity::ALL.into_iter().find(|one| one.name() == filter.severity);
    let query = IdentifierQuery {
        min_severity: least,
        open: match filter.state.as_str() {
            "open" => Some(true),
            "closed" => Some(false),
            _ => None,
        },
        order: if filter.sort == "time" { IncidentOrder::Time } else { IncidentOrder::Severity },
    };
    let ids = reader.identifiers(&query)?;
    let words: Vec<_> = filter.q.split_whitespace().map(str::to_lowercase).collect();
    let mut rows = Vec::new();
    if words.is_empty() {
        for id in ids.iter().skip(offset).take(LISTED) {
            rows.extend(
                reader.identified(id)?.map(|row| decoded(&row)).transpose()?.map(|one| Row::of(&one)),
            );
        }
        return Ok((rows, ids.len()));
    }
    let mut total = 0;
    for id in &ids {
        let Some(row) = reader.identified(id)? else { continue };
        let incident = decoded(&row)?;
        if !fits(&incident, &words) {
            continue;
        }
        if total >= offset && rows.len() < LISTED {
            rows.push(Row::of(&incident));
        }
        total += 1;
    }
    Ok((rows, total))
}

/// Whether all words, in lower case, are somewhere in what is known of an incident.
fn fits(incident: &Incident, words: &[String]) -> bool {
    let addresses = incident.internal.addresses.iter().chain(&incident.external.addresses);
    let mut text: Vec<String> =
        vec![incident.id.to_string(), message::sentence(incident), message::summary(incident)];
    text.extend(addresses.map(ToString::to_string));
    text.extend([&incident.internal.name, &incident.external.name].into_iter().flatten().cloned());
    let asset = incident.internal.asset.iter();
    text.extend(asset.flat_map(|it| [Some(it.name.clone()), it.owner.clone()]).flatten());
    text.extend(incident.credentials.iter().filter_map(sensor_core::incident::Credential::account));
    text.extend(incident.shares.iter().map(|share| share.path.clone()));
    text.extend(incident.findings.keys().cloned());
    text.extend(incident.techniques.keys().cloned());
    let text = text.join("\n").to_lowercase();
    words.iter().all(|word| text.contains(word))
}

impl Filter {
    /// The address of another page with the same filters.
    fn link(&self, page: &usize) -> String {
        let encoded = |text: &str| -> String {
            text.bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                        char::from(byte).to_string()
                    }
                    other => format!("%{other:02X}"),
                })
                .collect()
        };
        format!(
            "/incidents?severity={}&state={}&sort={}&q={}&page={page}",
            encoded(&self.severity),
            encoded(&self.state),
            encoded(&self.sort),
            encoded(&self.q)
        )
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::fixtures;

    use super::*;

    #[test]
    fn text_is_looked_for_in_everything_that_is_known() {
        let leak = fixtures::leak_accepted();
        let fits = |text: &str| {
            let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
            fits(&leak, &words)
        };
        for text in
            ["8.8.4.4", "ANN", "files", "t1187", "ntlm-credential", &leak.id.to_string(), "10.0.0.2 8.8.4.4"]
        {
            assert!(fits(text), "{text}");
        }
        assert!(!fits("9.9.9.9") && !fits("8.8.4.4 bob"));
    }

    #[test]
    fn link_to_another_page_keeps_the_filters() {
        let filter = Filter { severity: "high".into(), q: "a&b=\"<ü>".into(), ..Filter::default() };
        assert_eq!(filter.link(&2), "/incidents?severity=high&state=&sort=&q=a%26b%3D%22%3C%C3%BC%3E&page=2");
    }
}
