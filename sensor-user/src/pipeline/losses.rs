//! What the stages never got to see, or could not read.

use log::warn;

use super::Pipeline;
use sensor_core::record::DecodeError;

impl Pipeline {
    /// Tells how many records the ring has lost so far.
    pub fn set_lost_records(&mut self, lost: u64) {
        if lost > self.lost_records {
            warn!(
                "the ring to the agent was full: {} records lost. The sweep finds what is still in the flow slots; raise \
                 kernel.ring_bytes and kernel.flow_slots",
                lost - self.lost_records
            );
        }
        self.lost_records = lost;
        self.tracker.set_lost_records(lost);
    }

    pub(super) fn refuse(&mut self, error: &DecodeError) {
        if self.undecodable == 0 {
            warn!("the kernel program and this agent do not belong together: {error}");
        }
        self.undecodable += 1;
    }
}
