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
    /// IPv4 blocks of each of the two prefix views.
    pub blocks_v4: u32,
    /// IPv6 blocks of each view.
    pub blocks_v6: u32,
    /// [`feature`] bits.
    pub features: u32,
    /// Zero.
    pub reserved: u32,
}

/// What the path does beyond the watched ports ([`Settings::features`]).
pub mod feature {
    /// Look into one level of tunnel.
    pub const TUNNELS: u32 = 1;
    /// Recognise SMB on any TCP port.
    pub const SMB_ON_ANY_PORT: u32 = 1 << 1;
}

impl Settings {
    /// Settings before the agent has written its own.
    pub const DEFAULT: Self = Self {
        seed: [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F],
        slots_per_cpu: 1,
        idle_ticks: u32::MAX,
        blocks_v4: 0,
        blocks_v6: 0,
        features: 0,
        reserved: 0,
    };

    /// Whether a [`feature`] is on.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, feature: u32) -> bool {
        self.features & feature != 0
    }
}

/// What is known of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// Nothing: the packet is not ours.
    Foreign,
    /// A watched service.
    Service,
    /// SMB was recognised on it: its packets are ours where they belong to a flow that is in a slot.
    Suspect,
}

/// Words in the table of one transport: two bits a port.
pub const PORT_WORDS: usize = 65_536 / 32;

/// One port table: two bits a port, by the port as it stands on the wire.
pub type PortTable = [u64; PORT_WORDS];

const SERVICE: u64 = 1;
const SUSPECT: u64 = 2;

/// The word of a table that holds `wire`, a port as it stands on the wire.
#[inline(always)]
#[must_use]
pub const fn port_word(wire: u16) -> usize {
    (wire >> 5) as usize
}

/// What a table's word says of `wire`.
#[inline(always)]
#[must_use]
pub const fn port_kind(word: u64, wire: u16) -> PortKind {
    let bits = word >> ((wire & 31) * 2) & 3;
    if bits == 0 {
        PortKind::Foreign
    } else if bits & SERVICE != 0 {
        PortKind::Service
    } else {
        PortKind::Suspect
    }
}

/// The word with `wire` marked as suspect.
#[inline(always)]
#[must_use]
pub const fn with_suspect(word: u64, wire: u16) -> u64 {
    word | SUSPECT << ((wire & 31) * 2)
}

/// The watched ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Services {
    /// TCP ports.
    pub tcp: PortTable,
    /// UDP ports.
    pub udp: PortTable,
}

impl Services {
    /// No port at all.
    pub const NONE: Self = Self { tcp: [0; PORT_WORDS], udp: [0; PORT_WORDS] };

    /// Watches TCP `port` (host order).
    pub const fn watch_tcp(&mut self, port: u16) {
        watch(&mut self.tcp, port);
    }

    /// Watches UDP `port` (host order).
    pub const fn watch_udp(&mut self, port: u16) {
        watch(&mut self.udp, port);
    }
}

const fn watch(table: &mut PortTable, port: u16) {
    let wire = port.to_be();
    table[port_word(wire)] |= SERVICE << ((wire & 31) * 2);
}

/// What the agent changes while the program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Control {
    /// The prefix view in force, 0 or 1: a packet reads it once and sees that view alone.
    pub view: u32,
    /// Zero.
    pub reserved: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(table: &PortTable, port: u16) -> PortKind {
        port_kind(table[port_word(port.to_be())], port.to_be())
    }

    #[test]
    fn a_watched_port_is_found_by_its_wire_form_only_in_its_transport() {
        let mut services = Services::NONE;
        services.watch_tcp(445);
        services.watch_udp(137);
        assert_eq!(
            (kind(&services.tcp, 445), kind(&services.udp, 445)),
            (PortKind::Service, PortKind::Foreign)
        );
        assert_eq!(
            (kind(&services.tcp, 137), kind(&services.udp, 137)),
            (PortKind::Foreign, PortKind::Service)
        );
        assert_eq!(services.tcp.iter().map(|w| w.count_ones()).sum::<u32>(), 1);
    }

    #[test]
    fn a_suspect_port_is_no_service_and_a_service_stays_one() {
        let mut services = Services::NONE;
        services.watch_tcp(445);
        for port in [443u16, 445] {
            let wire = port.to_be();
            services.tcp[port_word(wire)] = with_suspect(services.tcp[port_word(wire)], wire);
        }
        assert_eq!(kind(&services.tcp, 443), PortKind::Suspect);
        assert_eq!(kind(&services.tcp, 445), PortKind::Service);
        assert_eq!(kind(&services.tcp, 444), PortKind::Foreign);
    }
}
