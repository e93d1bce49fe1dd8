//! Compounds of SMB 2 (MS-SMB2 3.2.4.1.4): each message is read as if it came by itself, and file content in any of them counts.

use std::ops::Range;

use sensor_common::slot::Side::{Local, Remote};
use sensor_core::record::{Content, Unfollowed};
use sensor_tests::{HOOKS, Setup, Xorshift};

use super::{
    super::message::{REPLY, pdu, rpc, smb2_header},
    ECHO, Passage, Said, Stream, USUAL, echo, log_on, tree, write,
};
use crate::{
    expect::on,
    payload::{
        SECRET,
        message::{REQUEST, contents, smb2, smb2_with},
    },
};

/// MS-SMB2 2.2.1.2.
const CREATE: u8 = 5;
const CLOSE: u8 = 6;

/// A message of a compound with its 64 bytes of header, and whether it is evidence.
type Part = Said;

fn header(command: u8, reply: bool, length: usize) -> Part {
    let mut bytes = smb2_header(command, reply);
    bytes.resize(length, 0x5A);
    (bytes, false)
}

fn without_session_header((message, wanted): Said) -> Part {
    (message[4..].to_vec(), wanted)
}

fn bind() -> Part {
    (smb2_with(smb2::WRITE, REQUEST, 116, &pdu(rpc::BIND, 72))[4..].to_vec(), true)
}

fn read_reply(length: usize) -> Part {
    (smb2_with(smb2::READ, REPLY, 84, &contents(length))[4..].to_vec(), false)
}

/// Messages in a compound, each but the last padded to eight bytes.
fn compound(parts: &[Part]) -> Stream {
    let (mut bytes, mut said) = (vec![0; 4], Vec::new());
    let mut begins = 0;
    for (number, (part, wanted)) in parts.iter().enumerate() {
        let at = bytes.len();
        bytes.extend(part);
        if number + 1 < parts.len() {
            bytes.resize(4 + (bytes.len() - 4).next_multiple_of(8), 0);
            let next = (bytes.len() - at) as u32;
            bytes[at + 20..at + 24].copy_from_slice(&next.to_le_bytes());
        }
        said.push((begins..bytes.len(), *wanted));
        begins = bytes.len();
    }
    let length = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Stream { bytes, said }
}

/// One after the other.
fn joined(streams: Vec<Stream>) -> Stream {
    let mut all = Stream::of(&[]);
    for Stream { bytes, said } in streams {
        let before = all.bytes.len();
        all.said.extend(
            said.into_iter().map(|(place, wanted)| (place.start + before..place.end + before, wanted)),
        );
        all.bytes.extend(bytes);
    }
    all
}

/// How a stream is cut into segments, and what goes wrong with it then.
type Cut = Vec<Range<usize>>;

/// All in one segment, and in two, cut at each place.
fn cuts(stream: &Stream) -> Vec<Cut> {
    (0..stream.end().min(700)).map(|at| stream.cut(&[at])).collect()
}

#[test]
fn content_counts_in_every_message_of_a_compound() {
    let small_file =
        || [header(CREATE, REQUEST, 140), without_session_header(write(300)), header(CLOSE, REQUEST, 88)];
    on("content_counts_in_every_message_of_a_compound", &Setup::default(), move |twin| {
        let mut wrong = Vec::new();
        let answers = [header(CREATE, REPLY, 152), read_reply(300), header(CLOSE, REPLY, 124)];
        let failed = |mut part: Part| {
            part.0[8..12].copy_from_slice(&0xC000_0022_u32.to_le_bytes());
            part
        };
        let refused = [header(CREATE, REPLY, 152), failed(read_reply(300)), header(CLOSE, REPLY, 124)];
        let queried = [header(CREATE, REQUEST, 140), header(16, REQUEST, 104), header(CLOSE, REQUEST, 88)];
        let rows = [
            ("a small file that is written", Local, compound(&small_file()), true),
            ("a small file that is read", Remote, compound(&answers), true),
            ("a file that must not be read", Remote, compound(&refused), false),
            ("a file that is asked about", Local, compound(&queried), false),
            ("a write that is last", Local, compound(&small_file()[..2]), true),
        ];
        for hook in HOOKS {
            for (name, side, stream, carries) in &rows {
                for parts in cuts(stream) {
                    let reported = Passage { side: *side, ..USUAL }.send(twin, hook, &stream.bytes, &parts);
                    let expected =
                        Content { left: *carries && *side == Local, came: *carries && *side == Remote };
                    if reported.content != expected || stream.judge(&reported.bytes, &[]).is_err() {
                        wrong.push(format!("{name} at {hook:?} in {parts:?}: {:?}", reported.content));
                        break;
                    }
                }
            }
        }
        wrong
    });
}

#[test]
fn evidence_behind_the_first_message_of_a_compound_is_reported() {
    on("evidence_behind_the_first_message_of_a_compound_is_reported", &Setup::default(), |twin| {
        let mut wrong = Vec::new();
        let echo = || without_session_header(echo());
        let logs_on = || without_session_header(log_on(300));
        let shares = || without_session_header(tree());
        let writes = || without_session_header(write(200));
        let rows = [
            ("a log-on behind an ECHO", compound(&[echo(), logs_on()])),
            ("a share behind a log-on", compound(&[logs_on(), shares()])),
            ("a share behind a write", compound(&[writes(), shares(), writes()])),
            ("a bind behind a CREATE", compound(&[header(CREATE, REQUEST, 120), bind()])),
            (
                "messages behind a compound",
                joined(vec![compound(&[echo(), logs_on(), echo()]), Stream::of(&[log_on(100), tree()])]),
            ),
            ("two compounds", joined(vec![compound(&[writes(), shares()]), compound(&[echo(), logs_on()])])),
        ];
        for hook in HOOKS {
            for (name, stream) in &rows {
                for parts in cuts(stream) {
                    // A bind is read only if the bytes that show it are in one segment.
                    let first = parts[0].end;
                    if name.contains("bind") && (236..239).contains(&first) {
                        continue;
                    }
                    let reported = USUAL.send(twin, hook, &stream.bytes, &parts);
                    let judged = stream.judge(&reported.bytes, &[]);
                    if judged.is_err() || reported.unfollowed != Unfollowed::default() {
                        wrong.push(format!(
                            "{name} at {hook:?} in {parts:?}: {judged:?}, {:?}",
                            reported.unfollowed
                        ));
                        break;
                    }
                }
            }
        }
        wrong
    });
}

