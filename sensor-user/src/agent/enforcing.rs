//! Enforcement while the agent runs: commanded, renewed, taken over from a new configuration.

use anyhow::{Context as _, Result};
use log::warn;

use super::Sensor;
use crate::{config::Config, enforcement::{Enforcement, Now, permitted}};

impl Sensor {
    pub(super) fn enforcement_now(&self) -> Result<Now> {
        Now::of(self.clock).context("cannot read the clock")
    }

    /// Puts enforcement into force, or ends it.
    pub(super) fn enforce(&mut self, enforcement: Enforcement, now: Now) -> Result<()> {
        self.kernel.enforcement.set(enforcement.for_kernel(now, self.clock))?;
        if self.enforcement != enforcement {
            warn!("enforcement is {enforcement}");
        }
        self.enforcement = enforcement;
        Ok(())
    }

    /// Lets the kernel go on enforcing for a while, or ends it when its time is up.
    pub(super) fn renew_enforcement(&mut self) -> Result<()> {
        let now = self.enforcement_now()?;
        let mut enforcement = self.enforcement;
        enforcement.expire(now);
        self.enforce(enforcement, now)
    }

    /// Takes over enforcement from a new configuration, if that says something new; else what was commanded stays.
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
