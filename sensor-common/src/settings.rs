//! What the agent sets in the kernel program before it is loaded (read-only globals).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Load-time settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Settings {
    /// Secret of the slot hash, so that nobody outside can aim flows at one slot.
    pub seed: [u64; 2],
    /// Slots of each CPU; a power of two.
    pub slots_per_cpu: u32,
    /// A slot untouched for this many kernel ticks starts a new flow.
    pub idle_ticks: u32,
}

impl Settings {
    /// Settings before the agent has written its own.
    pub const DEFAULT: Self = Self {
        seed: [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F],
        slots_per_cpu: 1,
        idle_ticks: u32::MAX,
    };
}

/// Words in the bitmap of one transport.
pub const PORT_WORDS: usize = 65_536 / 64;

/// The watched ports: one bit a port, by the port as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Services {
    /// TCP ports.
    pub tcp: [u64; PORT_WORDS],
    /// UDP ports.
    pub udp: [u64; PORT_WORDS],
}

impl Services {
    /// No port at all.
    pub const NONE: Self = Self {
        tcp: [0; PORT_WORDS],
        udp: [0; PORT_WORDS],
    };

    /// Watches TCP `port` (host order).
    pub const fn watch_tcp(&mut self, port: u16) {
        let wire = port.to_be();
        self.tcp[word(wire)] |= bit(wire);
    }

    /// Watches UDP `port` (host order).
    pub const fn watch_udp(&mut self, port: u16) {
        let wire = port.to_be();
        self.udp[word(wire)] |= bit(wire);
    }
}

/// The bitmap word that holds `wire`, a port as it stands on the wire.
#[inline(always)]
#[must_use]
pub const fn word(wire: u16) -> usize {
    (wire >> 6) as usize
}

/// The bit of `wire` in its word.
#[inline(always)]
#[must_use]
pub const fn bit(wire: u16) -> u64 {
    1 << (wire & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_port_is_found_by_its_wire_form_only_in_its_transport() {
        let mut services = Services::NONE;
        services.watch_tcp(445);
        services.watch_udp(137);
        let holds = |table: &[u64; PORT_WORDS], port: u16| table[word(port.to_be())] & bit(port.to_be()) != 0;
        assert!(holds(&services.tcp, 445) && !holds(&services.udp, 445));
        assert!(holds(&services.udp, 137) && !holds(&services.tcp, 137));
        assert_eq!(services.tcp.iter().map(|w| w.count_ones()).sum::<u32>(), 1);
    }
}
