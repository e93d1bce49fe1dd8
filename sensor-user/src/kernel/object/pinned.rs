//! Reuses the kernel program that an earlier run left pinned, or pins a new one.
//!
//! Attached programs are replaced through their links alone, so that packets are counted at every moment. New programs use the
//! maps of the earlier ones where these fit. Global variables are an exception: a loader writes them, so new programs get new
//! ones, which are filled before the programs are attached.

use std::path::{Path, PathBuf};

use aya::{
    Ebpf,
    maps::{Array, MapData},
};
use sensor_common::settings::PortTable;
use tracing::{info, warn};

use super::{KernelProgram, LoadError, LoadPlan, OBJECT, cpus, for_verifier};
use crate::kernel::{
    pins::{About, PinError, PinFolder},
    ports,
    programs::{Programs, pinned_map},
    quic,
    ring::RecordRing,
    slots::SlotReader,
};
use aya::util::KernelVersion;

/// Name of the section of globals with the view in force.
const VIEW: &str = ".bss.view";

/// Where the kernel program came from.
pub enum Origin {
    /// It is new.
    New,
    /// An earlier run left it, and it is used as it is.
    TakenOver,
    /// Its programs are new, and use the maps that an earlier run left.
    Updated,
    /// It is new, and this is what an earlier one counted in maps that it cannot use.
    Replaced(Option<Box<Replaced>>),
}

/// What the kernel program of an earlier run counted.
pub struct Replaced {
    /// Identifies it.
    pub program: u64,
    /// Its records.
    pub records: RecordRing,
    /// Its slots.
    pub slots: SlotReader,
}

/// What an earlier run wrote into global variables.
pub(super) struct EarlierRun {
    pub(super) view: u32,
    pub(super) tcp_ports: Box<PortTable>,
    pub(super) udp_ports: Box<PortTable>,
}

impl EarlierRun {
    fn read(folder: &PinFolder) -> Result<Self, LoadError> {
        Ok(Self {
            view: global(folder, VIEW)?,
            tcp_ports: Box::new(global(folder, ports::SECTION)?),
            udp_ports: Box::new(global(folder, quic::SECTION)?),
        })
    }
}

/// The pins of the program.
pub(super) struct Pinning {
    folder: PinFolder,
    about: About,
    /// The maps of an earlier run are used.
    reuses_maps: bool,
    /// Everything is pinned.
    complete: bool,
}

impl Drop for Pinning {
    fn drop(&mut self) {
        if !self.complete
            && let Err(error) = self.folder.remove_all()
        {
            warn!("{error}");
        }
    }
}

impl KernelProgram {
    /// Goes on with the program that is pinned in `folder` if there is one, or makes one to be [pinned](Self::pin) there, for the
    /// agent with this state directory.
    ///
    /// # Errors
    /// [`LoadError`]. What an earlier run left stays attached.
    pub fn load_pinned(
        plan: &LoadPlan,
        folder: PinFolder,
        state_dir: &Path,
    ) -> Result<(Self, Origin), LoadError> {
        folder.prepare()?;
        let settings = for_verifier(plan.settings, KernelVersion::current().ok());
        let sizes = [plan.max_prefixes, plan.ring_bytes];
        let wanted = About::new(OBJECT, settings, cpus()?, sizes).of(state_dir);
        let Some(found) = folder.about() else {
            if !folder.is_empty() {
                warn!("the pins in {} are incomplete and are removed", folder.path().display());
                folder.remove_all()?;
                folder.prepare()?;
            }
            return Ok((Self::with_new_programs(plan, folder, wanted, false)?, Origin::New));
        };
        match Self::after(plan, &folder, &found, wanted) {
            // What is there would be in the way of every start.
            Err(error @ (LoadError::Pins(_) | LoadError::Missing(_) | LoadError::Write { .. })) => {
                warn!("the pins in {} are of no use and are removed: {error}", folder.path().display());
                folder.remove_all()?;
                folder.prepare()?;
                Ok((Self::with_new_programs(plan, folder, wanted, false)?, Origin::New))
            }
            loaded => loaded,
        }
    }

    /// Goes on after the run that pinned `found`.
    fn after(
        plan: &LoadPlan,
        folder: &PinFolder,
        found: &About,
        wanted: About,
    ) -> Result<(Self, Origin), LoadError> {
        let place = folder.path().display();
        // The log of a debugged program needs its object.
        if found.is_same_program(&wanted) && !plan.debug {
            return Self::taken_over(plan, folder.clone(), *found);
        }
        if found.fits(&wanted) {
            info!("the programs pinned in {place} are replaced, and their maps stay");
            let about = wanted.with_maps_of(found);
            return Ok((Self::with_new_programs(plan, folder.clone(), about, true)?, Origin::Updated));
        }
        let replaced = Replaced::open(folder, found, &wanted)?;
        let kernel = Self::with_new_programs(plan, folder.clone(), wanted, false)?;
        Ok((kernel, Origin::Replaced(replaced.map(Box::new))))
    }

