//! Finds the process that opened a connection.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use sensor_common::{
    owner::{CONTESTED, ConnectionKey, Opener},
    slot::TCP,
};

use super::{
    cgroup::Cgroups,
    container::container_on,
    process::{Look, Processes, comm},
    user::UserNames,
};
use crate::kernel::owner::AttachedOwners;
use sensor_core::address::FiveTuple;
use sensor_core::{
    process::{Opening, Process, ProcessLookup, Thread},
    time::{Moment, TickClock, Timestamp},
};
use sensor_dissect::escape::shown;

/// Most seconds between connect(2) and the SYN at an interface: longer than the search for a neighbour's hardware address.
const SYN_WITHIN: u64 = 5;

/// Most seconds between connect(2) and the first observed packet, if SMB is recognised by its messages. The kernel
/// replaces an opener when another takes the same ends, so this only guards against ends that a process outside the watched
/// cgroup took over; after an orderly end, ports are not reused for this long.
const MESSAGE_WITHIN: u64 = 60;

/// The kernel's records of connections.
pub trait Openers {
    /// The opener of a connection.
    fn opener(&self, connection: &ConnectionKey) -> Option<Opener>;
}

impl Openers for AttachedOwners {
    fn opener(&self, connection: &ConnectionKey) -> Option<Opener> {
        Self::opener(self, connection)
    }
}

/// The other sources.
pub(super) struct Sources {
    /// The proc file system, unless its process numbers are of another namespace.
    pub processes: Option<Processes>,
    /// Mount of the unified cgroup hierarchy.
    pub cgroups: Option<PathBuf>,
    /// Names of users.
    pub users: Arc<UserNames>,
}

/// Finds the processes of connections.
pub struct Attribution<O> {
    openers: O,
    clock: TickClock,
    processes: Option<Processes>,
    cgroups: Cgroups,
    users: Arc<UserNames>,
}

impl<O: Openers> Attribution<O> {
    pub(super) fn new(openers: O, clock: TickClock, sources: Sources) -> Self {
        Self {
            openers,
            clock,
            processes: sources.processes,
            cgroups: Cgroups::of(sources.cgroups),
            users: sources.users,
        }
    }

    /// The opener of exactly this connection.
    fn opener_of(&self, opening: &Opening) -> Option<Opener> {
        let opener = self.openers.opener(&key_of(&opening.tuple)?)?;
        // The call comes before the packet. A later opener took over the ends of a finished connection.
        let after = opening.ticks.wrapping_sub(opener.ticks) as i32;
        let within = self.clock.ticks_in(if opening.from_the_start { SYN_WITHIN } else { MESSAGE_WITHIN });
        let fits = u32::try_from(after).is_ok_and(|after| after <= within);
        (fits && opener.flags & CONTESTED == 0).then_some(opener)
    }

    fn describe(&mut self, opener: &Opener, look: Option<Look>, now: Timestamp) -> Process {
        let supposed = look.as_ref().and_then(|look| look.cgroup.as_deref());
        let cgroup = self.cgroups.path(opener.cgroup, supposed, now);
        let others = look.as_ref().map(|look| look.cgroups.as_slice()).unwrap_or_default();
        // Engines that use the older hierarchies leave the unified one at its root.
        let paths = cgroup.iter().chain(others);
        let container = paths.filter_map(|path| container_on(str::from_utf8(path).ok()?)).next();
        let called = shown(comm(opener));
        let (look_name, executable) = look.map_or((None, None), |look| (Some(look.name), look.executable));
        let is_first_thread = opener.thread == opener.process;
        Process {
            pid: opener.process,
            name: if is_first_thread { Some(called.clone()) } else { look_name },
            thread: (!is_first_thread).then_some(Thread { id: opener.thread, name: called }),
            user: opener.user,
            user_name: if container.is_none() { self.users.name(opener.user) } else { None },
            executable,
            cgroup_id: opener.cgroup,
            cgroup: cgroup.map(|path| shown(&path)),
            container,
        }
    }
}

impl<O: Openers> ProcessLookup for Attribution<O> {
    fn process_of(&mut self, opening: &Opening, now: Moment) -> Option<Arc<Process>> {
        let opener = self.opener_of(opening)?;
        let look = self.processes.as_ref().and_then(|processes| processes.look(&opener));
        Some(Arc::new(self.describe(&opener, look, now.at)))
    }
}

