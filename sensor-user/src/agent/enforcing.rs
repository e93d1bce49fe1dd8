//! Enforcement while the agent runs: commands, and changes of the configuration. The lease thread renews the lease.

use anyhow::{Context as _, Result};
use tracing::warn;

use super::Sensor;
use crate::{
    config::Config,
    enforcement::{Enforcement, Now, permitted},
};

impl Sensor {
    pub(super) fn enforcement_now(&self) -> Result<Now> {
        Now::of(self.clock).context("cannot read the clock")
    }

    /// Turns enforcement on or off.
    pub(super) fn enforce(&mut self, enforcement: Enforcement, now: Now) -> Result<()> {
        self.lease.set(enforcement, now)?;
        self.note_enforcement(enforcement);
        Ok(())
    }

    /// Reports to the lease that the reader works, and logs what the lease noticed.
    pub(super) fn look_at_lease(&mut self) -> Result<()> {
        let now = self.enforcement_now()?;
        self.lease.reader_works(now);
        self.note_enforcement(self.lease.enforcement(now));
        if self.lease.has_lapsed() {
            warn!("the lease of enforcement lapsed for a while: the reader was not heard of for a minute");
        }
        let failures = self.lease.failures();
        if failures > self.lease_failures {
            warn!(
                "the kernel did not take the renewal of enforcement {} times",
                failures - self.lease_failures
            );
        }
        self.lease_failures = failures;
        Ok(())
    }

    fn note_enforcement(&mut self, enforcement: Enforcement) {
        if self.enforcement != enforcement {
            warn!("enforcement is {enforcement}");
        }
        self.enforcement = enforcement;
    }

    /// Applies enforcement from a new configuration, if it changed there; otherwise the last command stays.
    pub(super) fn reload_enforcement(&mut self, new: &Config) {
        if new.enforcement == self.config.enforcement {
            return;
        }
        let allowed = if new.enforcement.active { permitted(new.profile) } else { Ok(()) };
        let result =
            allowed.map_err(anyhow::Error::msg).and_then(|()| self.enforcement_now()).and_then(|now| {
                let on = Enforcement::on(now, new.enforcement.expire_after);
                self.enforce(if new.enforcement.active { on } else { Enforcement::Off }, now)
            });
        if let Err(error) = result {
            warn!("enforcement stays as it is: {error:#}");
        }
    }
}
