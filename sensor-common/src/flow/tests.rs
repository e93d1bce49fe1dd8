//! Changes of a slot by packets, one transition a test.

use super::*;
use crate::slot::{TCP, UDP};

const KEY: SlotKey = SlotKey {
    family: 4,
    transport: TCP,
    ifindex: 3,
    local: [0, 0, 0, u32::from_ne_bytes([10, 0, 0, 2])],
    remote: [0, 0, 0, u32::from_ne_bytes([8, 8, 4, 4])],
    local_port: 50_000u16.to_be(),
    remote_port: 445u16.to_be(),
};

fn packet(side: Side, tcp_flags: u8, payload: u32) -> Packet {
    Packet { side, tcp_flags, sequence: 0, marks: 0, bytes: 40 + payload, payload, vlan: 0, cpu: 0 }
}

fn opened() -> Slot {
    let mut slot = Slot::default();
    slot.open(&KEY, &packet(Side::Local, tcp::SYN, 0), 100);
    slot
}

#[test]
fn new_tenant_has_exact_first_counts_and_an_even_generation() {
    let slot = opened();
    assert_eq!(slot.line.packets, [1, 0]);
    assert_eq!(slot.line.bytes, [40, 0]);
    assert_eq!(slot.line.tcp_flags, [tcp::SYN, 0]);
    assert_eq!((slot.details.first, slot.line.last), (100, 100));
    assert_eq!(slot.line.generation, 2);
    assert!(slot.holds(&KEY));
    assert_eq!(slot.line.marks, mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN);
}

/// A flow in which both sides sent 100 bytes, from sequence number 1 on.
fn talking() -> Slot {
    let mut slot = opened();
    for side in [Side::Local, Side::Remote] {
        slot.add(&Packet { sequence: 1, ..packet(side, tcp::ACK, 100) }, 101);
    }
    slot
}

#[test]
fn packet_that_only_counts_is_no_change_and_the_others_are() {
    let data = Packet { sequence: 101, ..packet(Side::Local, tcp::ACK, 50) };
    assert!(talking().only_counts(&data));
    let (mut counted, mut added) = (talking(), talking());
    assert_eq!(counted.count(&data, 102), 50);
    assert_eq!(added.add(&data, 102), Change { rose: false, closed: false, full: false });
    assert_eq!(counted, added);

    assert!(!talking().only_counts(&Packet { marks: mark::HTTP, ..data }));
    assert!(!talking().only_counts(&Packet { bytes: SETTLE_AT, ..data }));
    assert!(!opened().only_counts(&Packet { tcp_flags: 0, ..data }), "the first payload");
    assert!(!opened().only_counts(&packet(Side::Local, tcp::ACK, 0)), "the first acknowledgment");
}

#[test]
fn repeated_payload_counts_as_if_it_were_out_of_order() {
    let gap = |slot: &mut Slot| slot.details.set_gap(0, 7);
    let unknown = |slot: &mut Slot| slot.line.next_sequence = [0; 2];
    let synchronised = |slot: &mut Slot| slot.stream.initial_sequence[0] = 100;
    let changes: [&dyn Fn(&mut Slot); 4] = [&|_| {}, &gap, &unknown, &synchronised];
    for (change, of_repeated) in changes.into_iter().zip([true, false, false, false]) {
        for sequence in [1, 50, 51, 52, 200, 0u32.wrapping_sub(FARTHEST_BEHIND as u32)] {
            let again = Packet { sequence, ..packet(Side::Local, tcp::ACK, 50) };
            let (mut one, mut other) = (talking(), talking());
            change(&mut one);
            change(&mut other);
            assert_eq!(one.is_repeated(&again), of_repeated && (1..=51).contains(&sequence), "{sequence}");
            assert_eq!(one.new_payload(&again), other.new_out_of_order(0, again.next_sequence(), 50, false));
            assert_eq!(one, other, "{sequence}");
        }
    }
}

