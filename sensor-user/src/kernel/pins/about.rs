//! The description of the pinned objects: the kernel program, and how its maps were made.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    path::{Path, PathBuf},
};

use aya::maps::{Array, Map, MapData};
use sensor_common::{settings::Settings, slot::RECORD_VERSION};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{PinError, remove};

/// Version of all maps but the records: changes when another agent could not go on with them.
const MAPS_VERSION: u8 = 3;

/// Longest path of a state directory that is kept.
const PATH_LEN: usize = 256;

const LEN: usize = size_of::<About>();

/// What is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct About {
    /// Version of the maps and of the records.
    abi: u32,
    /// CPUs for which there are slots.
    pub cpus: u32,
    /// Identifies the maps: the ring, above all.
    pub program: u64,
    /// Hash of the kernel object.
    object: [u8; 32],
    /// Its settings.
    pub settings: Settings,
    /// Capacity for prefixes.
    pub max_prefixes: u32,
    /// Bytes of the ring.
    pub ring_bytes: u32,
    /// The state directory, ended by zeros; nothing if it is too long.
    state_dir: [u8; PATH_LEN],
}

impl About {
    /// This agent's object with these settings.
    pub(in crate::kernel) fn new(
        object: &[u8],
        settings: Settings,
        cpus: u32,
        [max_prefixes, ring_bytes]: [u32; 2],
    ) -> Self {
        Self {
            abi: u32::from_ne_bytes([RECORD_VERSION, MAPS_VERSION, 0, 0]),
            cpus,
            // RandomState takes its keys from the system's randomness.
            program: RandomState::new().build_hasher().finish(),
            object: *blake3::hash(object).as_bytes(),
            settings,
            max_prefixes,
            ring_bytes,
            state_dir: [0; PATH_LEN],
        }
    }

    /// The same, of the agent with this state directory.
    #[must_use]
    pub fn of(mut self, state_dir: &Path) -> Self {
        let bytes = state_dir.as_os_str().as_encoded_bytes();
        if bytes.len() < PATH_LEN {
            self.state_dir = [0; PATH_LEN];
            self.state_dir[..bytes.len()].copy_from_slice(bytes);
        }
        self
    }

    /// The state directory of its agent, if that is known.
    #[must_use]
    pub fn state_dir(&self) -> Option<PathBuf> {
        let end = self.state_dir.iter().position(|byte| *byte == 0)?;
        let text = str::from_utf8(&self.state_dir[..end]).ok()?;
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    /// Whether an agent that wants `wanted` reads records and maps of this as its own.
    #[must_use]
    pub const fn has_abi_of(&self, wanted: &Self) -> bool {
        self.abi == wanted.abi && self.cpus == wanted.cpus
    }

    /// Whether programs that want `wanted` can use these maps.
    #[must_use]
    pub const fn fits(&self, wanted: &Self) -> bool {
        self.has_abi_of(wanted)
            && self.settings.slots_per_cpu == wanted.settings.slots_per_cpu
            && self.settings.blocks_v6 == wanted.settings.blocks_v6
            && self.max_prefixes >= wanted.max_prefixes
            && self.ring_bytes == wanted.ring_bytes
    }

    /// New programs that use the maps of `other`.
    pub(in crate::kernel) const fn with_maps_of(mut self, other: &Self) -> Self {
        self.program = other.program;
        self.settings.seed = other.settings.seed;
        self.max_prefixes = other.max_prefixes;
        self
    }

    /// Whether its programs are those that `wanted` wants, apart from the secret of the slot hash.
    #[must_use]
    pub fn is_same_program(&self, wanted: &Self) -> bool {
        let settings = Settings { seed: self.settings.seed, ..wanted.settings };
        self.fits(wanted) && self.object == wanted.object && self.settings == settings
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        let map = Map::from_map_data(MapData::from_pin(path).ok()?).ok()?;
        let map: Array<MapData, [u8; LEN]> = map.try_into().ok()?;
        Self::read_from_bytes(&map.get(&0, 0).ok()?).ok()
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), PinError> {
        remove(path)?;
        let failed = |reason: &dyn std::error::Error| PinError::object("pin", path, &reason);
        let mut map = Array::<MapData, [u8; LEN]>::create(1, 0).map_err(|error| failed(&error))?;
        let mut bytes = [0; LEN];
        bytes.copy_from_slice(self.as_bytes());
        map.set(0, bytes, 0).map_err(|error| failed(&error))?;
        map.pin(path).map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(object: &[u8], change: impl FnOnce(&mut Settings)) -> About {
        let mut settings = Settings { slots_per_cpu: 4_096, ..Settings::DEFAULT };
        change(&mut settings);
        About::new(object, settings, 2, [1_024, 65_536])
    }

    #[test]
    fn same_object_and_settings_are_the_same_program_whatever_the_seed() {
        let pinned = about(b"object", |settings| settings.seed = [1, 2]);
        assert!(pinned.is_same_program(&about(b"object", |settings| settings.seed = [3, 4])));
        for other in [about(b"newer", |_| ()), about(b"object", |settings| settings.features = 1)] {
            assert!(!pinned.is_same_program(&other) && pinned.fits(&other), "{other:?}");
        }
    }

    #[test]
    fn maps_of_another_size_do_not_fit() {
        let pinned = about(b"object", |_| ());
        let larger = about(b"object", |settings| settings.slots_per_cpu = 8_192);
        assert!(!pinned.fits(&larger) && pinned.has_abi_of(&larger));
        assert!(!pinned.fits(&About { ring_bytes: 131_072, ..pinned }));
        assert!(!pinned.fits(&About { max_prefixes: 2_048, ..pinned }), "there is no room for them");
        assert!(pinned.fits(&About { max_prefixes: 512, ..pinned }));
        let other = About { abi: pinned.abi + 1, ..pinned };
        assert!(!pinned.has_abi_of(&other) && !pinned.fits(&other));
        assert!(!pinned.has_abi_of(&About { cpus: 4, ..pinned }));
    }

    #[test]
    fn names_its_state_directory() {
        let pinned = about(b"object", |_| ());
        assert_eq!(pinned.state_dir(), None);
        let of = |path: &str| pinned.of(Path::new(path)).state_dir();
        assert_eq!(of("/var/lib/smb-sensor"), Some("/var/lib/smb-sensor".into()));
        assert_eq!(of(&"x".repeat(PATH_LEN)), None);
    }
}
