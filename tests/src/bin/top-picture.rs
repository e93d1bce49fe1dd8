//! Writes a picture of `smb-sensor top` into a folder: a real agent, real sessions, a terminal in tmux.

use std::{fs, path::PathBuf, time::Duration};

use anstyle_svg::Term;
use anyhow::{Context as _, Result};
use sensor_lab::{Smbd, Topology, address, poll, scratch_dir};
use sensor_tests::{Agent, EvidenceLevel, Tmux, reaches, smb_session};

/// Size of the terminal.
const SIZE: (u16, u16) = (120, 28);

/// Time for the terminal to show everything.
const SHOWN: Duration = Duration::from_secs(60);

/// Parts of columns of the chart, at least.
const BARS: usize = 12;

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("name a folder for the picture")?);
    let border = Topology::border()?;
    let _smbd = Smbd::start(border.server())?;
    let scratch = scratch_dir()?;
    let state = scratch.path().join("state");
    let agent = Agent::on(border.gateway(), "lan0").state_dir(&state).start()?;
    smb_session(border.client(), address::SERVER_V4)?;
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share))?;
    smb_session(border.client(), address::SERVER_V6)?;

    let command = format!("{} top --state-dir {}", Agent::program()?.display(), state.display());
    let window = Tmux::run(scratch.path(), SIZE, &command)?;
    let parts = ["seen ", "8.8.4.4", "2001:4860:", "output  "];
    let is_bar = |character: &char| ('▁'..='█').contains(character);
    let is_whole = |text: &String| {
        let bars = text.chars().filter(is_bar).count();
        bars >= BARS && parts.iter().all(|part| text.contains(part))
    };
    // Traffic while it is watched, so that there are rates.
    poll(SHOWN, || {
        smb_session(border.client(), address::SERVER_V4).ok()?;
        window.shows(false).ok().filter(is_whole)
    })
    .with_context(|| format!("the terminal shows {:?}", window.shows(false)))?;
    let svg = Term::new().render_svg(&window.shows(true)?);
    let path = folder.join("top.svg");
    fs::write(&path, svg).with_context(|| format!("write {}", path.display()))
}