    fn taken_over(plan: &LoadPlan, folder: PinFolder, about: About) -> Result<(Self, Origin), LoadError> {
        let before = EarlierRun::read(&folder)?;
        let plan = LoadPlan { settings: about.settings, max_prefixes: about.max_prefixes, ..plan.clone() };
        let mut kernel = Self::over(Programs::pinned(&folder)?, &plan, Some(&before))?;
        kernel.pinning = Some(Pinning { folder, about, reuses_maps: true, complete: true });
        Ok((kernel, Origin::TakenOver))
    }

    fn with_new_programs(
        plan: &LoadPlan,
        folder: PinFolder,
        about: About,
        reuses_maps: bool,
    ) -> Result<Self, LoadError> {
        folder.clear_staged()?;
        let plan = LoadPlan { settings: about.settings, max_prefixes: about.max_prefixes, ..plan.clone() };
        let before = if reuses_maps { Some(EarlierRun::read(&folder)?) } else { None };
        let reused = if reuses_maps { reusable(&folder)? } else { vec![] };
        let ebpf = Self::make_maps(&plan, plan.settings, &reused)?;
        stage(&ebpf, &folder, &reused)?;
        let mut kernel = Self::over(Programs::Object(Box::new(ebpf)), &plan, before.as_ref())?;
        // An agent that takes them over finds every one that an interface may need.
        kernel.verify()?;
        kernel.pinning = Some(Pinning { folder, about, reuses_maps, complete: false });
        Ok(kernel)
    }

    /// Where it is pinned, or is to be.
    #[must_use]
    pub fn pins(&self) -> Option<&PinFolder> {
        self.pinning.as_ref().map(|pinning| &pinning.folder)
    }

    /// Whether what is attached stays when the agent ends.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pinning.as_ref().is_some_and(|pinning| pinning.complete)
    }

    /// Identifies the maps, if they are pinned or to be pinned.
    #[must_use]
    pub fn program_identity(&self) -> Option<u64> {
        self.pinning.as_ref().map(|pinning| pinning.about.program)
    }

    /// Pins maps and programs in the place of earlier ones. To be done when the programs are attached.
    ///
    /// # Errors
    /// If something cannot be pinned.
    pub fn pin(&mut self) -> Result<(), PinError> {
        let Some(pinning) = self.pinning.as_mut().filter(|pinning| !pinning.complete) else { return Ok(()) };
        let folder = &pinning.folder;
        folder.begin_change(pinning.reuses_maps)?;
        folder.move_staged()?;
        self.programs.pin(folder)?;
        folder.write_about(&pinning.about)?;
        pinning.complete = true;
        Ok(())
    }

    /// Removes all pins.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn unpin(&mut self) -> Result<(), PinError> {
        self.pinning.take().map_or(Ok(()), |mut pinning| {
            pinning.complete = true;
            pinning.folder.remove_all()
        })
    }
}

impl Replaced {
    fn open(folder: &PinFolder, found: &About, wanted: &About) -> Result<Option<Self>, LoadError> {
        let place = folder.path().display();
        if !found.has_abi_of(wanted) {
            warn!(
                "the kernel program pinned in {place} belongs to another version, whose records this one cannot read: \
                 counts that the earlier agent did not read are lost"
            );
            return Ok(None);
        }
        info!("the kernel program pinned in {place} has maps of other sizes: it is read once and replaced");
        Ok(Some(Self {
            program: found.program,
            records: RecordRing::open(pinned_map(folder, "RECORDS")?)?,
            slots: SlotReader::open(pinned_map(folder, "SLOTS")?, found.settings.slots_per_cpu, found.cpus)?,
        }))
    }
}

/// The maps that new programs can use, each with its file: all but the global variables.
fn reusable(folder: &PinFolder) -> Result<Vec<(String, PathBuf)>, PinError> {
    let maps = folder.maps()?;
    Ok(maps.into_iter().filter(|(name, _)| !name.starts_with("bss")).collect())
}

/// Pins the new maps where they are found again when everything else is done.
fn stage(ebpf: &Ebpf, folder: &PinFolder, reused: &[(String, PathBuf)]) -> Result<(), PinError> {
    for (name, map) in ebpf.maps() {
        let is_reused = reused.iter().any(|(known, _)| known == name);
        // The programs hold their constants; the log belongs to one run.
        if !is_reused && !name.starts_with(".rodata") && name != "AYA_LOGS" {
            let path = folder.staged(name);
            map.pin(&path).map_err(|error| PinError::object("pin", &path, &error))?;
        }
    }
    Ok(())
}

/// The content of a section of global variables.
fn global<V: aya::Pod>(folder: &PinFolder, section: &'static str) -> Result<V, LoadError> {
    let failed = |source| LoadError::Write { what: format!("the handle of {section}"), source };
    let map: Array<MapData, V> = pinned_map(folder, section)?.try_into().map_err(failed)?;
    map.get(&0, 0).map_err(failed)
}
