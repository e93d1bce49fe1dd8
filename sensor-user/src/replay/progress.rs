//! The progress bar: on a terminal, and only for slow replays.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::capture::input::Watch;

/// Time after which a bar is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// Frames between two looks at the clock.
const FRAMES: u32 = 4_096;

/// A bar, or none.
#[derive(Clone)]
pub struct Progress(Option<Rc<RefCell<Bar>>>);

struct Bar {
    bar: ProgressBar,
    started: Instant,
    patience: Duration,
    /// The terminal, until the bar is shown.
    terminal: Option<ProgressDrawTarget>,
    watch: Option<Watch>,
    frames: u32,
}

impl Progress {
    /// No bar.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// A bar on standard error.
    #[must_use]
    pub fn on_terminal() -> Self {
        Self::on(ProgressDrawTarget::stderr(), PATIENCE)
    }

    /// A bar that appears after that time.
    fn on(terminal: ProgressDrawTarget, patience: Duration) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let started = Instant::now();
        let bar = Bar { bar, started, patience, terminal: Some(terminal), watch: None, frames: 0 };
        Self(Some(Rc::new(RefCell::new(bar))))
    }

    /// Another file begins, `size` bytes long if that is known.
    pub fn begin(&self, name: &str, size: Option<u64>, watch: Watch) {
        let Some(shared) = &self.0 else { return };
        let mut bar = shared.borrow_mut();
        let template = match size {
            Some(size) => {
                bar.bar.set_length(size);
                "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}"
            }
            None => "{msg} {spinner} {bytes} {binary_bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.bar.set_style(style);
        }
        bar.bar.reset();
        bar.bar.set_message(name.to_owned());
        bar.watch = Some(watch);
    }

    /// Counts a frame.
    pub fn frame(&self) {
        let Some(shared) = &self.0 else { return };
        let mut bar = shared.borrow_mut();
        bar.frames += 1;
        if bar.frames < FRAMES {
            return;
        }
        bar.frames = 0;
        if bar.started.elapsed() >= bar.patience
            && let Some(terminal) = bar.terminal.take()
        {
            bar.bar.set_draw_target(terminal);
        }
        if let Some(watch) = &bar.watch {
            bar.bar.set_position(watch.taken());
        }
    }

    /// Writes something above the bar.
    pub fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(shared) if shared.borrow().terminal.is_none() => shared.borrow().bar.suspend(write),
            _ => write(),
        }
    }

    /// Removes the bar.
    pub fn end(&self) {
        if let Some(shared) = &self.0 {
            shared.borrow().bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests;
