//! `smb-sensor top` on a real terminal, inside tmux: what it shows, and that a key ends it.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use sensor_lab::{Smbd, Topology, address, poll, require_lab, scratch_dir, skip};
use sensor_tests::{Agent, EvidenceLevel, reaches, smb_session};

/// Time for steps that take seconds on a loaded machine.
const LONG: Duration = Duration::from_secs(20);

/// The sequence for red (ISO 8613-6, the second of the indexed colours).
const RED: &str = "\x1b[38;5;1m";

/// A tmux server of its own, with one window. It ends with this.
struct Tmux<'a>(&'a Path);

impl<'a> Tmux<'a> {
    /// Runs a command in a window of this size.
    fn run(folder: &'a Path, (width, height): (u16, u16), command: &str) -> Self {
        let tmux = Self(folder);
        let size = ["-x", &width.to_string(), "-y", &height.to_string()].map(str::to_owned);
        let output = tmux.ask(&["new-session", "-d", &size[0], &size[1], &size[2], &size[3], command]);
        assert!(output.status.success(), "{output:?}");
        tmux
    }

    #[expect(clippy::unwrap_used, reason = "a test cannot go on without tmux")]
    fn ask(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.0.join("tmux")).args(["-f", "/dev/null"]).args(arguments);
        tmux.env("TERM", "xterm-256color").output().unwrap()
    }

    /// What the window shows; with the sequences for colours, if they are wanted.
    fn shows(&self, with_colours: bool) -> String {
        let flags: &[&str] =
            if with_colours { &["capture-pane", "-p", "-e"] } else { &["capture-pane", "-p"] };
        String::from_utf8_lossy(&self.ask(flags).stdout).into_owned()
    }

    fn is_there(&self) -> bool {
        self.ask(&["has-session"]).status.success()
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.ask(&["kill-server"]);
    }
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
    let window = Tmux::run(folder.path(), (80, 24), &top);
    let complete =
        |text: &String| ["seen ", "8.8.4.4", "output  ", "q ends"].iter().all(|part| text.contains(part));
    let text = poll(LONG, || Some(window.shows(false)).filter(complete));
    let text = text.unwrap_or_else(|| panic!("{}", window.shows(false)));
    assert!(text.lines().count() <= 24 && text.contains("smb-sensor 0."), "{text}");
    assert!(window.shows(true).contains(RED), "the critical incident is red: {}", window.shows(true));
    window.ask(&["send-keys", "q"]);
    assert!(poll(LONG, || (!window.is_there()).then_some(())).is_some(), "{}", window.shows(false));

    let plain = Tmux::run(folder.path(), (200, 50), &format!("NO_COLOR=1 {top}"));
    let text = poll(LONG, || Some(plain.shows(true)).filter(complete))
        .unwrap_or_else(|| panic!("{}", plain.shows(true)));
    assert!(!text.contains("[38;"), "{text}");
}

#[test]
fn needs_a_terminal() {
    let output = Command::new(Agent::program().unwrap()).arg("top").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("needs a terminal"), "{said}");
}
