//! A report as one HTML file, with pictures and without a script. It loads nothing.

use anyhow::{Context as _, Result};
use askama::Template;
use sensor_core::rules::sentence::bytes;
use sensor_dissect::escape::shown;

use super::{
    content::Report,
    picture::{Bars, Columns, WIDTH},
    text::{more, notes},
    verdicts::Given,
};

/// Verdicts that are listed.
const LISTED: usize = 50;

/// The colours and shapes of the status page, and those of a report alone.
const STYLE: &str = concat!(include_str!("../http/page/assets/style.css"), include_str!("report.css"));

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    style: &'static str,
    width: u64,
    notes: Vec<String>,
    weeks: Columns,
    verdicts: Bars,
    pairs: Bars,
    given: &'a [Given],
    more: String,
    loss: Vec<String>,
}

/// The file.
///
/// # Errors
/// If the template cannot be rendered.
pub(super) fn page(report: &Report) -> Result<String> {
    let given = &report.verdicts.given;
    let page = Page {
        report,
        style: STYLE,
        width: WIDTH,
        notes: notes(report),
        weeks: Columns::of(&report.incidents.weeks),
        verdicts: Bars::of_verdicts(&report.verdicts),
        pairs: Bars::of_pairs(&report.pairs.top),
        given: given.get(..LISTED).unwrap_or(given),
        more: more(given.len(), LISTED),
        loss: report.loss.lines(),
    };
    page.render().context("cannot make the page")
}

impl Page<'_> {
    /// A text without characters that mislead; the template escapes markup.
    fn text(&self, text: &str) -> String {
        shown(text.as_bytes())
    }

    /// The same, if there is one.
    fn optional(&self, text: &Option<String>) -> String {
        shown(text.as_deref().unwrap_or_default().as_bytes())
    }

    fn bytes(&self, count: &u64) -> String {
        bytes(*count)
    }

    /// A time to the minute, with a space in the middle.
    fn minute(&self, at: &str) -> String {
        at.get(..16).unwrap_or(at).replace('T', " ")
    }

    fn joined(&self, all: &std::collections::BTreeSet<String>) -> String {
        let shown: Vec<_> = all.iter().map(|one| shown(one.as_bytes())).collect();
        shown.join(" ")
    }
}