#[test]
fn compound_that_comes_again_or_fills_a_gap_is_read() {
    on("compound_that_comes_again_or_fills_a_gap_is_read", &Setup::default(), |twin| {
        let logs_on = || without_session_header(log_on(300));
        let echo = || without_session_header(echo());
        let stream = joined(vec![
            Stream::of(&[tree()]),
            compound(&[echo(), logs_on(), echo()]),
            Stream::of(&[tree(), log_on(100)]),
        ]);
        let each = |cut: &[usize]| stream.cut(cut);
        let (first, behind) = (stream.start(1), stream.start(4));
        let twice = |parts: Cut| parts.into_iter().flat_map(|part| [part.clone(), part]).collect();
        let swapped = |mut parts: Cut| {
            parts.swap(1, 2);
            parts
        };
        let rows: [(&str, Cut); 4] = [
            ("each segment twice", twice(each(&[first, behind]))),
            ("each segment twice, the log-on in two", twice(each(&[first, first + 150, behind]))),
            (
                "a segment that begins with the compound twice",
                vec![0..first, first..first + 90, first..stream.end()],
            ),
            ("swapped", swapped(each(&[first, behind]))),
        ];
        let mut wrong = Vec::new();
        for hook in HOOKS {
            for (name, parts) in &rows {
                let reported = USUAL.send(twin, hook, &stream.bytes, parts);
                let judged = stream.judge(&reported.bytes, &[]);
                if judged.is_err() || reported.unfollowed != Unfollowed::default() {
                    wrong.push(format!("{name} at {hook:?}: {judged:?}, {:?}", reported.unfollowed));
                }
            }
        }
        wrong
    });
}

#[test]
fn messages_of_a_compound_beyond_the_limit_are_counted_and_said() {
    on("messages_of_a_compound_beyond_the_limit_are_counted_and_said", &Setup::default(), |twin| {
        let small = || header(ECHO, REQUEST, 64);
        let mut many: Vec<Part> = (0..15).map(|_| small()).collect();
        many.push(without_session_header(log_on(100)));
        let (within, beyond) =
            (compound(&many), compound(&[&std::array::from_fn::<_, 32, _>(|_| small())[..], &many].concat()));
        let mut broken = compound(&[small(), small(), small()]);
        let second = broken.start(1);
        broken.bytes[second + 1] = b'X';
        for hook in HOOKS {
            let whole = |stream: &Stream| std::iter::once(0..stream.end()).collect::<Vec<_>>();
            let send = |twin: &mut _, stream: &Stream| USUAL.send(twin, hook, &stream.bytes, &whole(stream));
            let reported = send(twin, &within);
            assert_eq!(within.judge(&reported.bytes, &[]), Ok(()), "{hook:?}");
            assert_eq!((reported.counted, reported.unfollowed.messages), (0, false), "{hook:?}");
            for stream in [&beyond, &broken] {
                let reported = send(twin, stream);
                assert_eq!((reported.counted, reported.unfollowed.messages), (1, true), "{hook:?}");
            }
        }
        vec![]
    });
}

#[test]
fn of_compounds_cut_at_random_all_that_is_wanted_is_reported() {
    on("of_compounds_cut_at_random_all_that_is_wanted_is_reported", &Setup::default(), |twin| {
        let mut random = Xorshift(0x5EED_C0DE);
        let mut wrong = Vec::new();
        for round in 0..600 {
            let part = |random: &mut Xorshift| match random.below(6) {
                0 => header(CREATE, REQUEST, 64 + random.below(200)),
                1 => without_session_header(log_on(92 + random.below(700))),
                2 => without_session_header(tree()),
                3 => without_session_header(write(1 + random.below(3_000))),
                4 => header(CLOSE, REQUEST, 88),
                _ => header(ECHO, REQUEST, 68),
            };
            let streams = (0..1 + random.below(4)).map(|_| {
                let parts: Vec<Part> = (0..1 + random.below(5)).map(|_| part(&mut random)).collect();
                compound(&parts)
            });
            let stream = joined(streams.collect());
            let (mut at, mut parts) = (0, Vec::new());
            while at < stream.end() {
                let most = [9, 60, 500, 1_400][random.below(4)];
                let part = at..(at + 1 + random.below(most)).min(stream.end());
                at = part.end;
                parts.push(part);
            }
            let passage = Passage { start: random.next() as u32, ..USUAL };
            let reported = passage.send(twin, HOOKS[round % 3], &stream.bytes, &parts);
            let leaks = reported.bytes.values().copied().collect::<Vec<u8>>();
            let leaks = leaks.windows(SECRET.len()).any(|bytes| bytes == SECRET);
            let judged = stream.judge(&reported.bytes, &[]);
            if judged.is_err() || leaks || reported.unfollowed != Unfollowed::default() {
                wrong.push(format!(
                    "round {round}, {:?} in {parts:?}: {judged:?}, {leaks}, {:?}",
                    stream.said, reported.unfollowed
                ));
            }
            if wrong.len() > 3 {
                break;
            }
        }
        wrong
    });
}
