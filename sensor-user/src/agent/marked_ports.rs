//! The kernel's marks on unwatched ports: each is removed after its time, so that an ordinary port is not followed
//! for ever because SMB or WebDAV was spoken there once.

use std::time::Duration;

use anyhow::Result;
use tracing::debug;

use super::Sensor;
use sensor_core::time::Moment;

/// Time between two checks of the marks.
const LOOK: Duration = Duration::from_secs(60);

impl Sensor {
    /// Removes the expired marks.
    pub(super) fn tend_marked_ports(&mut self, now: Moment) -> Result<()> {
        if self.ports_looked.elapsed() < LOOK {
            return Ok(());
        }
        self.ports_looked = tokio::time::Instant::now();
        let marked = self.kernel.ports.marked()?;
        let expired = self.pipeline.expired_ports(&marked, now);
        if !expired.is_empty() {
            debug!(
                "the marks of TCP ports {expired:?} have expired: they are no longer looked at more closely"
            );
            self.kernel.ports.unmark(&expired)?;
        }
        Ok(())
    }
}
