//! Writes pictures of the status page into a folder: prepared incidents, real Chromium, in a network namespace.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use sensor_core::incident::fixtures;
use sensor_lab::Namespace;
use sensor_tests::{
    Browser,
    status_page::{ADDRESS, StatusPage, incidents},
};

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("name a folder for the pictures")?);
    let namespace = Namespace::new("page")?;
    let incidents = incidents();
    let leak = fixtures::leak_accepted();
    let about = incidents.iter().find(|one| one.credentials == leak.credentials).map(|one| one.id);
    let incident = format!("/incidents/{}", about.context("no such incident")?);
    let page = StatusPage::serve(&namespace, incidents)?;
    let mut browser = Browser::start(&namespace)?;
    for (name, path, width, dark) in [
        ("overview", "/", 1280, false),
        ("incidents", "/incidents?severity=high", 1280, false),
        ("incident", incident.as_str(), 1280, true),
        ("phone", "/", 390, false),
    ] {
        browser.resize(width, 844)?;
        browser.prefer_dark(dark)?;
        page.refresh();
        browser.open(&format!("http://{ADDRESS}{path}"))?;
        browser.screenshot(&folder.join(format!("page-{name}.png")), width > 400)?;
    }
    Ok(())
}
