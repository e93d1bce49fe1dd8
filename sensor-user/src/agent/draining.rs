//! Takes the records of the ring into the core.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sensor_core::record::packet_ticks;
use tokio::time::Instant;
use tracing::error;

use super::{BATCH, Sensor};
use crate::{
    kernel::ring::{LeftOut, MAX_ENDS},
    runtime::fault,
};

/// Most time of a sweep for the records in the ring: commands and the renewal of enforcement are waiting.
const MAX_DRAIN_TIME: Duration = Duration::from_millis(100);

impl Sensor {
    /// Takes at most `most` records from the ring; returns their number.
    pub(super) fn drain(&mut self, most: usize) -> Result<usize> {
        let (now, began) = (self.now()?, Instant::now());
        let mut taken = 0;
        let mut oldest = None;
        self.kernel.records.keep_from(self.pipeline.unsaved_from());
        while taken < most
            && let Some(record) = self.kernel.records.take()
        {
            fault::record(record);
            let age = packet_ticks(record).map(|ticks| self.clock.ticks().age(ticks, now));
            oldest = oldest.max(age);
            self.pipeline.record(record, now);
            taken += 1;
        }
        self.kernel.records.handled();
        report_left_out(self.kernel.records.take_left_out());
        self.pipeline.read_until(self.kernel.records.position());
        self.count_quic()?;
        self.pipeline.write(now);
        if let Some(age) = oldest {
            self.stages.read.observe(age);
        }
        if taken > 0 {
            self.stages.core.observe(began.elapsed());
        }
        Ok(taken)
    }

    /// Takes the records in the ring. Bounded in time, so that a flood cannot delay everything else.
    pub(super) fn drain_for_a_while(&mut self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < MAX_DRAIN_TIME && self.drain(BATCH)? == BATCH {}
        Ok(())
    }

    /// Has the kernel program count the flows of QUIC that offered SMB and are open, and no others.
    fn count_quic(&mut self) -> Result<()> {
        match self.pipeline.take_counted_quic() {
            Some(flows) => self.kernel.quic.count(&flows).context("cannot count flows of QUIC"),
            None => Ok(()),
        }
    }
}

/// Says which record was left out, if one was.
pub(super) fn report_left_out(left_out: Option<LeftOut>) {
    if let Some(LeftOut { position, length }) = left_out {
        error!(
            "{MAX_ENDS} agents ended while they handled the same record: {length} bytes at position {position} of the ring. It is \
             left out and counted as lost_left_out. Please report this, with the log of their ends"
        );
    }
}
