//! The life of flows in their slots: nothing is lost, whichever flow takes a slot.

use std::time::Duration;

use sensor_common::{
    counter::Counter,
    slot::{Hook, RecordKind, tcp},
};
use sensor_core::record::Observation;
use sensor_lab::poll;
use sensor_tests::{Effect, Frame, HOOKS, Setup, Twin, flows};
use sensor_user::kernel::slots::SlotReader;

use crate::expect::{CLIENT, SERVER, syn};

fn records(effect: &Effect) -> Vec<(RecordKind, Observation)> {
    flows(&effect.records).unwrap()
}

fn kinds(effect: &Effect) -> Vec<RecordKind> {
    records(effect).into_iter().map(|(kind, _)| kind).collect()
}

fn packets(observation: &Observation) -> u64 {
    observation.counts.packets.iter().sum()
}

fn answer(flags: u8) -> Vec<u8> {
    Frame::tcp(SERVER, CLIENT).flags(flags).build()
}

fn request(flags: u8) -> Vec<u8> {
    syn().flags(flags).build()
}

/// Gives `twin` frames at one hook; returns the record kinds of each.
fn play(twin: &mut Twin, frames: &[Vec<u8>]) -> Vec<Vec<RecordKind>> {
    frames.iter().map(|frame| kinds(&twin.run(Hook::XdpIngress, frame).unwrap())).collect()
}

#[test]
fn flows_in_one_slot_evict_each_other_with_exact_counts() {
    let mut twin = Setup::default().twin("flows_in_one_slot_evict_each_other_with_exact_counts").unwrap();
    let (mut kept, mut settled, mut evicted, mut in_slot) = (0, 0, 0, 0);
    for round in 0..300_u16 {
        // Three flows, IPv4 and IPv6, each staying for a while and coming back.
        let flow = (round / 5) % 3;
        let frame = match flow {
            0 => syn().payload(&vec![1; usize::from(round)]),
            1 => Frame::tcp("[fd00::2]:50001", "[2001:4860::1]:445").payload(&[2; 7]),
            _ => Frame::udp("8.8.4.4:137", "10.0.0.2:137").payload(&[3; 11]),
        };
        let effect = twin.run(HOOKS[usize::from(round) % 3], &frame.build()).unwrap();
        kept += effect.counted.get(Counter::Kept);
        evicted += effect.counted.get(Counter::Evicted);
        for (kind, reported) in records(&effect) {
            match kind {
                RecordKind::Settled => {
                    settled += packets(&reported);
                    assert_eq!(packets(&reported), in_slot, "round {round}");
                    in_slot = 0;
                }
                RecordKind::Opened | RecordKind::Rose => {
                    assert_eq!(packets(&reported), in_slot + 1, "round {round}");
                }
                RecordKind::Closed => panic!("round {round}: nothing was closed"),
                RecordKind::Replaced | RecordKind::Payload => unreachable!("no news of one flow"),
            }
        }
        in_slot += 1;
    }
    assert_eq!((kept, evicted), (300, 59));
    assert_eq!(settled + in_slot, kept);
    if let Some(kernel) = twin.kernel() {
        let slots = kernel.sweep();
        assert_eq!(slots.len(), 1);
        assert_eq!(slots[0].line.total_packets(), in_slot, "the rest is in the slot");
        assert!(kernel.sweep().is_empty(), "what did not change is not swept again");
    }
}

#[test]
fn copy_of_a_slot_is_out_of_date_when_another_flow_took_it() {
    let test = "copy_of_a_slot_is_out_of_date_when_another_flow_took_it";
    let Some(mut kernel) = Setup::default().kernel(test).unwrap() else { return };
    let mut reader = kernel.slot_reader().unwrap();
    let cpu = kernel.cpu();
    let copies = |of: &mut SlotReader| {
        let mut copies = Vec::new();
        of.sweep(cpu, |index, slot| copies.push((index, *slot)));
        copies
    };
    kernel.inject(Hook::XdpIngress, &syn().build(), 1).unwrap();
    let [(index, first)] = copies(&mut reader)[..] else { panic!("one slot is in use") };
    // More packets of the same flow leave it there.
    kernel.inject(Hook::XdpIngress, &request(tcp::ACK), 1).unwrap();
    assert!(reader.holds(index, &first));
    kernel.inject(Hook::XdpIngress, &Frame::tcp("10.0.0.3:50000", SERVER).build(), 1).unwrap();
    let [(same, second)] = copies(&mut reader)[..] else { panic!("one slot is in use") };
    assert_eq!(same, index);
    assert!(!reader.holds(index, &first) && reader.holds(index, &second));
}

