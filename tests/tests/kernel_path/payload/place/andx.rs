//! Chains of SMB 1 commands (MS-CIFS 2.2.3.4): file content and evidence count in every command.

use sensor_common::slot::Side::{Local, Remote};
use sensor_core::record::{Content, Unfollowed};
use sensor_tests::{HOOKS, Setup};

use super::{Passage, Stream, USUAL};
use crate::{
    expect::on,
    payload::{
        SECRET,
        message::{REPLY, REQUEST, contents, pdu, rpc, smb1, smb1_header},
    },
};

/// MS-CIFS 2.2.2.1.
const CLOSE: u8 = 0x04;
const LOCKING_ANDX: u8 = 0x24;
const OPEN_ANDX: u8 = 0x2D;
const READ: u8 = 0x0A;

/// A command: its code, its parameter words, and its data.
type Command = (u8, usize, Vec<u8>);

/// A message of these commands.
fn chain(reply: bool, commands: &[Command]) -> Vec<u8> {
    let mut bytes = smb1_header(commands[0].0, reply);
    for (number, (_, words, data)) in commands.iter().enumerate() {
        let at = bytes.len();
        bytes.push(*words as u8);
        bytes.resize(at + 1 + 2 * words, 0);
        bytes.extend((data.len() as u16).to_le_bytes());
        bytes.extend(data);
        let behind = bytes.len() as u16;
        if *words >= 2 {
            let next = commands.get(number + 1).map_or(0xFF, |command| command.0);
            bytes[at + 1] = next;
            bytes[at + 3..at + 5].copy_from_slice(&behind.to_le_bytes());
        }
    }
    let length = bytes.len() as u32;
    [&length.to_be_bytes()[..], &bytes].concat()
}

fn read_answer(length: usize) -> Command {
    (smb1::READ_ANDX, 12, contents(length))
}

fn write(data: Vec<u8>) -> Command {
    (smb1::WRITE_ANDX, 14, data)
}

fn log_on() -> Command {
    (smb1::SESSION_SETUP_ANDX, 12, vec![0x41; 200])
}

fn locks() -> Command {
    (LOCKING_ANDX, 8, vec![0; 10])
}

#[test]
fn content_counts_in_every_command_of_a_chain() {
    on("content_counts_in_every_command_of_a_chain", &Setup::default(), |twin| {
        let opened = (OPEN_ANDX, 15, vec![]);
        let created = (smb1::NT_CREATE_ANDX, 34, vec![]);
        let named = (OPEN_ANDX, 15, vec![b'n'; 200]);
        let close = (CLOSE, 3, vec![]);
        let core_read = (READ, 5, contents(100));
        let rows = [
            ("a read behind an open", REPLY, vec![opened.clone(), read_answer(300)], true),
            ("a read behind a create", REPLY, vec![created.clone(), read_answer(300)], true),
            ("a core read behind an open", REPLY, vec![opened.clone(), core_read], true),
            ("a write behind a lock", REQUEST, vec![locks(), write(contents(300))], true),
            ("a write behind an open with a long name", REQUEST, vec![named, write(contents(300))], true),
            ("a third command", REPLY, vec![locks(), opened.clone(), read_answer(300)], true),
            ("a request to read", REQUEST, vec![opened, (smb1::READ_ANDX, 10, vec![])], false),
            ("a close behind a lock", REQUEST, vec![locks(), close.clone()], false),
            ("a close behind a write", REQUEST, vec![write(contents(300)), close], true),
        ];
        let mut wrong = Vec::new();
        for hook in HOOKS {
            for (name, reply, commands, carries) in &rows {
                let message = chain(*reply, commands);
                let stream = Stream::of(&[(message, false)]);
                let side = if *reply { Remote } else { Local };
                // The header of the message alone may lie in a segment before.
                for cut in [0, 3, 9, 20, 36] {
                    let passage = Passage { side, ..USUAL };
                    let reported = passage.send(twin, hook, &stream.bytes, &stream.cut(&[cut]));
                    let expected = Content { left: *carries && !reply, came: *carries && *reply };
                    let bytes: Vec<u8> = reported.bytes.values().copied().collect();
                    let leaks = bytes.windows(SECRET.len()).any(|window| window == SECRET);
                    if reported.content != expected || leaks || reported.unfollowed != Unfollowed::default() {
                        wrong.push(format!(
                            "{name} at {hook:?} cut at {cut}: {:?}, {leaks}, {:?}",
                            reported.content, reported.unfollowed
                        ));
                    }
                }
            }
        }
        wrong
    });
}

#[test]
fn evidence_behind_the_first_command_of_a_chain_is_reported() {
    on("evidence_behind_the_first_command_of_a_chain_is_reported", &Setup::default(), |twin| {
        let share = || (smb1::TREE_CONNECT_ANDX, 4, vec![0x42; 60]);
        let rows = [
            ("a log-on behind a lock", vec![locks(), log_on()]),
            ("a share behind a log-on behind a lock", vec![locks(), log_on(), share()]),
            ("a bind behind a lock", vec![locks(), write(pdu(rpc::BIND, 72))]),
            ("a share behind a log-on", vec![log_on(), share()]),
        ];
        let mut wrong = Vec::new();
        for hook in HOOKS {
            for (name, commands) in &rows {
                let message = chain(REQUEST, commands);
                let stream = Stream::of(&[(message, true)]);
                // Of a chain that begins with a log-on every segment is reported.
                let cut: &[usize] = if commands[0].0 == LOCKING_ANDX { &[0] } else { &[0, 120] };
                for cut in cut {
                    let reported = USUAL.send(twin, hook, &stream.bytes, &stream.cut(&[*cut]));
                    let judged = stream.judge(&reported.bytes, &[]);
                    if judged.is_err() || reported.unfollowed != Unfollowed::default() {
                        wrong.push(format!("{name} at {hook:?}: {judged:?}, {:?}", reported.unfollowed));
                    }
                }
            }
            // What cannot be read without file content, or lies in another segment, is counted.
            let behind_content = Stream::of(&[(chain(REQUEST, &[write(contents(300)), log_on()]), false)]);
            let far = Stream::of(&[(chain(REQUEST, &[(OPEN_ANDX, 15, vec![b'n'; 500]), log_on()]), false)]);
            for (stream, cut) in [(&behind_content, 0), (&far, 200)] {
                let reported = USUAL.send(twin, hook, &stream.bytes, &stream.cut(&[cut]));
                let judged = stream.judge(&reported.bytes, &[]);
                if judged.is_err() || reported.counted != 1 || !reported.unfollowed.messages {
                    wrong.push(format!("{hook:?}: {judged:?}, {} counted", reported.counted));
                }
            }
        }
        wrong
    });
}
