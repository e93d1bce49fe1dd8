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

/// A timer that ticks once each time it is set.
pub struct PollTimer {
    ticks: AsyncFd<OwnedFd>,
    timer: TimerFd,
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
        Ok(Self { ticks, timer })
    }

    /// Sets it to tick after this time, whatever it was set to before.
    ///
    /// # Errors
    /// If the kernel does not set it.
    pub fn set(&mut self, after: Duration) -> io::Result<()> {
        let once = Expiration::OneShot(TimeSpec::from_duration(after));
        Ok(self.timer.set(once, TimerSetTimeFlags::empty())?)
    }

    /// Stops it.
    ///
    /// # Errors
    /// If the kernel does not stop it.
    pub fn stop(&mut self) -> io::Result<()> {
        Ok(self.timer.unset()?)
    }

    /// The next tick; never while it is not set.
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
