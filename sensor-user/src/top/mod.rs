//! `smb-sensor top`: rates, incidents and outputs of a running agent, on a terminal, until a key ends it.
//!
//! A thread takes a [`Sample`] at each interval; the terminal is drawn from the last two. A slow agent or disk delays the sample,
//! never the reaction to a key.

mod rates;
mod sample;
mod view;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};

use self::{rates::Rates, sample::Sample, view::View};
use crate::{arguments::directory, config::DEFAULT_STATE_DIR};

/// Time between two looks at the keyboard and at new samples.
const TICK: Duration = Duration::from_millis(100);

/// Flags of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Seconds between two readings
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub interval: u64,
    /// State directory of the agent, as given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

/// Runs until `q`, Escape or Ctrl-C.
///
/// # Errors
/// If there is no terminal, or it cannot be used.
pub fn run(args: &TopArgs) -> Result<ExitCode> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        bail!("top needs a terminal; `smb-sensor status` needs none");
    }
    let samples = start(args).context("cannot start a thread")?;
    let has_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut terminal = ratatui::try_init().context("cannot use the terminal")?;
    let outcome = show(&mut terminal, &samples, has_colours);
    ratatui::restore();
    outcome.context("cannot use the terminal")?;
    Ok(ExitCode::SUCCESS)
}

/// Takes samples, until nobody wants them.
fn start(args: &TopArgs) -> io::Result<Receiver<Sample>> {
    let (state_dir, interval) = (args.state_dir.clone(), Duration::from_secs(args.interval));
    // A sample that nobody has drawn yet is enough.
    let (sender, samples) = mpsc::sync_channel(1);
    thread::Builder::new().name("samples".to_owned()).spawn(move || {
        while sender.send(Sample::take(&state_dir)).is_ok() {
            thread::sleep(interval);
        }
    })?;
    Ok(samples)
}

fn show(terminal: &mut DefaultTerminal, samples: &Receiver<Sample>, has_colours: bool) -> io::Result<()> {
    let mut rates = Rates::default();
    let mut last: Option<Sample> = None;
    let mut scrolled = 0;
    let mut is_changed = true;
    loop {
        if let Ok(sample) = samples.try_recv() {
            rates.take(&sample);
            last = Some(sample);
            is_changed = true;
        }
        if is_changed {
            let view = View { sample: last.as_ref(), rates: &rates, scrolled, has_colours };
            terminal.draw(|frame| view.draw(frame))?;
            is_changed = false;
        }
        if !event::poll(TICK)? {
            continue;
        }
        is_changed = true;
        let Event::Key(key) = event::read()? else { continue };
        let most = last.as_ref().map_or(0, |sample| sample.incidents.len().saturating_sub(1));
        match wish(key) {
            Wish::End => return Ok(()),
            Wish::Scroll(lines) => scrolled = scrolled.saturating_add_signed(lines).min(most),
            Wish::Nothing => {}
        }
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    End,
    /// The list of incidents by so many lines.
    Scroll(isize),
    Nothing,
}

fn wish(key: KeyEvent) -> Wish {
    if key.kind == KeyEventKind::Release {
        return Wish::Nothing;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Wish::End,
        KeyCode::Char('q') | KeyCode::Esc => Wish::End,
        KeyCode::Down | KeyCode::Char('j') => Wish::Scroll(1),
        KeyCode::Up | KeyCode::Char('k') => Wish::Scroll(-1),
        KeyCode::PageDown => Wish::Scroll(10),
        KeyCode::PageUp => Wish::Scroll(-10),
        KeyCode::Home => Wish::Scroll(isize::MIN),
        _ => Wish::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_end_and_scroll() {
        let key = |code| wish(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!([key(KeyCode::Char('q')), key(KeyCode::Esc)], [Wish::End; 2]);
        assert_eq!(wish(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Wish::End);
        assert_eq!(key(KeyCode::Char('c')), Wish::Nothing);
        assert_eq!([key(KeyCode::Down), key(KeyCode::Up)], [Wish::Scroll(1), Wish::Scroll(-1)]);
        let released = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(wish(released), Wish::Nothing);
    }
}