#[test]
fn settled_record_holds_every_byte_of_both_directions() {
    let mut twin = Setup::default().twin("settled_record_holds_every_byte_of_both_directions").unwrap();
    for frame in [
        syn().sequence(0),
        syn().flags(tcp::ACK).payload(&[1; 100]),
        syn().flags(tcp::ACK).sequence(101).payload(&[1; 20]),
    ] {
        twin.run(Hook::TcEgress, &frame.build()).unwrap();
    }
    let reply = Frame::tcp(SERVER, CLIENT).flags(tcp::ACK).payload(&[1; 1_000]).build();
    twin.run(Hook::XdpIngress, &reply).unwrap();
    let other = Frame::tcp("10.0.0.3:50000", SERVER).build();
    let effect = twin.run(Hook::XdpIngress, &other).unwrap();
    let [(RecordKind::Settled, reported), (RecordKind::Opened, _)] = records(&effect)[..] else {
        panic!("{effect:?}");
    };
    assert_eq!(reported.counts.packets, [3, 1]);
    assert_eq!(reported.counts.bytes, [40 + 140 + 60, 1_040]);
    assert_eq!(reported.counts.payload, [120, 1_000]);
    assert_eq!(reported.tcp_flags, [tcp::SYN | tcp::ACK, tcp::ACK]);
}

#[test]
fn connection_reports_each_new_fact_once() {
    let mut twin = Setup::default().twin("connection_reports_each_new_fact_once").unwrap();
    let data = |frame: Frame| frame.flags(tcp::ACK).payload(&[1; 10]).build();
    let reported = play(
        &mut twin,
        &[
            request(tcp::SYN),
            request(tcp::SYN),
            answer(tcp::SYN | tcp::ACK),
            request(tcp::ACK),
            data(syn()),
            data(syn()),
            data(Frame::tcp(SERVER, CLIENT)),
            data(Frame::tcp(SERVER, CLIENT)),
            request(tcp::FIN | tcp::ACK),
            answer(tcp::FIN | tcp::ACK),
            request(tcp::ACK),
        ],
    );
    let (opened, rose, closed) =
        (&[RecordKind::Opened][..], &[RecordKind::Rose][..], &[RecordKind::Closed][..]);
    let expected = [opened, &[], rose, rose, rose, &[], rose, &[], rose, closed, &[]];
    assert_eq!(reported, expected);
}

#[test]
fn retransmitted_syn_after_a_refusal_stays_in_its_flow() {
    let mut twin = Setup::default().twin("retransmitted_syn_after_a_refusal_stays_in_its_flow").unwrap();
    let refusal = answer(tcp::RST | tcp::ACK);
    let reported = play(
        &mut twin,
        &[request(tcp::SYN), refusal.clone(), request(tcp::SYN), refusal.clone(), request(tcp::SYN), refusal],
    );
    assert_eq!(
        reported,
        [vec![RecordKind::Opened], vec![RecordKind::Closed], vec![], vec![], vec![], vec![]]
    );
    if let Some(kernel) = twin.kernel() {
        assert_eq!(kernel.sweep()[0].line.packets, [3, 3]);
    }
}

#[test]
fn syn_after_an_ended_connection_opens_a_new_flow() {
    let endings = [
        vec![request(tcp::FIN | tcp::ACK), answer(tcp::FIN | tcp::ACK)],
        vec![answer(tcp::FIN | tcp::ACK), request(tcp::FIN | tcp::ACK)],
        vec![request(tcp::RST)],
        vec![answer(tcp::RST | tcp::ACK)],
    ];
    let mut twin = Setup::default().twin("syn_after_an_ended_connection_opens_a_new_flow").unwrap();
    for ending in endings {
        play(&mut twin, &[Frame::udp("10.0.0.9:1", "8.8.4.4:137").build()]);
        let opening = [request(tcp::SYN), answer(tcp::SYN | tcp::ACK), request(tcp::ACK)];
        let mut reported = play(&mut twin, &[&opening[..], &ending].concat());
        assert_eq!(reported.pop(), Some(vec![RecordKind::Closed]));
        let late = play(&mut twin, &[request(tcp::ACK)]);
        assert_eq!(late, [vec![]], "a late packet belongs to the old flow");
        let same = play(&mut twin, &[request(tcp::SYN)]);
        assert_eq!(same, [vec![]], "nor does the same SYN sent again begin a connection");
        let again = twin.run(Hook::XdpIngress, &syn().sequence(9_000).build()).unwrap();
        let [(RecordKind::Settled, old), (RecordKind::Opened, new)] = records(&again)[..] else {
            panic!("{again:?}");
        };
        assert_eq!(packets(&old), 5 + ending.len() as u64);
        assert_eq!((old.id, packets(&new)), (new.id, 1));
    }
}

