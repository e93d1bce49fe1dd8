//! Messages whose segments come to several CPUs are handed up as if one CPU had seen them all.

use sensor_common::slot::{
    Hook,
    Side::{Local, Remote},
    content_bit, tcp,
};
use sensor_tests::{Twin, Xorshift, pieces};

use super::{
    Ends,
    message::{REQUEST, contents, of_smb2, smb2, smb2_with},
    segment,
};
use crate::{
    expect::{SERVER, SERVER_V6},
    other_cpu::{setup, twin},
};

/// MS-SMB2 2.2.1.2.
const ECHO: u8 = 13;

/// The first byte of the stream.
const FIRST: u32 = u32::MAX - 500;

/// Ways in which the segments of a connection are spread over CPUs, for each place at which headers are split.
const WAYS: usize = 24;

/// The client's messages, and whether they are handed up.
fn requests() -> Vec<(Vec<u8>, bool)> {
    vec![
        (of_smb2(smb2::SESSION_SETUP, REQUEST, 300), true),
        (of_smb2(ECHO, REQUEST, 72), false),
        (of_smb2(smb2::TREE_CONNECT, REQUEST, 150), true),
        (smb2_with(smb2::WRITE, REQUEST, 116, &contents(3_000)), false),
        (of_smb2(smb2::TREE_CONNECT, REQUEST, 2_500), true),
        (of_smb2(ECHO, REQUEST, 72), false),
    ]
}

/// Each message in a segment with its first `split` bytes, and in others of at most 1,400 bytes with the rest.
fn parts(split: usize) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut begins = 0;
    for (message, _) in requests() {
        let ends = begins + message.len();
        parts.push((begins, begins + split));
        let rest: Vec<usize> = (begins + split..ends).step_by(1_400).collect();
        parts.extend(rest.iter().map(|from| (*from, (from + 1_400).min(ends))));
        begins = ends;
    }
    parts
}

/// What is wrong with the pieces of a connection of which each segment comes to the CPU that `cpu` gives.
fn wrong(twin: &mut Twin, hook: Hook, ends: Ends, split: usize, mut cpu: impl FnMut() -> u16) -> Vec<String> {
    let stream: Vec<u8> = requests().into_iter().flat_map(|(message, _)| message).collect();
    let syn = |side, flags| segment(ends, side, FIRST - 1, &[]).modified(|frame| frame.flags(flags)).build();
    let mut frames = vec![syn(Local, tcp::SYN), syn(Remote, tcp::SYN | tcp::ACK)];
    for (from, until) in parts(split) {
        let sequence = FIRST.wrapping_add(from as u32);
        frames.push(segment(ends, Local, sequence, &stream[from..until]).build());
    }
    let mut seen = vec![false; stream.len()];
    let mut way = Vec::new();
    let mut holds_content = false;
    for frame in &frames {
        let on = cpu();
        way.push(on);
        twin.move_to(on).unwrap();
        let effect = twin.run(hook, frame).unwrap();
        for piece in pieces(&effect.records).unwrap() {
            let at = piece.sequence.wrapping_sub(FIRST) as usize;
            assert_eq!(piece.bytes, &stream[at..at + piece.bytes.len()]);
            seen[at..at + piece.bytes.len()].fill(true);
        }
        holds_content |= twin.changed_slots().iter().any(|slot| slot.details.content & content_bit(0) != 0);
    }
    let mut wrong = Vec::new();
    let mut begins = 0;
    for (number, (message, is_wanted)) in requests().into_iter().enumerate() {
        let seen = &seen[begins..begins + message.len()];
        if is_wanted && seen.contains(&false) {
            wrong.push(format!(
                "message {number} is not handed up; split at {split}, CPUs {way:?} at {hook:?}"
            ));
        }
        begins += message.len();
    }
    if !holds_content {
        wrong.push(format!("no content; split at {split}, CPUs {way:?} at {hook:?}"));
    }
    wrong
}

#[test]
fn messages_are_handed_up_whatever_cpu_sees_their_segments() {
    let test = "messages_are_handed_up_whatever_cpu_sees_their_segments";
    let Some(mut twin) = twin(test, &setup()) else { return };
    let mut random = Xorshift(0x5EED_0212);
    let mut found = Vec::new();
    let mut port = 40_000;
    for hook in [Hook::XdpIngress, Hook::TcEgress] {
        for split in 1..8 {
            for way in 0..WAYS {
                port += 1;
                let ends: Ends = if way % 2 == 0 {
                    (format!("10.0.0.2:{port}").leak(), SERVER)
                } else {
                    (format!("[fd00:1::2]:{port}").leak(), SERVER_V6)
                };
                let mut turns = 0;
                let cpu = || {
                    turns += 1;
                    // First each segment on the other CPU, then the SYN alone.
                    match way {
                        0 => turns % 2,
                        1 => u16::from(turns > 1),
                        2 => u16::from(turns == 1),
                        _ => random.below(2) as u16,
                    }
                };
                found.extend(wrong(&mut twin, hook, ends, split, cpu));
            }
        }
    }
    assert!(found.is_empty(), "{} in all: {:#?}", found.len(), &found[..found.len().min(8)]);
}
