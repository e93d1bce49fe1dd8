//! One CPU changes the tenants of a slot as fast as it can while the agent's reader sweeps: no copy is a mixture of two.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use sensor_common::slot::{Hook, Slot, tcp};
use sensor_core::record;
use sensor_tests::{Frame, Setup};

const PATIENCE: Duration = Duration::from_secs(10);

/// Tenants: so many that none returns during a copy.
const TENANTS: u16 = 64;

/// Tenant number `tenant`: its addresses, both its ports and the length of its only packet each show the number.
fn frame(tenant: u16, wide: bool) -> Vec<u8> {
    let (local_port, remote_port) = (20_000 + tenant, [445, 139][usize::from(tenant % 2)]);
    let (local, remote) = if wide {
        let [a, b, c] = [1, 2, 3].map(|word| format!("{:x}:{:x}", tenant + word, tenant));
        (
            format!("[fd00:{tenant:x}:{a}:{b}:{tenant:x}:{tenant:x}]"),
            format!("[2a00:{tenant:x}:{c}:{a}:{tenant:x}:{tenant:x}]"),
        )
    } else {
        (format!("10.{tenant}.{tenant}.{tenant}"), format!("9.{tenant}.{tenant}.{tenant}"))
    };
    let payload = vec![0x55; usize::from(tenant) * 3];
    Frame::tcp(&format!("{local}:{local_port}"), &format!("{remote}:{remote_port}"))
        // Behind a SYN the payload would be looked at, and what the kernel keeps for itself written later than the rest.
        .flags(tcp::ACK)
        .sequence(u32::from(tenant) * 0x0101_0101)
        .payload(&payload)
        .build()
}

/// What is wrong with a copy of a slot, if anything.
fn mixture(slot: &Slot, expected: &[Slot]) -> Option<String> {
    let tenant = u16::from_be(slot.line.local_port).wrapping_sub(20_000);
    let Some(expected) = expected.get(usize::from(tenant)) else {
        return Some(format!("no tenant has this port: {:?}", record::observation(slot)));
    };
    let same = |slot: &Slot| {
        let mut slot = *slot;
        (slot.details.first, slot.line.last, slot.line.generation) = (0, 0, 0);
        slot
    };
    let (slot, expected) = (same(slot), same(expected));
    (slot != expected).then(|| format!("tenant {tenant}: {slot:#?}\nand not {expected:#?}"))
}

#[test]
fn reassigned_slot_is_never_read_as_a_mixture() {
    for wide in [false, true] {
        change_and_read(wide);
    }
}

fn change_and_read(wide: bool) {
    let test = "reassigned_slot_is_never_read_as_a_mixture";
    let Some(mut kernel) = Setup::default().kernel(test).unwrap() else { return };
    let frames: Vec<Vec<u8>> = (0..TENANTS).map(|tenant| frame(tenant, wide)).collect();
    // The expected state of each of them.
    let mut expected = Vec::new();
    for frame in &frames {
        kernel.inject(Hook::XdpIngress, frame, 1).unwrap();
        expected.extend(kernel.sweep());
    }
    assert_eq!(expected.len(), frames.len());

    let mut reader = kernel.slot_reader().unwrap();
    let cpu = kernel.cpu();
    let done = AtomicBool::new(false);
    let (read, mixed) = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            elsewhere(cpu);
            let (mut read, mut mixed) = (0_u64, Vec::new());
            while !done.load(Ordering::Relaxed) {
                reader.sweep(cpu, |_, slot| {
                    read += 1;
                    mixed.extend(mixture(slot, &expected));
                });
                if mixed.len() > 10 {
                    break;
                }
            }
            (read, mixed)
        });
        let end = Instant::now() + PATIENCE / 2;
        while Instant::now() < end && !reading.is_finished() {
            for frame in &frames {
                kernel.inject(Hook::XdpIngress, frame, 1).unwrap();
            }
            // Nobody reads the ring, and a full ring does not affect the slots.
            let _ = kernel.take_records();
        }
        done.store(true, Ordering::Relaxed);
        reading.join().unwrap()
    });
    assert!(read > 1_000, "only {read} copies were made");
    assert!(mixed.is_empty(), "{} mixtures in {read} copies, the first: {}", mixed.len(), mixed[0]);
}

/// Moves the current thread to any CPU but this one, if there is another.
fn elsewhere(cpu: usize) {
    let mut others = CpuSet::new();
    let count = thread::available_parallelism().map_or(1, usize::from);
    // This thread inherits the affinity of its parent, so it cannot ask for the number of CPUs.
    for other in (0..count.max(2)).filter(|other| *other != cpu) {
        others.set(other).unwrap();
    }
    let _ = sched_setaffinity(Pid::from_raw(0), &others);
}
