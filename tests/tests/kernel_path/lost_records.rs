//! An unread ring: lost records are counted by kind, and the sweep still finds the flows.

use std::collections::HashMap;

use sensor_common::{
    counter::Counter,
    headers::Link,
    path::Arrival,
    slot::{Hook, RecordKind, tcp},
};
use sensor_core::record;
use sensor_tests::{Frame, HOOKS, Setup, TEST_RUN_IFINDEX, flows};

const RING: u32 = 65_536;
const FLOWS: u16 = 600;

/// A refused attempt, an unanswered one, and a datagram over IPv6, in turn: the flow of `number`.
fn frames(number: u16) -> Vec<Vec<u8>> {
    let (client, server) = (format!("10.1.2.3:{}", 20_000 + number), "8.8.4.4:445");
    let syn = Frame::tcp(&client, server).build();
    match number % 3 {
        0 => vec![syn, Frame::tcp(server, &client).flags(tcp::RST | tcp::ACK).build()],
        1 => vec![syn.clone(), syn, Frame::tcp(server, &client).flags(tcp::SYN | tcp::ACK).build()],
        _ => vec![Frame::udp(&format!("[fd00::2]:{}", 20_000 + number), "[2001:4860::1]:137").build()],
    }
}

#[test]
fn every_record_is_on_the_ring_or_counted_as_lost() {
    let setup = Setup { ring_bytes: RING, ..Setup::default() };
    let test = "every_record_is_on_the_ring_or_counted_as_lost";
    let Some(mut kernel) = setup.kernel(test).unwrap() else {
        return;
    };
    // The host engine keeps all records: they are the expected ones.
    let mut host = setup.host();
    let mut sent = 0;
    for number in 0..FLOWS {
        for frame in frames(number) {
            let hook = HOOKS[usize::from(number) % 3];
            kernel.inject(hook, &frame, 1).unwrap();
            let frame_len = frame.len() as u32;
            host.frame(
                &frame,
                Arrival { hook, ifindex: TEST_RUN_IFINDEX, link: Link::Ethernet, frame_len, vlan: 0 },
            );
            sent += 1;
        }
    }

    let counters = kernel.counters().unwrap();
    let mut due: HashMap<RecordKind, u64> = HashMap::new();
    for (kind, _) in flows(host.take_records()).unwrap() {
        *due.entry(kind).or_default() += 1;
    }
    let mut read: HashMap<RecordKind, u64> = HashMap::new();
    let mut settled_packets = 0;
    for (kind, reported) in flows(kernel.take_records()).unwrap() {
        *read.entry(kind).or_default() += 1;
        if kind == RecordKind::Settled {
            settled_packets += reported.counts.packets.iter().sum::<u64>();
        }
    }
    let kinds = [
        (RecordKind::Opened, Counter::LostOpened),
        (RecordKind::Rose, Counter::LostRose),
        (RecordKind::Closed, Counter::LostClosed),
        (RecordKind::Settled, Counter::LostSettled),
    ];
    for (kind, lost) in kinds {
        let (read, lost) = (read.get(&kind).copied().unwrap_or_default(), counters.get(lost));
        assert!(
            read > 0 && lost > 0,
            "{kind:?}: {read} read, {lost} lost: the ring did not overflow as meant"
        );
        assert_eq!(read + lost, due[&kind], "{kind:?}");
    }
    assert_eq!(counters.get(Counter::RecordsSent), read.values().sum::<u64>());
    assert_eq!(counters.get(Counter::Evicted), u64::from(FLOWS) - 1);

    assert_eq!((counters.get(Counter::Seen), counters.get(Counter::Kept)), (sent, sent));
    assert_eq!(counters.sum(Counter::OUTCOMES), sent);
    let in_slot = kernel.sweep();
    assert_eq!(in_slot.len(), 1, "the sweep finds the flow that lives");
    let live = record::observation(&in_slot[0]).unwrap();
    assert_eq!(live.id.tuple.local.port(), 20_000 + FLOWS - 1, "although its record was lost");
    let in_slot = in_slot[0].line.total_packets();
    assert_eq!(
        settled_packets + counters.get(Counter::LostPackets) + in_slot,
        sent,
        "every packet is somewhere"
    );
}

#[test]
fn emptied_ring_accepts_records_again() {
    let setup = Setup { ring_bytes: RING, ..Setup::default() };
    let Some(mut kernel) = setup.kernel("emptied_ring_accepts_records_again").unwrap() else {
        return;
    };
    for number in 0..FLOWS {
        for frame in frames(number) {
            kernel.inject(Hook::XdpIngress, &frame, 1).unwrap();
        }
    }
    let lost = kernel.counters().unwrap().sum(Counter::LOST_RECORDS);
    assert!(lost > 0 && !kernel.take_records().is_empty());
    kernel.inject(Hook::XdpIngress, &frames(0)[0], 1).unwrap();
    assert_eq!(kernel.take_records().len(), 2, "the evicted flow and the new one");
    assert_eq!(kernel.counters().unwrap().sum(Counter::LOST_RECORDS), lost);
}
