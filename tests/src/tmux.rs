//! A terminal that a program can be run in and read from: a window of tmux.

use std::{
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};

/// A tmux server of its own, with one window. It ends with this.
pub struct Tmux<'a>(&'a Path);

impl<'a> Tmux<'a> {
    /// Runs a command in a window of this size. The socket of the server lies in `folder`.
    ///
    /// # Errors
    /// When tmux cannot be run.
    pub fn run(folder: &'a Path, (width, height): (u16, u16), command: &str) -> Result<Self> {
        let tmux = Self(folder);
        let (width, height) = (width.to_string(), height.to_string());
        let output = tmux.ask(&["new-session", "-d", "-x", &width, "-y", &height, command])?;
        ensure!(output.status.success(), "tmux: {output:?}");
        Ok(tmux)
    }

    /// Runs a command of tmux.
    ///
    /// # Errors
    /// When tmux cannot be run.
    pub fn ask(&self, arguments: &[&str]) -> Result<Output> {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.0.join("tmux")).args(["-f", "/dev/null"]).args(arguments);
        tmux.env("TERM", "xterm-256color").output().context("run tmux")
    }

    /// What the window shows; with the sequences for colours, if they are wanted.
    ///
    /// # Errors
    /// When tmux cannot be run.
    pub fn shows(&self, with_colours: bool) -> Result<String> {
        let flags: &[&str] =
            if with_colours { &["capture-pane", "-p", "-e"] } else { &["capture-pane", "-p"] };
        Ok(String::from_utf8_lossy(&self.ask(flags)?.stdout).into_owned())
    }

    /// Whether the window is still open.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.ask(&["has-session"]).is_ok_and(|output| output.status.success())
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let _ = self.ask(&["kill-server"]);
    }
}