#[test]
fn any_part_of_the_key_distinguishes_flows() {
    let slot = opened();
    let others = [
        SlotKey { family: 6, ..KEY },
        SlotKey { transport: UDP, ..KEY },
        SlotKey { ifindex: 4, ..KEY },
        SlotKey { local: [0, 0, 0, 1], ..KEY },
        SlotKey { remote: [0, 0, 0, 1], ..KEY },
        SlotKey { local_port: 1, ..KEY },
        SlotKey { remote_port: 1, ..KEY },
    ];
    for other in others {
        assert!(!slot.holds(&other), "{other:?}");
    }
}

#[test]
fn hash_of_a_flow_says_the_slot_that_its_key_says() {
    let seed = [0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210];
    let wide = SlotKey { family: 6, local: [1, 2, 3, 4], remote: [5, 6, 7, 8], ..KEY };
    for key in [KEY, wide, SlotKey { transport: UDP, ..KEY }] {
        for ifindex in [0, 1, 3, 1 << 24, u32::MAX] {
            let at = SlotKey { ifindex, ..key };
            let hash = at.hash(seed);
            assert_eq!(hash.slot_index(ifindex, 1 << 16), at.slot_index(seed, 1 << 16), "{at:?}");
            assert_eq!(hash.anywhere(), SlotKey { ifindex: 0, ..key }.hash(seed).anywhere());
        }
    }
}

#[test]
fn bytes_that_were_passed_over_stay_with_the_flow() {
    let mut slot = opened();
    slot.stream.passed_over = 7;
    slot.clear_counts();
    assert_eq!(slot.stream.passed_over, 7, "its streams go on");
    slot.open(&KEY, &packet(Side::Local, tcp::SYN, 0), 1);
    assert_eq!(slot.stream.passed_over, 0);
}

#[test]
fn distinguishes_ipv6_flows_by_their_upper_bits() {
    let key = SlotKey { family: 6, local: [1, 2, 3, 4], remote: [5, 6, 7, 8], ..KEY };
    let mut slot = Slot::default();
    slot.open(&key, &packet(Side::Local, tcp::SYN, 0), 1);
    assert!(slot.holds(&key));
    for word in 0..3 {
        let (mut a, mut b) = (key, key);
        a.local[word] ^= 1;
        b.remote[word] ^= 1;
        assert!(!slot.holds(&a) && !slot.holds(&b), "word {word}");
    }
}

#[test]
fn evidence_rises_once_for_each_new_fact() {
    let mut slot = opened();
    let rose = |slot: &mut Slot, p| slot.add(&p, 101).rose;
    assert!(rose(&mut slot, packet(Side::Remote, tcp::SYN | tcp::ACK, 0)));
    assert!(!rose(&mut slot, packet(Side::Remote, tcp::SYN | tcp::ACK, 0)), "a retransmission is no news");
    assert!(rose(&mut slot, packet(Side::Local, tcp::ACK, 0)));
    assert!(rose(&mut slot, packet(Side::Local, tcp::ACK, 100)), "first payload");
    assert!(!rose(&mut slot, Packet { sequence: 100, ..packet(Side::Local, tcp::ACK, 101) }));
    assert_eq!(slot.line.packets, [4, 2]);
    assert_eq!(slot.line.payload, [200, 0]);
}

/// The result of one side sending segments of (sequence number, bytes): new payload, and retransmitted payload.
fn counted(segments: &[(u32, u32)]) -> (u32, u32) {
    let mut slot = opened();
    for (sequence, payload) in segments {
        let _ = slot.add(&Packet { sequence: *sequence, ..packet(Side::Remote, tcp::ACK, *payload) }, 101);
    }
    (slot.line.payload[1], slot.details.retransmitted[1])
}

