//! Settings that the agent writes into the kernel program before loading it (read-only globals).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Load-time settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Settings {
    /// Secret of the slot hash, so that outsiders cannot aim flows at one slot.
    pub seed: [u64; 2],
    /// Slots of each CPU; a power of two.
    pub slots_per_cpu: u32,
    /// A slot that is untouched for this many kernel ticks starts a new flow.
    pub idle_ticks: u32,
    /// IPv6 blocks of each view.
    pub blocks_v6: u32,
    /// [`feature`] bits.
    pub features: u32,
    /// Kernel ticks in a second.
    pub second: u32,
    /// Zero.
    pub reserved: u32,
}

/// Optional features of the path ([`Settings::features`]).
pub mod feature {
    /// Parse one level of tunnel.
    pub const TUNNELS: u32 = 1;
    /// Recognise SMB and WebDAV on any TCP port.
    pub const SMB_ON_ANY_PORT: u32 = 1 << 1;
    /// Log every watched packet.
    pub const LOG: u32 = 1 << 2;
    /// Take the time from the agent instead of the kernel, for replays.
    pub const GIVEN_CLOCK: u32 = 1 << 3;
    /// Send plain frames that may bring something new through the general parser too. The results are the same but slower. For
    /// verifiers that would give up on the full program.
    pub const SHORT: u32 = 1 << 4;
}

impl Settings {
    /// Settings before the agent has written its own.
    pub const DEFAULT: Self = Self {
        seed: [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F],
        slots_per_cpu: 1,
        idle_ticks: u32::MAX,
        blocks_v6: 0,
        features: 0,
        second: u32::MAX,
        reserved: 0,
    };

    /// Whether a [`feature`] is on.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, feature: u32) -> bool {
        self.features & feature != 0
    }
}

/// What the port table says about a port: [`port`] bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortKind(pub u8);

/// Bits of a [`PortKind`].
pub mod port {
    /// A watched service.
    pub const SERVICE: u8 = 1;
    /// SMB or WebDAV was recognised on it: its TCP packets count if their flow is in a slot or marked, and its UDP packets if the
    /// agent asked for their flow.
    pub const SUSPECT: u8 = 1 << 1;
    /// The watched service is SMB.
    pub const SMB: u8 = 1 << 2;
    /// The watched service is the DCE-RPC endpoint mapper.
    pub const RPC: u8 = 1 << 3;
    /// Client Initial packets of QUIC to it are handed up.
    pub const QUIC: u8 = 1 << 4;
}

impl PortKind {
    /// An unwatched port.
    pub const FOREIGN: Self = Self(0);

    /// Whether no bit is set.
    #[inline(always)]
    #[must_use]
    pub const fn is_foreign(self) -> bool {
        self.0 == 0
    }

    /// Whether it is a watched service.
    #[inline(always)]
    #[must_use]
    pub const fn is_service(self) -> bool {
        self.0 & port::SERVICE != 0
    }

    /// Whether any of these bits is set.
    #[inline(always)]
    #[must_use]
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

/// Number of ports.
pub const PORTS: usize = 1 << 16;

/// One port table: a [`PortKind`] for each port in wire order. One byte each, so a packet needs one load and no shift.
pub type PortTable = [u8; PORTS];

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
    pub const NONE: Self = Self { tcp: [0; PORTS], udp: [0; PORTS] };

    /// Watches TCP `port` (host order) as a service of these [`port`](mod@port) bits.
    pub const fn watch_tcp(&mut self, port: u16, bits: u8) {
        self.tcp[port.to_be() as usize] |= port::SERVICE | bits;
    }

    /// Watches UDP `port` (host order).
    pub const fn watch_udp(&mut self, port: u16) {
        self.udp[port.to_be() as usize] |= port::SERVICE;
    }

    /// Looks for client Initial packets of QUIC to UDP `port` (host order).
    pub const fn watch_quic(&mut self, port: u16) {
        self.udp[port.to_be() as usize] |= port::QUIC;
    }
}

/// Most ticks of a lease: ten seconds of the fastest kernel clock (1000 Hz), with a margin.
pub const MAX_LEASE: u32 = 1 << 14;

/// Whether SYNs that a rule would alert on are dropped. The agent changes it while the program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Enforcement {
    /// Not 0: they are dropped until the tick [`until`](Self::until).
    pub on: u32,
    /// Kernel tick (low 32 bits) at which enforcement ends. The agent moves it forward while it runs.
    pub until: u32,
}

impl Enforcement {
    /// Whether enforcement is on at tick `now`.
    #[inline(always)]
    #[must_use]
    pub const fn is_in_force(&self, now: u32) -> bool {
        let left = self.until.wrapping_sub(now);
        // More time is left than any lease has: it ended long ago, and the counter wrapped.
        self.on != 0 && left > 0 && left <= MAX_LEASE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_watched_port_only_in_its_transport() {
        let mut services = Box::new(Services::NONE);
        services.watch_tcp(445, port::SMB);
        services.watch_udp(137);
        let kind = |table: &PortTable, port: u16| PortKind(table[usize::from(port.to_be())]);
        assert!(kind(&services.tcp, 445).is_service() && kind(&services.tcp, 445).has(port::SMB));
        assert!(kind(&services.udp, 445).is_foreign());
        assert!(kind(&services.tcp, 137).is_foreign() && kind(&services.udp, 137).is_service());
        assert_eq!(services.tcp.iter().filter(|kind| **kind != 0).count(), 1);
    }

    #[test]
    fn enforcement_ends_at_its_tick_across_the_wrap() {
        let force = |on, until, now| Enforcement { on, until }.is_in_force(now);
        assert!(force(1, 100, 99));
        assert!(!force(1, 100, 100) && !force(1, 100, 5_000));
        assert!(force(1, 5, u32::MAX - 5));
        assert!(!force(0, 100, 1));
        assert!(!force(1, 100, 100 + (1 << 31) + 1), "nor does it come back when nobody ended it");
        assert!(force(1, 100 + MAX_LEASE, 100) && !force(1, 101 + MAX_LEASE, 100));
    }
}