/// The key of a TCP connection that was opened from its internal end.
fn key_of(tuple: &FiveTuple) -> Option<ConnectionKey> {
    if tuple.transport != TCP {
        return None;
    }
    let ports = (tuple.local.port().to_be(), tuple.remote.port().to_be());
    match (tuple.local, tuple.remote) {
        (SocketAddr::V4(local), SocketAddr::V4(remote)) => {
            let word = |address: &std::net::SocketAddrV4| u32::from_ne_bytes(address.ip().octets());
            Some(ConnectionKey::v4(word(&local), word(&remote), ports.0, ports.1))
        }
        (SocketAddr::V6(local), SocketAddr::V6(remote)) => {
            let words = |address: &std::net::SocketAddrV6| -> [u32; 4] {
                zerocopy::transmute!(address.ip().octets())
            };
            Some(ConnectionKey::v6(words(&local), words(&remote), ports.0, ports.1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use sensor_common::slot::UDP;

    use super::*;

    /// One opener, for any connection; and the last question.
    struct One(Opener, Rc<RefCell<Option<ConnectionKey>>>);

    impl Openers for One {
        fn opener(&self, connection: &ConnectionKey) -> Option<Opener> {
            *self.1.borrow_mut() = Some(*connection);
            Some(self.0)
        }
    }

    const NOW: Moment = Moment { at: Timestamp::from_unix_seconds(0), ticks: 0 };

    fn opener() -> Opener {
        let mut comm = [0; 16];
        comm[..9].copy_from_slice(b"smbclient");
        Opener {
            ticks: 1_000,
            process: 4_242,
            thread: 4_242,
            user: 33,
            cgroup: 77,
            comm,
            ..Opener::default()
        }
    }

    fn attribution(opener: Opener) -> Attribution<One> {
        let sources =
            Sources { processes: None, cgroups: None, users: Arc::new(UserNames::of("/nonexistent".into())) };
        // A tick of 4 ms: 250 a second.
        Attribution::new(One(opener, Rc::default()), TickClock::with_tick(4_000_000), sources)
    }

    fn opening(ticks: u32) -> Opening {
        let tuple = FiveTuple {
            transport: TCP,
            local: "10.0.0.2:50000".parse().unwrap(),
            remote: "8.8.4.4:445".parse().unwrap(),
        };
        Opening { tuple, ticks, from_the_start: true }
    }

    #[test]
    fn uses_the_kernel_record_once_the_process_is_gone() {
        let owner = attribution(opener()).process_of(&opening(1_001), NOW).unwrap();
        assert_eq!((owner.pid, owner.user, owner.cgroup_id), (4_242, 33, 77));
        assert_eq!(owner.name.as_deref(), Some("smbclient"));
        assert_eq!((&owner.thread, &owner.executable, &owner.cgroup), (&None, &None, &None));
    }

    #[test]
    fn does_not_report_a_thread_name_as_the_process_name() {
        let owner =
            attribution(Opener { thread: 4_250, ..opener() }).process_of(&opening(1_001), NOW).unwrap();
        assert_eq!(owner.name, None);
        assert_eq!(owner.thread, Some(Thread { id: 4_250, name: "smbclient".into() }));
    }

    #[test]
    fn ignores_calls_too_late_or_too_early_for_the_first_packet() {
        let owner = |ticks| attribution(opener()).process_of(&opening(ticks), NOW);
        assert!(owner(999).is_none());
        assert!(owner(1_000).is_some());
        assert!(owner(1_000 + 5 * 250).is_some());
        assert!(owner(1_001 + 5 * 250).is_none());
        let later = Opening { from_the_start: false, ..opening(1_001 + 5 * 250) };
        assert!(attribution(opener()).process_of(&later, NOW).is_some(), "recognised by a later message");
        let much_later = Opening { ticks: 1_001 + 60 * 250, ..later };
        assert!(attribution(opener()).process_of(&much_later, NOW).is_none());
    }

    #[test]
    fn compares_ticks_across_the_wrap() {
        let opener = Opener { ticks: u32::MAX, ..opener() };
        assert!(attribution(opener).process_of(&opening(3), NOW).is_some());
    }

    #[test]
    fn ambiguous_opener_is_none() {
        let contested = Opener { flags: CONTESTED, ..opener() };
        assert!(attribution(contested).process_of(&opening(1_000), NOW).is_none());
    }

    #[test]
    fn key_has_addresses_and_ports_in_wire_order() {
        let mut attribution = attribution(opener());
        let _ = attribution.process_of(&opening(1_000), NOW);
        let v4 = attribution.openers.1.take().unwrap();
        assert_eq!(v4.remote[0].to_ne_bytes(), [8, 8, 4, 4]);
        assert_eq!(v4.remote_port.to_ne_bytes(), [1, 189]);
        assert_eq!(v4.local_port, 50_000_u16.to_be());
        let local = "[fd00:1::2]:50000".parse().unwrap();
        let remote = "[2001:4860::4]:445".parse().unwrap();
        let tuple = FiveTuple { transport: TCP, local, remote };
        let _ = attribution.process_of(&Opening { tuple, ..opening(1_000) }, NOW);
        let v6 = attribution.openers.1.take().unwrap();
        assert_eq!((v6.family, v6.remote[0].to_ne_bytes()), (6, [0x20, 1, 0x48, 0x60]));
    }

    #[test]
    fn does_not_look_up_udp() {
        let mut attribution = attribution(opener());
        let tuple = FiveTuple { transport: UDP, ..opening(0).tuple };
        assert!(attribution.process_of(&Opening { tuple, ..opening(1_000) }, NOW).is_none());
        assert!(attribution.openers.1.take().is_none());
    }
}
