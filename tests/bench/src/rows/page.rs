//! The status page: time until the first paint of the list in Chromium, with many incidents.

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{Namespace, Need, missing_for};
use sensor_tests::{
    Browser,
    status_page::{ADDRESS, StatusPage, many_incidents},
};

use crate::{
    effort::Effort,
    row::{Row, Target, Unit},
    samples::Samples,
};

const GROUP: &str = "page";

/// Incidents in the database.
const INCIDENTS: usize = 10_000;

/// The time of the first paint, when it is known (Paint Timing).
const FIRST_PAINT: &str = "new Promise(done => requestAnimationFrame(() => setTimeout(() => \
                           done(performance.getEntriesByName('first-contentful-paint')[0].startTime), 100)))";

/// Measures the group.
pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let what = "first paint of the list of 10,000 incidents";
    if let Some(reason) = missing_for(Need::Browser) {
        return Ok(vec![Row::not_measured(GROUP, what, Unit::Milliseconds, reason)]);
    }
    let namespace = Namespace::new("page")?;
    let page = StatusPage::serve(&namespace, many_incidents(INCIDENTS))?;
    let mut browser = Browser::start(&namespace)?;
    // Starts the renderer and keeps style and icon.
    browser.open(&format!("http://{ADDRESS}/flows"))?;
    let mut times = Vec::new();
    for _ in 0..effort.page_loads {
        page.refresh();
        browser.open(&format!("http://{ADDRESS}/incidents"))?;
        times.push(browser.evaluate(FIRST_PAINT)?.as_f64().context("the browser painted nothing")?);
        let count = browser.evaluate("document.querySelector('p.count').textContent")?;
        ensure!(count == "1–50 of 10,000", "another page was shown: {count}");
    }
    let note = "Chromium without a window, from the request on; 50 incidents are shown";
    let row = Row::new(GROUP, what, Unit::Milliseconds, Samples::new(times));
    Ok(vec![row.target(Target::AtMost(300.0)).note(note)])
}
