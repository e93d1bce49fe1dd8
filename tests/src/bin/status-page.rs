//! Writes pictures of the status page into a folder: prepared incidents, real Chromium, in a network namespace.

use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use sensor_core::incident::fixtures;
use sensor_lab::{Namespace, NatsServer, poll, scratch_dir};
use sensor_tests::{
    Browser, fleet,
    status_page::{ADDRESS, StatusPage, incidents},
};

/// Time until the page of the fleet shows that a sensor is silent.
const SILENT_WITHIN: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("name a folder for the pictures")?);
    let namespace = Namespace::new("page")?;
    let incidents = incidents();
    let leak = fixtures::leak_accepted();
    let about = incidents.iter().find(|one| one.credentials == leak.credentials).map(|one| one.id);
    let incident = format!("/incidents/{}", about.context("no such incident")?);
    let page = StatusPage::serve(&namespace, incidents)?;
    let data = scratch_dir()?;
    let server = NatsServer::start(&namespace, Ipv4Addr::LOCALHOST, data.path(), "")?;
    fleet::publish(&namespace, server.address(), &fleet::prepared())?;
    page.show_fleet(fleet::output(server.address())?);
    let mut browser = Browser::start(&namespace)?;
    // One of the sensors has to be silent for a while.
    let silent = "document.querySelector('main').textContent.includes('1 silent')";
    poll(SILENT_WITHIN, || {
        browser.open(&format!("http://{ADDRESS}/fleet")).ok()?;
        browser.evaluate(silent).ok().filter(|is_shown| *is_shown == true)
    })
    .context("the page of the fleet shows no silent sensor")?;
    for (name, path, width, dark) in [
        ("overview", "/", 1280, false),
        ("incidents", "/incidents?severity=high", 1280, false),
        ("incident", incident.as_str(), 1280, true),
        ("fleet", "/fleet", 1280, false),
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
