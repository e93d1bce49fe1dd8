//! Writes a picture of a report into a folder: prepared incidents, `smb-sensor report --html`, real Chromium in a network
//! namespace.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{Namespace, scratch_dir};
use sensor_tests::{
    Agent, Browser,
    report_state::{PERIOD, fill_and_close, of_four_weeks, verdicts},
};

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("name a folder for the picture")?);
    let state = scratch_dir()?;
    let incidents = of_four_weeks();
    fill_and_close(state.path(), &incidents, &verdicts(&incidents))?;
    let page = state.path().join("report.html");
    let mut command = Command::new(Agent::program()?);
    command.arg("report").args(PERIOD).arg("--html").arg(&page).arg("--state-dir").arg(state.path());
    ensure!(command.status()?.success(), "smb-sensor report failed");
    let namespace = Namespace::new("report")?;
    let mut browser = Browser::start(&namespace)?;
    browser.resize(1_280, 844)?;
    browser.open(&format!("file://{}", page.display()))?;
    browser.screenshot(&folder.join("report.png"), true)
}
