//! Messages that begin anywhere in a segment: each wanted one is reported whole, and nothing of any other.
//!
//! The expectations describe the stream, so they do not depend on how the kernel program finds messages.

mod andx;
mod compound;

use std::{collections::BTreeMap, ops::Range};

use sensor_common::{
    counter::Counter,
    payload::PieceKind,
    slot::Side::{self, Local, Remote},
    slot::tcp,
};
use sensor_core::record::{Content, Unfollowed, observation};
use sensor_tests::{HOOKS, Setup, Twin, Xorshift, flows, pieces};

use super::{
    ENDS, SECRET, begin_anew,
    message::{REPLY, REQUEST, contents, of_smb2, session_message, smb2, smb2_header, smb2_with},
    segment,
};
use crate::expect::on;

/// MS-SMB2 2.2.1.2.
const ECHO: u8 = 13;

/// Bytes of a message in which its header lies and never anything of a file.
const HEADER: usize = 116;

/// A message on the wire, and whether it is evidence.
type Said = (Vec<u8>, bool);

fn keep_alive() -> Said {
    (vec![0x85, 0, 0, 0], false)
}

fn echo() -> Said {
    (of_smb2(ECHO, REQUEST, 72), false)
}

fn log_on(length: usize) -> Said {
    (of_smb2(smb2::SESSION_SETUP, REQUEST, length), true)
}

fn tree() -> Said {
    (of_smb2(smb2::TREE_CONNECT, REQUEST, 150), true)
}

fn write(length: usize) -> Said {
    (smb2_with(smb2::WRITE, REQUEST, HEADER, &contents(length)), false)
}

/// The server's message of the same kind: the answer, or to a write as much content that is read.
fn answer((message, wanted): &Said) -> Said {
    let mut answer = message.clone();
    match message.get(16) {
        // A keep-alive.
        None => {}
        Some(&smb2::WRITE) => answer = smb2_with(smb2::READ, REPLY, 84, &message[HEADER..]),
        Some(_) => answer[20] |= 1,
    }
    (answer, *wanted)
}

/// A file that holds what looks like messages, one in each `step` bytes.
fn write_of_messages(step: usize) -> Said {
    let inner =
        [session_message(&smb2_header(smb2::SESSION_SETUP, REQUEST), step - SECRET.len()), SECRET.to_vec()];
    (smb2_with(smb2::WRITE, REQUEST, HEADER, &inner.concat().repeat(8)), false)
}

/// A stream of one side.
struct Stream {
    bytes: Vec<u8>,
    /// Where its messages lie, and whether they are evidence.
    said: Vec<(Range<usize>, bool)>,
}

impl Stream {
    fn of(messages: &[Said]) -> Self {
        let (mut bytes, mut said) = (Vec::new(), Vec::new());
        for (message, wanted) in messages {
            said.push((bytes.len()..bytes.len() + message.len(), *wanted));
            bytes.extend(message);
        }
        Self { bytes, said }
    }

    /// Where message `number` begins.
    fn start(&self, number: usize) -> usize {
        self.said[number].0.start
    }

    fn end(&self) -> usize {
        self.bytes.len()
    }