#[test]
fn counts_each_byte_once_by_sequence_number() {
    assert_eq!(counted(&[(1, 100), (101, 100)]), (200, 0));
    assert_eq!(counted(&[(1, 100), (1, 100), (101, 50)]), (150, 100), "sent again");
    assert_eq!(counted(&[(1, 100), (51, 100)]), (150, 50), "a part of it");
    assert_eq!(counted(&[(1, 100), (301, 100)]), (200, 0), "behind a gap");
    assert_eq!(counted(&[(1, 100), (201, 100), (101, 100)]), (300, 0), "late");
    assert_eq!(counted(&[(1, 100), (201, 100), (101, 100), (101, 100)]), (300, 100), "late, and sent again");
    assert_eq!(counted(&[(1, 100), (301, 100), (151, 50), (251, 50), (201, 50)]), (350, 0), "late in pieces");
    assert_eq!(counted(&[(1, 100), (151, 50), (51, 100)]), (200, 50), "late and sent again in one segment");
    assert_eq!(
        counted(&[(u32::MAX - 49, 100), (50, 100), (u32::MAX - 49, 100)]),
        (200, 100),
        "across the wrap"
    );
    assert_eq!(counted(&[(1, 100), (100, 1), (100, 1)]), (100, 2), "keep-alives");
}

#[test]
fn reset_and_empty_segment_do_not_advance_the_stream_but_a_syn_starts_it() {
    let mut slot = opened();
    let mut add = |flags, sequence, payload| {
        let _ = slot.add(&Packet { sequence, ..packet(Side::Remote, flags, payload) }, 101);
        (slot.line.payload[1], slot.details.retransmitted[1])
    };
    assert_eq!(add(tcp::RST, 0x7000_0000, 0), (0, 0));
    assert_eq!(add(tcp::ACK, 0x7000_0000, 0), (0, 0));
    assert_eq!(add(tcp::SYN | tcp::ACK, 5_000, 0), (0, 0));
    assert_eq!(add(tcp::ACK, 5_001, 10), (10, 0));
    assert_eq!(add(tcp::SYN | tcp::ACK, 5_000, 0), (10, 0), "sent again");
    assert_eq!(add(tcp::ACK, 5_001, 10), (10, 10));
}

#[test]
fn bytes_before_a_forged_syn_are_counted() {
    for forged in [0x7000_0000, 30_000_000, 5_000] {
        let mut slot = opened();
        let mut add = |flags, sequence, payload| {
            let _ = slot.add(&Packet { sequence, ..packet(Side::Remote, flags, payload) }, 101);
            (slot.line.payload[1], slot.details.retransmitted[1])
        };
        assert_eq!(add(tcp::SYN | tcp::ACK, forged, 0), (0, 0));
        assert_eq!(add(tcp::ACK, 1_000, 100), (100, 0), "{forged}");
        assert_eq!(add(tcp::ACK, 1_100, 100), (200, 0), "{forged}");
        assert_eq!(add(tcp::ACK, 1_100, 100), (200, 100), "{forged}: sent again");
    }
}

#[test]
fn segment_far_outside_the_window_does_not_move_the_stream_for_good() {
    let forged = 101 + (1 << 27);
    assert_eq!(counted(&[(1, 100), (forged, 100), (101, 100), (101, 100)]), (300, 100));
}

#[test]
fn datagrams_never_count_as_retransmitted() {
    let key = SlotKey { transport: UDP, ..KEY };
    let mut slot = Slot::default();
    slot.open(&key, &packet(Side::Local, 0, 10), 1);
    let _ = slot.add(&packet(Side::Local, 0, 10), 1);
    assert_eq!((slot.line.payload, slot.details.retransmitted), ([20, 0], [0, 0]));
}

#[test]
fn refused_connection_keeps_no_ack() {
    let mut slot = opened();
    let change = slot.add(&packet(Side::Remote, tcp::RST | tcp::ACK, 0), 101);
    assert!(change.rose && change.closed);
    assert_eq!(slot.line.tcp_flags, [tcp::SYN, tcp::RST]);
}

#[test]
fn closes_once_and_only_after_both_fins() {
    let mut slot = opened();
    assert!(!slot.add(&packet(Side::Local, tcp::FIN | tcp::ACK, 0), 1).closed);
    assert!(slot.add(&packet(Side::Remote, tcp::FIN | tcp::ACK, 0), 1).closed);
    assert!(!slot.add(&packet(Side::Local, tcp::ACK, 0), 1).closed);
}

