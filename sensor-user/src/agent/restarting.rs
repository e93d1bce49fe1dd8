//! A kernel program that outlives the agent: the start takes over the program of an earlier run, and the end leaves it attached
//! for the next run.

use std::{env, io::IsTerminal as _};

use anyhow::{Context as _, Result};
use sensor_common::slot::mark;
use sensor_core::{flow::StoredFlow, incident::Link};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Sensor, draining::report_left_out};
use crate::{
    config::Config,
    kernel::{
        attach::{Attached, detach_leftover},
        barrier::wait_for_packets_in_flight,
        object::{KernelProgram, LoadError, LoadPlan, Origin, Replaced},
        pins::PinFolder,
    },
    runtime::fault,
    storage::RingPlace,
};

/// Records of an outage that are taken from the ring before the connections that they change are saved: fewer than are saved one by
/// one.
const OUTAGE_BATCH: usize = 1_024;

/// Whether what this run attaches stays when it ends.
fn stays_attached(config: &Config) -> bool {
    // Whatever systemd starts has such an identifier.
    let on_terminal = std::io::stderr().is_terminal() && env::var_os("INVOCATION_ID").is_none();
    config.restart.stays_attached(on_terminal)
}

/// Loads the kernel program, or goes on with the one that an earlier run left. Returns whether it stays when this run ends.
///
/// # Errors
/// [`LoadError`]
pub(super) fn load(plan: &LoadPlan, config: &Config) -> Result<(KernelProgram, Origin, bool), LoadError> {
    let folder = PinFolder::of(&config.restart.pin_directory, &config.state_dir);
    let stays = stays_attached(config);
    if !stays && folder.is_empty() {
        return Ok((KernelProgram::load(plan)?, Origin::New, false));
    }
    match KernelProgram::load_pinned(plan, folder, &config.state_dir) {
        Ok((kernel, origin)) => Ok((kernel, origin, stays)),
        Err(LoadError::Pins(error)) => {
            warn!(
                "the kernel program cannot be pinned, so it ends with this run, and a restart has a gap: {error}"
            );
            Ok((KernelProgram::load(plan)?, Origin::New, false))
        }
        Err(error) => Err(error),
    }
}

/// Connections of an earlier run, with the packets of the kernel program that are accounted to them. Their slots are still there if
/// `ring`, of which they know so much, is that of the program; the records that they know are skipped.
pub(super) fn connections(
    stored: Vec<StoredFlow<Link>>,
    ring: Option<RingPlace>,
    kernel: &mut KernelProgram,
    origin: &mut Origin,
) -> (Vec<StoredFlow<Link>>, i64) {
    let known = ring.and_then(|place| match origin {
        Origin::TakenOver | Origin::Updated if kernel.program_identity() == Some(place.program) => {
            Some((&mut kernel.records, place))
        }
        Origin::Replaced(Some(replaced)) if replaced.program == place.program => {
            Some((&mut replaced.records, place))
        }
        _ => None,
    });
    match known {
        Some((records, place)) => {
            records.skip_to(place.position);
            (stored, place.accounted)
        }
        None => (stored.into_iter().map(StoredFlow::without_slots).collect(), 0),
    }
}

impl Sensor {
    /// Reads what was counted while no agent ran, and pins what is new. To be done when everything is attached.
    ///
    /// # Errors
    /// If something cannot be read or pinned.
    pub(super) fn go_on(&mut self, origin: Origin, began: Instant) -> Result<()> {
        match origin {
            Origin::New => {}
            Origin::TakenOver | Origin::Updated => self.read_outage(began)?,
            Origin::Replaced(replaced) => {
                if let Some(replaced) = replaced {
                    self.read_replaced(*replaced)?;
                }
            }
        }
        self.kernel.pin()?;
        for attached in &mut self.attached {
            attached.stays = self.kernel.is_pinned();
        }
        self.remove_unused_pins()
    }

    fn read_outage(&mut self, began: Instant) -> Result<()> {
        // Flows of QUIC that nobody follows any more are no longer counted.
        let counted = self.pipeline.take_counted_quic().unwrap_or_default();
        self.kernel.quic.count(&counted).context("cannot count flows of QUIC")?;
        // From here on the ring keeps what is not saved.
        let now = self.now()?;
        self.pipeline.write(now);
        let bytes = self.kernel.records.waiting();
        let mut records = self.drain(1)?;
        let first_after = began.elapsed().as_millis();
        loop {
            match self.drain(OUTAGE_BATCH)? {
                0 => break,
                more => records += more,
            }
            let now = self.now()?;
            self.pipeline.save_changed(now);
        }
        self.sweep()?;
        info!(
            "this run continues with the kernel program of the last run: {records} records of {bytes} bytes and {} flow slots were \
             there; the first record was read {first_after} ms after the start",
            self.kernel.slots.used()
        );
        Ok(())
    }

    /// Reads what the programs of an earlier run counted in maps that are not used any more.
    fn read_replaced(&mut self, mut replaced: Replaced) -> Result<()> {
        // They are attached no more, but may be with their last packets.
        wait_for_packets_in_flight();
        let now = self.now()?;
        let mut records = 0_u64;
        while let Some(record) = replaced.records.take() {
            fault::record(record);
            self.pipeline.record(record, now);
            records += 1;
        }
        report_left_out(replaced.records.take_left_out());
        let (mut late, mut slots) = (Vec::new(), 0_u64);
        for cpu in 0..replaced.slots.cpus() {
            replaced.slots.sweep(cpu, |_, slot| {
                slots += 1;
                if slot.line.marks & mark::OPENED_BY_SYN == 0 {
                    late.push(*slot);
                } else {
                    self.pipeline.slot(slot, now);
                }
            });
        }
        late.iter().for_each(|slot| self.pipeline.slot(slot, now));
        self.pipeline.begin_slots();
        self.pipeline.write(now);
        info!("read {records} records and {slots} flow slots of the earlier kernel program");
        self.pipeline.saving()(std::time::Duration::from_secs(5));
        Ok(())
    }

    /// Removes what is pinned of interfaces that are not watched, or at other places of them.
    fn remove_unused_pins(&self) -> Result<()> {
        let Some(folder) = self.kernel.pins() else { return Ok(()) };
        for pin in folder.links()? {
            let is_used = |attached: &Attached| {
                attached.interface.index == pin.interface && attached.places().any(|place| place == pin.place)
            };
            if !self.attached.iter().any(is_used) {
                warn!("{}: it is not watched there any more", detach_leftover(&pin)?);
            }
        }
        Ok(())
    }

    /// The end of a run whose kernel program stays attached: writes everything and ends nothing.
    ///
    /// # Errors
    /// If the kernel's counts cannot be read.
    pub(super) fn leave_attached(&mut self) -> Result<()> {
        self.sweep()?;
        let now = self.now()?;
        self.save_blocks(self.enforcement_now()?);
        self.pipeline.pause(now);
        let names: Vec<_> =
            self.attached.iter().map(|one| format!("{} ({one})", one.interface.name)).collect();
        info!(
            "left attached for the next run: {}. `smb-sensor detach --state-dir {}` removes it",
            names.join(", "),
            self.config.state_dir.display()
        );
        Ok(())
    }

    /// Takes everything off, also what an earlier run pinned.
    pub(super) fn take_off(&mut self) {
        for attached in &mut self.attached {
            attached.stays = false;
        }
        self.attached.clear();
        if let Err(error) = self.kernel.unpin() {
            warn!("{error}");
        }
    }
}