#[test]
fn second_connection_on_the_same_ports_is_a_new_flow() {
    let mut twin = Setup::default().twin("second_connection_on_the_same_ports_is_a_new_flow").unwrap();
    for hook in HOOKS {
        twin.run(hook, &Frame::udp("10.0.0.9:1", "8.8.4.4:137").build()).unwrap();
        for frame in [syn().sequence(1_000), syn().sequence(1_001).flags(tcp::ACK).payload(&[1; 50])] {
            twin.run(hook, &frame.build()).unwrap();
        }
        let again = twin.run(hook, &syn().sequence(1_000).build()).unwrap();
        assert_eq!(kinds(&again), [], "{hook:?}: a SYN that is sent again begins nothing");
        let effect = twin.run(hook, &syn().sequence(50_000).build()).unwrap();
        let [(RecordKind::Settled, old), (RecordKind::Opened, new)] = records(&effect)[..] else {
            panic!("{hook:?}: {effect:?}");
        };
        assert_eq!((packets(&old), old.counts.payload), (3, [50, 0]));
        assert_eq!((packets(&new), new.counts.payload), (1, [0, 0]));
        assert_eq!(old.id, new.id);
        assert_ne!(old.generation, new.generation);
        assert_ne!(new.marks & sensor_common::slot::mark::OPENED_BY_SYN, 0);
    }
}

#[test]
fn counts_retransmitted_bytes_apart() {
    let mut twin = Setup::default().twin("counts_retransmitted_bytes_apart").unwrap();
    let segments = [(1_001, 100), (1_001, 100), (1_051, 100), (1_301, 100), (1_151, 150), (1_151, 150)];
    for hook in HOOKS {
        twin.run(hook, &Frame::udp("10.0.0.9:1", "8.8.4.4:137").build()).unwrap();
        twin.run(hook, &syn().sequence(1_000).build()).unwrap();
        for (sequence, bytes) in segments {
            let frame = syn().flags(tcp::ACK).sequence(sequence).payload(&vec![1; bytes]);
            twin.run(hook, &frame.build()).unwrap();
        }
        let effect = twin.run(hook, &Frame::udp("10.0.0.9:1", "8.8.4.4:137").build()).unwrap();
        let settled = records(&effect)[0].1;
        assert_eq!(settled.counts.payload, [100 + 50 + 100 + 150, 0], "{hook:?}");
        assert_eq!(settled.counts.retransmitted, [100 + 50 + 150, 0], "{hook:?}");
        assert_eq!(settled.counts.bytes, [7 * 40 + 700, 0], "{hook:?}");
    }
}

#[test]
fn both_directions_and_all_hooks_share_one_flow() {
    let mut twin = Setup::default().twin("both_directions_and_all_hooks_share_one_flow").unwrap();
    twin.run(Hook::TcEgress, &request(tcp::SYN)).unwrap();
    twin.run(Hook::TcIngress, &answer(tcp::SYN | tcp::ACK)).unwrap();
    let effect = twin.run(Hook::XdpIngress, &answer(tcp::ACK)).unwrap();
    let [(RecordKind::Rose, reported)] = records(&effect)[..] else { panic!("{effect:?}") };
    assert_eq!(reported.counts.packets, [1, 2]);
    assert_eq!(reported.marks & sensor_common::slot::mark::HOOKS, sensor_common::slot::mark::HOOKS);
}

#[test]
fn flow_is_settled_long_before_its_bytes_overflow() {
    let mut twin = Setup::default().twin("flow_is_settled_long_before_its_bytes_overflow").unwrap();
    // 2^31 bytes are reached by packet 32,769 of 65,535 bytes.
    let giant = syn().flags(tcp::ACK).length(65_535).build();
    for hook in HOOKS {
        let before = twin.repeat(hook, &giant, 32_768).unwrap();
        assert_eq!(before.counted.get(Counter::LostSettled) + before.counted.get(Counter::Evicted), 0);
        assert!(!kinds(&before).contains(&RecordKind::Settled), "{hook:?}: {:?}", kinds(&before));
        let full = twin.run(hook, &giant).unwrap();
        let [(RecordKind::Settled, reported)] = records(&full)[..] else { panic!("{hook:?}: {full:?}") };
        assert_eq!(reported.counts.packets, [32_769, 0]);
        assert_eq!(reported.counts.bytes, [32_769 * 65_535, 0]);
        assert_eq!(full.counted.get(Counter::Evicted), 0, "it stays in its slot");
    }
    if let Some(kernel) = twin.kernel() {
        assert_eq!(kernel.sweep()[0].line.total_packets(), 0, "counting begins anew");
    }
}

#[test]
fn flow_starts_again_after_a_long_idle_time() {
    let setup = Setup { idle_ticks: 0, ..Setup::default() };
    let Some(mut kernel) = setup.kernel("flow_starts_again_after_a_long_idle_time").unwrap() else {
        return;
    };
    let mut sent = 0;
    let evicted = poll(Duration::from_secs(5), || {
        kernel.inject(Hook::XdpIngress, &request(tcp::ACK), 1).unwrap();
        sent += 1;
        (kernel.counters().unwrap().get(Counter::Evicted) > 0).then_some(())
    });
    evicted.expect("a tick passes and the flow is settled");
    let reported = flows(kernel.take_records()).unwrap();
    let [(RecordKind::Opened, _), (RecordKind::Settled, old), (RecordKind::Opened, new)] = reported[..]
    else {
        panic!("{reported:?}");
    };
    assert_eq!((packets(&old), packets(&new)), (sent - 1, 1));
    assert_ne!(old.last, new.first);
}
