//! `smb-sensor top` on a real terminal, inside tmux: its screen, and the key that ends it.

use std::{process::Command, time::Duration};

use sensor_lab::{Smbd, Topology, address, poll, require_lab, scratch_dir, skip};
use sensor_tests::{Agent, EvidenceLevel, Tmux, reaches, smb_session};

/// Time for steps that take seconds on a loaded machine.
const LONG: Duration = Duration::from_secs(20);

/// The sequence for red (ISO 8613-6, the second of the indexed colours).
const RED: &str = "\x1b[38;5;1m";

/// Names of terminals other than the one of tmux, as a shell at the other end of a connection has them.
const OTHER_TERMINALS: [&str; 4] = ["vt100", "linux", "xterm-256color", "none-that-is-known"];

/// What the window shows once the screen is complete.
#[track_caller]
fn complete_screen(window: &Tmux<'_>, with_colours: bool) -> String {
    let parts = ["smb-sensor 0.", "seen ", "8.8.4.4", "output  ", "q ends"];
    let complete = |text: &String| parts.iter().all(|part| text.contains(part));
    poll(LONG, || window.shows(with_colours).ok().filter(complete))
        .unwrap_or_else(|| panic!("{:?}", window.shows(with_colours)))
}

/// The key that ends it does.
#[track_caller]
#[expect(clippy::unwrap_used, reason = "a test cannot go on without tmux")]
fn ends(window: &Tmux<'_>) {
    window.ask(&["send-keys", "q"]).unwrap();
    assert!(poll(LONG, || (!window.is_there()).then_some(())).is_some(), "{:?}", window.shows(false));
}

#[test]
fn shows_rates_incidents_and_outputs_until_a_key_ends_it() {
    require_lab!();
    if Command::new("tmux").arg("-V").output().is_err() {
        return skip(
            "shows_rates_incidents_and_outputs_until_a_key_ends_it",
            "tmux is not in PATH: install the package tmux",
        );
    }
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let (folder, state) = (scratch_dir().unwrap(), tempfile::tempdir().unwrap());
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share)).unwrap();

    let top = format!("{} top --state-dir {}", Agent::program().unwrap().display(), state.path().display());
    let window = Tmux::run(folder.path(), (80, 24), &top).unwrap();
    let text = complete_screen(&window, false);
    assert!(text.lines().count() <= 24, "{text}");
    let coloured = window.shows(true).unwrap();
    assert!(coloured.contains(RED), "the critical incident is red: {coloured}");
    ends(&window);

    // The first tmux may still be ending.
    let another = scratch_dir().unwrap();
    let plain = Tmux::run(another.path(), (200, 50), &format!("NO_COLOR=1 {top}")).unwrap();
    let text = complete_screen(&plain, true);
    assert!(!text.contains("[38;"), "{text}");

    for terminal in OTHER_TERMINALS {
        let folder = scratch_dir().unwrap();
        let window = Tmux::run(folder.path(), (80, 24), &format!("TERM={terminal} {top}")).unwrap();
        let text = complete_screen(&window, false);
        assert!(text.lines().count() <= 24, "{terminal}: {text}");
        ends(&window);
    }
}

#[test]
fn needs_a_terminal() {
    let output = Command::new(Agent::program().unwrap()).arg("top").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("needs a terminal"), "{said}");
}
