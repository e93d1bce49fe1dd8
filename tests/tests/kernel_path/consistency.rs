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
use sensor_common::slot::{Hook, Place, SeqRange, Slot, tcp};
use sensor_core::record;
use sensor_tests::{Frame, Setup};

/// Time for which tenants change and are read: with IPv4 and IPv6, with and without payload.
const STRESS: Duration = Duration::from_secs(10);

/// Tenants: so many that none returns during a copy.
const TENANTS: u16 = 64;

/// Tenant number `tenant`: its addresses, both its ports and the payload of its only packet, if that has any, each show the number.
fn frame(tenant: u16, wide: bool, has_payload: bool) -> Vec<u8> {
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
    let payload = vec![0x55; usize::from(tenant) * 3 * usize::from(has_payload)];
    Frame::tcp(&format!("{local}:{local_port}"), &format!("{remote}:{remote_port}"))
        .flags(tcp::ACK)
        .sequence(u32::from(tenant) * 0x0101_0101)
        .payload(&payload)
        .build()
}

/// What is wrong with a copy of a slot, if anything.
fn mixture(slot: &Slot, expected: &[Slot], has_payload: bool) -> Option<String> {
    let tenant = u16::from_be(slot.line.local_port).wrapping_sub(20_000);
    let Some(expected) = expected.get(usize::from(tenant)) else {
        return Some(format!("no tenant has this port: {:?}", record::observation(slot)));
    };
    let same = |slot: &Slot| {
        let mut slot = *slot;
        (slot.details.first, slot.line.last, slot.line.generation) = (0, 0, 0);
        if has_payload {
            // The kernel looks at payload after the change of tenant; it keeps that for itself.
            slot.line.kind = 0;
            slot.stream.passed_over = 0;
            (slot.stream.wanted, slot.stream.place) = ([SeqRange::EMPTY; 2], [Place::EMPTY; 2]);
        }
        slot
    };
    let (slot, expected) = (same(slot), same(expected));
    (slot != expected).then(|| format!("tenant {tenant}: {slot:#?}\nand not {expected:#?}"))
}

#[test]
fn reassigned_slot_is_never_read_as_a_mixture() {
    for (wide, has_payload) in [(false, false), (true, false), (false, true), (true, true)] {
        change_and_read(wide, has_payload);
    }
}

fn change_and_read(wide: bool, has_payload: bool) {
    let test = "reassigned_slot_is_never_read_as_a_mixture";
    let Some(mut kernel) = Setup::default().kernel(test).unwrap() else { return };
    let frames: Vec<Vec<u8>> = (0..TENANTS).map(|tenant| frame(tenant, wide, has_payload)).collect();
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
    let result = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut result = Reading { is_beside: elsewhere(cpu), ..Reading::default() };
            let mut last = None;
            while !done.load(Ordering::Relaxed) {
                reader.sweep(cpu, |_, slot| {
                    let tenant = Some(slot.line.local_port);
                    result.copies += 1;
                    result.changes += u64::from(tenant != last);
                    last = tenant;
                    result.mixed.extend(mixture(slot, &expected, has_payload));
                });
                if result.mixed.len() > 10 {
                    break;
                }
            }
            result.left_out = reader.changing();
            result
        });
        let end = Instant::now() + STRESS / 4;
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
    let Reading { copies, changes, left_out, is_beside, mixed } = result;
    assert!(copies > 1_000, "only {copies} copies were made");
    assert!(
        changes > copies / 2,
        "only {changes} of {copies} copies are of another tenant than the one before"
    );
    // With one CPU alone a tenant never changes while the reader runs.
    assert!(left_out > 0 || !is_beside, "no change of tenant fell into any of {copies} copies");
    assert!(mixed.is_empty(), "{} mixtures in {copies} copies, the first: {}", mixed.len(), mixed[0]);
}

/// What the reader met.
#[derive(Default)]
struct Reading {
    /// Copies of the slot.
    copies: u64,
    /// Copies of another tenant than the copy before.
    changes: u64,
    /// Copies that were left out because the tenant changed at that very moment.
    left_out: u64,
    /// It ran on another CPU than the writer.
    is_beside: bool,
    /// What is wrong with copies.
    mixed: Vec<String>,
}

/// Moves the current thread to any CPU but this one; returns whether there is another.
fn elsewhere(cpu: usize) -> bool {
    let mut others = CpuSet::new();
    let count = thread::available_parallelism().map_or(1, usize::from);
    // This thread inherits the affinity of its parent, so it cannot ask for the number of CPUs.
    for other in (0..count.max(2)).filter(|other| *other != cpu) {
        others.set(other).unwrap();
    }
    sched_setaffinity(Pid::from_raw(0), &others).is_ok()
}
