//! A timer for reading the ring while records arrive: finer than the runtime's own, which rounds up to whole
//! milliseconds.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    time::Duration,
};

use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use tokio::io::{Interest, unix::AsyncFd};

/// A timer that ticks while it is on.
pub struct PollTimer {
    ticks: AsyncFd<OwnedFd>,
    timer: TimerFd,
    on: bool,
}

impl PollTimer {
    /// A timer that is off.
    ///
    /// # Errors
    /// If the kernel gives no timer.
    pub fn new() -> io::Result<Self> {
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        let descriptor = timer.as_fd().try_clone_to_owned()?;
        // SAFETY: an OwnedFd keeps its descriptor open and unchanged for as long as the registration lives.
        let ticks = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?;
        Ok(Self { ticks, timer, on: false })
    }

    /// Starts it with this period.
    ///
    /// # Errors
    /// If the kernel does not set it.
    pub fn start(&mut self, period: Duration) -> io::Result<()> {
        if !self.on {
            let every = Expiration::Interval(TimeSpec::from_duration(period));
            self.timer.set(every, TimerSetTimeFlags::empty())?;
            self.on = true;
        }
        Ok(())
    }

    /// Stops it.
    ///
    /// # Errors
    /// If the kernel does not stop it.
    pub fn stop(&mut self) -> io::Result<()> {
        self.timer.unset()?;
        self.on = false;
        Ok(())
    }

    /// The next tick; never while it is off.
    ///
    /// # Errors
    /// If the timer cannot be waited for.
    pub async fn tick(&self) -> io::Result<()> {
        let mut guard = self.ticks.readable().await?;
        let mut expirations = [0; 8];
        // Only the tick matters; a read that finds nothing is no fault.
        let _ = nix::unistd::read(self.timer.as_fd(), &mut expirations);
        guard.clear_ready();
        Ok(())
    }
}