    /// All of it in segments that end at these places.
    fn cut(&self, places: &[usize]) -> Vec<Range<usize>> {
        let ends = places.iter().copied().chain([self.end()]);
        ends.scan(0, |from, to| Some(std::mem::replace(from, to)..to))
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// What is wrong with what was reported of it; of messages in `but` nothing need be reported.
    fn judge(&self, reported: &BTreeMap<usize, u8>, but: &[usize]) -> Result<(), String> {
        for (number, (place, wanted)) in self.said.iter().enumerate() {
            let heard: Vec<usize> = reported.range(place.clone()).map(|(at, _)| *at).collect();
            if *wanted && !but.contains(&number) && heard.len() != place.len() {
                return Err(format!("of message {number}, {place:?}, {} bytes were reported", heard.len()));
            }
            if !wanted && heard.iter().any(|at| *at >= place.start + HEADER) {
                return Err(format!("content of message {number} was reported"));
            }
        }
        let other = reported.iter().find(|(at, byte)| self.bytes.get(**at) != Some(*byte));
        other.map_or(Ok(()), |(at, _)| Err(format!("the byte at {at} is another one")))
    }
}

/// How segments go past.
struct Passage {
    /// Sequence number of the first byte.
    start: u32,
    /// Its SYN is seen.
    from_the_start: bool,
    /// Who sends.
    side: Side,
}

const USUAL: Passage = Passage { start: 1_000, from_the_start: true, side: Local };

/// What came of it.
struct Reported {
    bytes: BTreeMap<usize, u8>,
    unfollowed: Unfollowed,
    content: Content,
    counted: u64,
    /// Bytes of messages that were not looked at, modulo 2^16, where the slot tells.
    passed_over: u16,
}

impl Passage {
    /// Sends these parts of a stream in their order.
    fn send(
        &self,
        twin: &mut Twin,
        hook: sensor_common::slot::Hook,
        stream: &[u8],
        parts: &[Range<usize>],
    ) -> Reported {
        begin_anew(twin, hook);
        let mut reported = Reported {
            bytes: BTreeMap::new(),
            unfollowed: Unfollowed::default(),
            content: Content::default(),
            counted: 0,
            passed_over: 0,
        };
        let syn =
            segment(ENDS, self.side, self.start.wrapping_sub(1), &[]).modified(|frame| frame.flags(tcp::SYN));
        let segments = parts.iter().map(|part| {
            let sequence = self.start.wrapping_add(part.start as u32);
            segment(ENDS, self.side, sequence, &stream[part.clone()]).build()
        });
        let mut frames: Vec<Vec<u8>> = segments.collect();
        if self.from_the_start {
            frames.insert(0, syn.build());
        }
        for frame in &frames {
            let effect = twin.run(hook, frame).unwrap();
            reported.counted += effect.counted.get(Counter::Unfollowed);
            for piece in pieces(&effect.records).unwrap() {
                if piece.kind == PieceKind::Datagram {
                    continue;
                }
                let at = piece.sequence.wrapping_sub(self.start) as usize;
                reported
                    .bytes
                    .extend(piece.bytes.iter().enumerate().map(|(offset, byte)| (at + offset, *byte)));
            }
        }
        // The slot says what no record does.
        for slot in twin.changed_slots() {
            let seen = observation(&slot).unwrap();
            (reported.unfollowed, reported.content) = (seen.unfollowed, seen.content);
            let followed = seen.followed.unwrap();
            let progress = followed.sides[self.side as usize];
            let long =
                progress.reached.zip(progress.first).map(|(reached, first)| reached.wrapping_sub(first));
            reported.passed_over = long.map_or(0, |long| (long as u16).wrapping_sub(followed.looked_at));
        }
        reported
    }
}

/// A name, how the segments go past, the stream, its segments, and messages of which nothing need be reported.
type Row = (String, Passage, Stream, Vec<Range<usize>>, Vec<usize>);

fn row(name: impl Into<String>, messages: &[Said], cut: impl Fn(&Stream) -> Vec<Range<usize>>) -> Row {
    let stream = Stream::of(messages);
    let parts = cut(&stream);
    (name.into(), USUAL, stream, parts, vec![])
}

/// A row for each side: the client's messages, and the answers of the server.
fn of_both_sides(name: &str, messages: &[Said], cut: impl Fn(&Stream) -> Vec<Range<usize>>) -> [Row; 2] {
    let answers: Vec<Said> = messages.iter().map(answer).collect();
    let (answered, _, stream, parts, but) = row(format!("{name}, of the server"), &answers, &cut);
    let of_server = (answered, Passage { side: Remote, ..USUAL }, stream, parts, but);
    [row(name, messages, cut), of_server]
}

/// Plays the rows at every hook; all of what is wanted is to be reported, and everything to be followed.
fn all_are_reported(test: &str, rows: impl Fn() -> Vec<Row> + Send + Sync + 'static) {
    on(test, &Setup::default(), move |twin| {
        let mut wrong = Vec::new();
        for hook in HOOKS {
            for (name, passage, stream, parts, but) in rows() {
                let reported = passage.send(twin, hook, &stream.bytes, &parts);
                if let Err(how) = stream.judge(&reported.bytes, &but) {
                    wrong.push(format!("{name} at {hook:?}: {how}"));
                } else if reported.unfollowed != Unfollowed::default() {
                    wrong.push(format!("{name} at {hook:?}: {:?}", reported.unfollowed));
                } else if reported.passed_over != 0 {
                    wrong.push(format!("{name} at {hook:?}: {} bytes passed over", reported.passed_over));
                }
            }
        }
        wrong
    });
}

#[test]
fn messages_are_reported_wherever_in_a_segment_they_begin() {
    all_are_reported("messages_are_reported_wherever_in_a_segment_they_begin", || {
        let whole = |stream: &Stream| stream.cut(&[]);
        let five = [log_on(120), tree(), echo(), log_on(200), tree()];
        let large = [write(1 << 16), log_on(300), tree(), write(1 << 16), log_on(200)];
        let full = |stream: &Stream| stream.cut(&(1_400..stream.end()).step_by(1_400).collect::<Vec<_>>());
        let mut rows = vec![
            row("behind a keep-alive", &[keep_alive(), log_on(300)], whole),
            row("behind an ECHO", &[echo(), log_on(300)], whole),
            row("two", &[log_on(300), tree()], whole),
            row("five", &five, whole),
            row("behind a write", &[write(2_000), log_on(300), write(100)], |stream| {
                stream.cut(&[700, 1_400, stream.start(1) + 100])
            }),
            row("behind a write that fills its segments", &[write(1_284), log_on(300)], |stream| {
                stream.cut(&[700, 1_400])
            }),
            row("behind the end of another", &[log_on(300), tree(), log_on(300)], |stream| {
                stream.cut(&[200, stream.start(1) + 60, stream.start(2) + 30])
            }),
            row("behind an empty message", &[(vec![0; 4], false), log_on(300)], whole),
        ];
        rows.extend(of_both_sides("behind large content in full segments", &large, full));
        rows
    });
}

#[test]
fn a_header_may_be_split_anywhere() {
    all_are_reported("a_header_may_be_split_anywhere", || {
        let mut rows = Vec::new();
        for at in 1..40 {
            let cut = move |stream: &Stream| stream.cut(&[at]);
            rows.extend(of_both_sides(&format!("after {at} bytes"), &[log_on(300)], cut));
            let behind = move |stream: &Stream| stream.cut(&[stream.start(1) + at]);
            rows.extend(of_both_sides(
                &format!("after {at} bytes, behind an ECHO"),
                &[echo(), log_on(300), tree()],
                behind,
            ));
            let alone = move |stream: &Stream| stream.cut(&[stream.start(1), stream.start(1) + at]);
            rows.extend(of_both_sides(
                &format!("after {at} bytes, behind content"),
                &[write(400), log_on(300), tree()],
                alone,
            ));
        }
        let bytes = |stream: &Stream| stream.cut(&(1..40).map(|at| stream.start(1) + at).collect::<Vec<_>>());
        rows.extend(of_both_sides("a byte at a time", &[echo(), log_on(300), tree()], bytes));
        let headers = [log_on(300), write(600), tree(), write(50), log_on(200)];
        rows.extend(of_both_sides("each header by itself", &headers, |stream| {
            let places = stream.said.iter().flat_map(|(place, _)| [place.start, place.start + 4]);
            stream.cut(&places.collect::<Vec<_>>())
        }));
        rows
    });
}

#[test]
fn segments_that_come_again_or_in_another_order_lose_nothing() {
    all_are_reported("segments_that_come_again_or_in_another_order_lose_nothing", || {
        let messages = [echo(), log_on(300), keep_alive(), tree(), write(500), log_on(200)];
        let each = |stream: &Stream| stream.cut(&[40, stream.start(1) + 2, 300, 420, 700, 1_000]);
        let again = move |stream: &Stream| {
            let parts = each(stream);
            parts.iter().flat_map(|part| [part.clone(), part.clone()]).collect()
        };
        let overlap = move |stream: &Stream| {
            each(stream).into_iter().map(|part| part.start.saturating_sub(30)..part.end).collect()
        };
        let swapped = |stream: &Stream| {
            let mut parts = stream.cut(&[stream.start(1), stream.start(2), stream.start(3)]);
            parts.swap(1, 2);
            parts
        };
        let rows = [
            of_both_sides("each twice", &messages, again),
            of_both_sides("overlapping", &messages, overlap),
            of_both_sides("swapped", &[tree(), log_on(300), tree(), log_on(200)], swapped),
        ];
        rows.into_iter().flatten().collect()
    });
}

#[test]
fn sequence_numbers_wrap_between_and_inside_messages() {
    all_are_reported("sequence_numbers_wrap_between_and_inside_messages", || {
        let messages = [echo(), log_on(300), tree()];
        [0, 1, 40, 72, 73, 76, 200, 372, 400]
            .map(|before| {
                let stream = Stream::of(&messages);
                let parts = stream.cut(&[75, 300]);
                let passage = Passage { start: 0_u32.wrapping_sub(before), from_the_start: true, ..USUAL };
                (format!("{before} bytes before"), passage, stream, parts, vec![])
            })
            .into()
    });
}

#[test]
fn the_place_is_found_again_where_a_segment_begins_with_a_message() {
    let test = "the_place_is_found_again_where_a_segment_begins_with_a_message";
    on(test, &Setup::default(), |twin| {
        let mut wrong = Vec::new();
        for hook in HOOKS {
            let messages = [log_on(300), tree(), write(400), tree(), keep_alive(), log_on(200)];
            let stream = Stream::of(&messages);
            let mut parts = stream.cut(&[stream.start(2) - 10, stream.start(2) + 90, stream.start(3)]);
            parts.remove(1);
            let lost = USUAL.send(twin, hook, &stream.bytes, &parts);
            if let Err(how) = stream.judge(&lost.bytes, &[1]) {
                wrong.push(format!("behind a loss at {hook:?}: {how}"));
            }
            if !lost.unfollowed.gap || lost.counted == 0 {
                wrong.push(format!("a loss at {hook:?} is not said: {:?}", lost.unfollowed));
            }
            let late = Passage { from_the_start: false, ..USUAL };
            let mut parts = stream.cut(&[200, stream.start(3)]);
            parts.remove(0);
            let joined = late.send(twin, hook, &stream.bytes, &parts);
            if let Err(how) = stream.judge(&joined.bytes, &[0, 1]) {
                wrong.push(format!("joined late at {hook:?}: {how}"));
            }
        }
        wrong
    });
}

#[test]
fn segments_before_the_one_that_begins_their_message_are_reported_during_the_set_up() {
    let test = "segments_before_the_one_that_begins_their_message_are_reported_during_the_set_up";
    on(test, &Setup::default(), |twin| {
        let mut wrong = Vec::new();
        for hook in HOOKS {
            let stream = Stream::of(&[log_on(200), log_on(300), tree(), write(400), tree()]);
            let at = |number, offset| stream.start(number) + offset;
            let cuts = [at(1, 0), at(1, 3), at(1, 90), at(1, 200), at(2, 0), at(3, 0), at(3, 120), at(4, 0)];
            let mut parts = stream.cut(&cuts);
            // The second log-on backwards; of the file, whose set-up is over, the second part first.
            parts[1..5].reverse();
            parts.swap(6, 7);
            let reported = USUAL.send(twin, hook, &stream.bytes, &parts);
            if let Err(how) = stream.judge(&reported.bytes, &[]) {
                wrong.push(format!("{hook:?}: {how}"));
            }
        }
        wrong
    });
}

#[test]
fn what_looks_like_a_message_inside_a_file_is_a_file() {
    all_are_reported("what_looks_like_a_message_inside_a_file_is_a_file", || {
        let in_step = |stream: &Stream| {
            let inner = stream.start(1) + HEADER;
            stream.cut(&(0..8).map(|number| inner + number * 200).collect::<Vec<_>>())
        };
        let twice = move |stream: &Stream| {
            in_step(stream).into_iter().flat_map(|part| [part.clone(), part]).collect()
        };
        let messages = [log_on(300), write_of_messages(200), log_on(300)];
        vec![row("in order", &messages, in_step), row("each twice", &messages, twice)]
    });
}

#[test]
fn more_messages_than_are_looked_at_are_counted_and_said() {
    let test = "more_messages_than_are_looked_at_are_counted_and_said";
    on(test, &Setup::default(), |twin| {
        for hook in HOOKS {
            let mut messages = vec![tree()];
            messages.extend(std::iter::repeat_with(keep_alive).take(40));
            messages.extend([log_on(300), tree()]);
            let stream = Stream::of(&messages);
            let parts = stream.cut(&[stream.start(42)]);
            let reported = USUAL.send(twin, hook, &stream.bytes, &parts);
            assert_eq!(stream.judge(&reported.bytes, &[41]), Ok(()), "{hook:?}");
            assert_eq!((reported.counted, reported.unfollowed.messages), (1, true), "{hook:?}");
        }
        vec![]
    });
}

#[test]
fn the_first_bytes_of_another_protocol_are_reported_once() {
    on("the_first_bytes_of_another_protocol_are_reported_once", &Setup::default(), |twin| {
        let request =
            [b"GET / HTTP/1.1\r\nHost: example\r\n\r\n".as_slice(), SECRET, SECRET, SECRET].concat();
        for hook in HOOKS {
            let reported = USUAL.send(
                twin,
                hook,
                &request.repeat(2),
                &[0..request.len(), request.len()..2 * request.len()],
            );
            let first: Vec<u8> = reported.bytes.into_values().collect();
            assert_eq!(first, request[..64], "{hook:?}");
            assert_eq!((reported.counted, reported.unfollowed), (0, Unfollowed::default()), "{hook:?}");
            let late = Passage { from_the_start: false, ..USUAL };
            assert!(
                late.send(twin, hook, &request, std::slice::from_ref(&(0..request.len()))).bytes.is_empty(),
                "{hook:?}"
            );
        }
        vec![]
    });
}

#[test]
fn marks_and_content_are_known_of_messages_inside_a_segment() {
    on("marks_and_content_are_known_of_messages_inside_a_segment", &Setup::default(), |twin| {
        for hook in HOOKS {
            begin_anew(twin, hook);
            let stream = Stream::of(&[keep_alive(), write(300)]);
            let syn = segment(ENDS, Local, 999, &[]).modified(|frame| frame.flags(tcp::SYN)).build();
            twin.run(hook, &syn).unwrap();
            let effect = twin.run(hook, &segment(ENDS, Local, 1_000, &stream.bytes).build()).unwrap();
            let last = flows(&effect.records).unwrap().last().copied().unwrap().1;
            assert!(last.content.left, "{hook:?}");
            assert_ne!(last.marks & sensor_common::slot::mark::SMB_FROM_LOCAL, 0, "{hook:?}");
        }
        vec![]
    });
}

#[test]
fn streams_cut_at_random_report_every_wanted_message() {
    on("streams_cut_at_random_report_every_wanted_message", &Setup::default(), |twin| {
        let mut random = Xorshift(0x5EED_0445);
        let mut wrong = Vec::new();
        for round in 0..600 {
            let side = if round % 2 == 0 { Local } else { Remote };
            let messages: Vec<Said> = (0..2 + random.below(8))
                .map(|_| match random.below(6) {
                    0 => keep_alive(),
                    1 => echo(),
                    2 => log_on(68 + random.below(900)),
                    3 => tree(),
                    4 => write(1 + random.below(3_000)),
                    _ => log_on(68 + random.below(60)),
                })
                .map(|message| if side == Local { message } else { answer(&message) })
                .collect();
            let stream = Stream::of(&messages);
            let (mut at, mut parts) = (0, Vec::new());
            while at < stream.end() {
                let most = [9, 60, 500][random.below(3)];
                let part = at..(at + 1 + random.below(most)).min(stream.end());
                at = part.end;
                if random.below(8) == 0 {
                    parts.push(part.start.saturating_sub(random.below(100))..part.end);
                }
                parts.push(part.clone());
                if random.below(8) == 0 {
                    parts.push(part);
                }
            }
            let passage = Passage { start: random.next() as u32, from_the_start: true, side };
            let reported = passage.send(twin, HOOKS[round % 3], &stream.bytes, &parts);
            if let Err(how) = stream.judge(&reported.bytes, &[]) {
                wrong.push(format!("round {round} of {side:?}, {:?} in {parts:?}: {how}", stream.said));
            }
            if wrong.len() > 3 {
                break;
            }
        }
        wrong
    });
}
