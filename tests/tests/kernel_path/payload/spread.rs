//! Streams whose segments are spread over CPUs: a connection is complete if the CPUs together looked at every message.

use std::time::Duration;

use sensor_common::slot::{
    Hook,
    Side::{self, Local, Remote},
    TCP, tcp,
};
use sensor_core::{
    flow::{FlowTable, FlowTableOptions},
    process::NoProcesses,
    record::{Observation, observation},
    service::ServicePorts,
    time::{Moment, TickClock, Timestamp},
};
use sensor_dissect::FingerprintKey;
use sensor_tests::{Twin, flows, pieces};

use super::{
    Ends, id,
    message::{REPLY, REQUEST, contents, of_smb2, smb2, smb2_with},
    segment,
};
use crate::{
    expect::SERVER,
    other_cpu::{setup, twin},
};

/// MS-SMB2 2.2.1.2.
const ECHO: u8 = 13;

/// The first byte of each stream.
const FIRST: u32 = u32::MAX - 500;

const NOW: Moment = Moment { at: Timestamp::from_unix_seconds(1_000), ticks: 0 };

/// A segment: the CPU to which it comes, who sends it, and from where to where in its stream.
type Part = (u16, Side, usize, usize);

/// A connection that is spread over CPUs: its name, its segments after both SYNs, and whether it is complete.
type Row = (&'static str, Vec<Part>, bool);

/// The client's messages, and with that the places where they begin and end.
fn requests() -> (Vec<u8>, [usize; 6]) {
    let messages = [
        of_smb2(smb2::SESSION_SETUP, REQUEST, 300),
        of_smb2(ECHO, REQUEST, 72),
        of_smb2(smb2::TREE_CONNECT, REQUEST, 150),
        smb2_with(smb2::WRITE, REQUEST, 116, &contents(3_000)),
        of_smb2(ECHO, REQUEST, 72),
    ];
    let mut ends = [0; 6];
    for (number, message) in messages.iter().enumerate() {
        ends[number + 1] = ends[number] + message.len();
    }
    (messages.concat(), ends)
}

fn answers() -> Vec<u8> {
    of_smb2(smb2::SESSION_SETUP, REPLY, 200)
}

fn table() -> FlowTable<()> {
    FlowTable::new(FlowTableOptions {
        services: ServicePorts::default(),
        clock: TickClock::with_tick(4_000_000),
        attempt_settle: Duration::from_secs(3),
        flow_idle: Duration::from_secs(10),
        capacity: 4,
        fingerprint_key: FingerprintKey::new([1; 32]),
    })
}

/// What a CPU says, as if it had said it now.
fn said_by(cpu: u16, seen: Observation) -> Observation {
    Observation { cpu, first: 0, last: 0, ..seen }
}

/// Whether the agent finds a connection complete, with the slots of the host engine, and with those of the kernel.
fn complete(twin: &mut Twin, hook: Hook, ends: Ends, parts: &[Part]) -> Vec<bool> {
    let streams = [requests().0, answers()];
    let syn = |side| segment(ends, side, FIRST.wrapping_sub(1), &[]);
    let mut frames = vec![
        (0, syn(Local).modified(|frame| frame.flags(tcp::SYN)).build()),
        (1, syn(Remote).modified(|frame| frame.flags(tcp::SYN | tcp::ACK)).build()),
    ];
    for (cpu, side, from, until) in parts {
        let payload = &streams[*side as usize][*from..*until];
        frames.push((*cpu, segment(ends, *side, FIRST.wrapping_add(*from as u32), payload).build()));
    }
    let mut tables = [table(), table()];
    for (cpu, frame) in &frames {
        twin.move_to(*cpu).unwrap();
        let effect = twin.run(hook, frame).unwrap();
        for table in &mut tables {
            for (kind, seen) in flows(&effect.records).unwrap() {
                table.observe(Some(kind), &said_by(*cpu, seen), NOW, &mut NoProcesses, &mut Vec::new());
            }
            for piece in pieces(&effect.records).unwrap() {
                table.payload(&piece, NOW, &mut Vec::new());
            }
        }
    }
    let tuple = id(TCP, ends).tuple;
    let mut swept = [Vec::new(), Vec::new()];
    swept[0] = twin.changed_slots().iter().map(|slot| (slot.details.cpu, *slot)).collect();
    for cpu in 0..2 {
        twin.move_to(cpu).unwrap();
        if let Some(kernel) = twin.kernel() {
            swept[1].extend(kernel.sweep().into_iter().map(|slot| (cpu, slot)));
        }
    }
    let mut found = Vec::new();
    for (mut table, slots) in tables.into_iter().zip(swept) {
        if slots.is_empty() {
            continue;
        }
        for (cpu, slot) in slots {
            let seen = said_by(cpu, observation(&slot).unwrap());
            if seen.id.tuple == tuple {
                table.observe(None, &seen, NOW, &mut NoProcesses, &mut Vec::new());
            }
        }
        table.advance(NOW.at + Duration::from_secs(60), &mut Vec::new());
        let entry = table.entry(&tuple).unwrap();
        assert!(entry.is_closed());
        found.push(entry.view(&ServicePorts::default()).unwrap().complete);
    }
    found
}

fn rows() -> Vec<Row> {
    let [_, setup, echo, tree, write, end] = requests().1;
    let answered = (1, Remote, 0, answers().len());
    let client = |cpu, from, until| (cpu, Local, from, until);
    let turns = vec![
        client(0, 0, setup),
        answered,
        client(1, setup, echo),
        client(0, echo, tree),
        client(1, tree, write),
        client(0, write, end),
    ];
    let but = |number: usize, by: &[Part]| {
        let mut parts = turns.clone();
        parts.splice(number..=number, by.iter().copied());
        parts
    };
    vec![
        ("CPUs that take turns", turns.clone(), true),
        (
            "a message in three segments",
            but(
                4,
                &[
                    client(1, tree, tree + 1_000),
                    client(0, tree + 1_000, tree + 2_000),
                    client(1, tree + 2_000, write),
                ],
            ),
            true,
        ),
        (
            "two messages in a segment",
            vec![client(0, 0, setup), answered, client(1, setup, tree), client(0, tree, end)],
            true,
        ),
        ("a header in two segments", but(0, &[client(0, 0, 5), client(0, 5, setup)]), true),
        (
            "a header in two segments, on a CPU that did not see the message before it",
            but(2, &[client(1, setup, setup + 5), client(1, setup + 5, echo)]),
            true,
        ),
        ("a header on two CPUs", but(2, &[client(1, setup, setup + 5), client(0, setup + 5, echo)]), true),
        (
            "a message behind the rest of one that another CPU began",
            vec![
                client(0, 0, setup + 60),
                answered,
                client(1, setup + 60, tree),
                client(1, tree, write),
                client(0, write, end),
            ],
            true,
        ),
        (
            "the same on one CPU",
            vec![client(0, 0, setup + 60), answered, client(0, setup + 60, tree), client(1, tree, end)],
            true,
        ),
        ("a segment that did not come", but(2, &[]), false),
        (
            "a segment that came again to its CPU",
            but(5, &[client(1, tree, write), client(0, write, end)]),
            true,
        ),
        (
            "a segment that came again to the other CPU",
            but(5, &[client(0, tree, write), client(0, write, end)]),
            true,
        ),
        (
            "segments out of order on a CPU",
            vec![
                client(0, 0, setup),
                answered,
                client(0, echo, tree),
                client(0, setup, echo),
                client(1, tree, end),
            ],
            true,
        ),
        ("each direction on its CPU", vec![client(0, 0, setup), answered, client(0, setup, end)], true),
        (
            "an answer that no CPU looked at",
            vec![client(0, 0, setup), (0, Remote, 100, 200), (1, Remote, 0, 4), client(0, setup, end)],
            false,
        ),
    ]
}

#[test]
fn spread_connection_is_complete_if_every_message_was_looked_at() {
    let test = "spread_connection_is_complete_if_every_message_was_looked_at";
    let Some(mut twin) = twin(test, &setup()) else { return };
    let mut wrong = Vec::new();
    for (at, hook) in [Hook::XdpIngress, Hook::TcEgress].into_iter().enumerate() {
        for (number, (name, parts, expected)) in rows().into_iter().enumerate() {
            let client: &'static str = format!("10.0.0.2:{}", 50_000 + 100 * at + number).leak();
            for (engine, complete) in
                complete(&mut twin, hook, (client, SERVER), &parts).into_iter().enumerate()
            {
                if complete != expected {
                    wrong.push(format!("{name} at {hook:?}, engine {engine}: {complete}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
