//! Messages to the service manager that started the agent (sd_notify(3)): readiness, status, reload, shutdown and watchdog.
//! Without a service manager the agent sends nothing.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::warn;

/// The service manager, if there is one.
pub(super) struct ServiceManager {
    /// Time between two signs of life; `None` if none are wanted.
    watchdog: Option<Duration>,
    alive: Instant,
    /// The last line about what the agent does.
    status: String,
    /// A message could not be sent, which was logged.
    failed: bool,
}

impl ServiceManager {
    /// The one that the environment names. A sign of life is due at half of the time after which it would end the agent.
    pub(super) fn of_environment() -> Self {
        let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        Self { watchdog, alive: Instant::now(), status: String::new(), failed: false }
    }

    /// The agent works, or has read its configuration.
    pub(super) fn ready(&mut self) {
        self.send(&[NotifyState::Ready]);
    }

    /// The configuration is read again, until [`ready`](Self::ready).
    pub(super) fn reloading(&mut self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(error) => self.log_once(&error),
        }
    }

    /// What the agent does, in one line. Sent if it has changed.
    pub(super) fn status(&mut self, status: String) {
        if status != self.status {
            self.send(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// A sign of life, if one is due. The caller has just read the kernel's records.
    pub(super) fn alive(&mut self) {
        if self.watchdog.is_some_and(|every| self.alive.elapsed() >= every) {
            self.alive = Instant::now();
            self.send(&[NotifyState::Watchdog]);
        }
    }

    /// The agent ends.
    pub(super) fn stopping(&mut self) {
        self.send(&[NotifyState::Stopping]);
    }

    fn send(&mut self, states: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(states) {
            self.log_once(&error);
        }
    }

    fn log_once(&mut self, error: &std::io::Error) {
        if !std::mem::replace(&mut self.failed, true) {
            warn!("the service manager cannot be reached by NOTIFY_SOCKET: {error}");
        }
    }
}