#[test]
fn syn_starts_a_new_flow_after_an_acknowledgment_but_not_after_a_refusal() {
    let mut slot = opened();
    let syn = packet(Side::Local, tcp::SYN, 0);
    assert_eq!(slot.tenancy(&KEY, &syn, 101, 1_000), Tenancy::Own, "a retransmitted SYN");
    let mut refused = slot;
    let _ = refused.add(&packet(Side::Remote, tcp::RST | tcp::ACK, 0), 101);
    assert_eq!(refused.tenancy(&KEY, &syn, 102, 1_000), Tenancy::Own, "tried again after a refusal");
    let _ = slot.add(&packet(Side::Local, tcp::ACK, 0), 101);
    assert_eq!(slot.tenancy(&KEY, &packet(Side::Local, tcp::ACK, 0), 102, 1_000), Tenancy::Own);
    assert_eq!(slot.tenancy(&KEY, &syn, 102, 1_000), Tenancy::Own, "the same SYN once more");
    let other = Packet { sequence: 77, ..syn };
    assert_eq!(slot.tenancy(&KEY, &other, 102, 1_000), Tenancy::Other);
    assert_eq!(opened().tenancy(&KEY, &other, 102, 1_000), Tenancy::Own, "nothing was said before");
    let mut answered = opened();
    let _ = answered.add(&packet(Side::Remote, tcp::ACK, 10), 101);
    assert_eq!(answered.tenancy(&KEY, &other, 102, 1_000), Tenancy::Other, "data of the other side");
}

#[test]
fn syn_ack_starts_a_new_flow_after_fin_or_data_but_not_when_retransmitted() {
    let syn_ack = packet(Side::Remote, tcp::SYN | tcp::ACK, 0);
    let mut slot = Slot::default();
    slot.open(&KEY, &syn_ack, 100);
    assert_eq!(slot.tenancy(&KEY, &syn_ack, 101, 1_000), Tenancy::Own, "sent again");
    let mut talking = slot;
    let _ = talking.add(&packet(Side::Remote, tcp::ACK, 100), 101);
    let other = Packet { sequence: 77, ..syn_ack };
    assert_eq!(talking.tenancy(&KEY, &other, 102, 1_000), Tenancy::Other);
    assert_eq!(talking.tenancy(&KEY, &syn_ack, 102, 1_000), Tenancy::Own, "sent again, late");
    let _ = slot.add(&packet(Side::Remote, tcp::FIN | tcp::ACK, 0), 101);
    assert_eq!(slot.tenancy(&KEY, &other, 102, 1_000), Tenancy::Other);
}

#[test]
fn long_idle_flow_starts_again_across_the_tick_wrap() {
    let mut slot = Slot::default();
    let syn = packet(Side::Local, tcp::SYN, 0);
    slot.open(&KEY, &syn, u32::MAX - 10);
    assert_eq!(slot.tenancy(&KEY, &syn, 5, 100), Tenancy::Own);
    assert_eq!(slot.tenancy(&KEY, &syn, 200, 100), Tenancy::Other);
}

#[test]
fn counts_are_settled_before_they_overflow() {
    let mut slot = opened();
    slot.line.bytes[0] = SETTLE_AT - 100;
    assert!(!slot.add(&packet(Side::Local, tcp::ACK, 0), 1).full);
    assert!(slot.add(&packet(Side::Local, tcp::ACK, 1_000), 1).full);
    slot.clear_counts();
    assert_eq!(slot.line.total_packets(), 0);
    assert_eq!(slot.line.tcp_flags, [tcp::SYN | tcp::ACK, 0], "evidence stays");
}

#[test]
fn hash_spreads_flows_and_depends_on_the_seed() {
    let seed = crate::settings::Settings::DEFAULT.seed;
    let mut used = std::collections::HashSet::new();
    let mut moved = 0;
    for port in 0..1024u16 {
        let key = SlotKey { local_port: port.to_be(), ..KEY };
        let index = key.slot_index(seed, 1024);
        assert!(index < 1024);
        moved += usize::from(index != key.slot_index([1, 2], 1024));
        used.insert(index);
    }
    // 1024 balls in 1024 bins fill 647 on average.
    assert!(used.len() > 580, "{} slots used", used.len());
    assert!(moved > 1000, "{moved} flows moved with the seed");
}
