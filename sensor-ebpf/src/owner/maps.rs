//! Maps of the owner programs. Both forget the least recently used entries, so that their memory is bounded.

use aya_ebpf::{macros::map, maps::LruHashMap};
use sensor_common::owner::{ConnectionKey, Opener};

/// Socket cookie → who called connect(2), until the SYN leaves.
#[map]
pub(crate) static CALLERS: LruHashMap<u64, Opener> = LruHashMap::with_max_entries(8_192, 0);

/// Connection → who opened it.
#[map]
pub(crate) static OPENERS: LruHashMap<ConnectionKey, Opener> = LruHashMap::with_max_entries(65_536, 0);
