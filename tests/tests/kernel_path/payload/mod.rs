//! Payload that is evidence: which messages are reported, and how much of them.

mod amounts;
mod budget;
mod carriers;
mod content;
mod first;
mod handover;
mod hidden;
mod http;
mod joined;
mod kinds;
pub(crate) mod message;
mod place;
mod split;
mod spread;
mod undecided;

use std::{net::SocketAddr, sync::Arc};

use sensor_common::{
    counter::Counter,
    payload::PieceKind,
    slot::{Hook, Side, TCP, UDP, tcp},
};
use sensor_core::{
    address::{FiveTuple, FlowId},
    record::Piece,
};
use sensor_tests::{Frame, HOOKS, Setup, TEST_RUN_IFINDEX, Twin, pieces};

use crate::expect::{CLIENT, SERVER, on};

/// A marker for file contents. A record that contains it is a fault.
pub(crate) const SECRET: &[u8] = b"<contents of a file>";

/// A connection: its internal and its external end.
pub(crate) type Ends = (&'static str, &'static str);

/// The connection of most fixtures.
pub(crate) const ENDS: Ends = (CLIENT, SERVER);

/// An expected piece: all of [`Piece`] except the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedPiece {
    id: FlowId,
    side: Side,
    kind: PieceKind,
    sequence: u32,
    wanted: u32,
    bytes: Vec<u8>,
}

impl ExpectedPiece {
    fn of(piece: &Piece<'_>) -> Self {
        let Piece { id, side, kind, sequence, wanted, bytes, .. } = *piece;
        Self { id, side, kind, sequence, wanted, bytes: bytes.to_vec() }
    }
}

/// A frame, and its expected report.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    frame: Vec<u8>,
    reported: Option<ExpectedPiece>,
}

/// Payload of a sender.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    id: FlowId,
    side: Side,
    sequence: u32,
    payload: Vec<u8>,
    frame: Frame,
}

/// A segment that `side` sends at this place of its stream.
pub(crate) fn segment(ends: Ends, side: Side, sequence: u32, payload: &[u8]) -> Sent {
    let (from, to) = if side == Side::Local { ends } else { (ends.1, ends.0) };
    let frame = Frame::tcp(from, to).flags(tcp::ACK).sequence(sequence).payload(payload);
    Sent { id: id(TCP, ends), side, sequence, payload: payload.to_vec(), frame }
}

/// A datagram that `side` sends.
pub(crate) fn datagram(ends: Ends, side: Side, payload: &[u8]) -> Sent {
    let (from, to) = if side == Side::Local { ends } else { (ends.1, ends.0) };
    let frame = Frame::udp(from, to).payload(payload);
    Sent { id: id(UDP, ends), side, sequence: 0, payload: payload.to_vec(), frame }
}

fn id(transport: u8, ends: Ends) -> FlowId {
    let end = |text: &str| text.parse::<SocketAddr>().unwrap();
    FlowId {
        tuple: FiveTuple { transport, local: end(ends.0), remote: end(ends.1) },
        ifindex: TEST_RUN_IFINDEX,
    }
}

impl Sent {
    /// The same payload in a modified frame.
    pub(crate) fn modified(mut self, bend: impl FnOnce(Frame) -> Frame) -> Self {
        self.frame = bend(self.frame);
        self
    }

    /// The bytes of its frame.
    pub(crate) fn build(&self) -> Vec<u8> {
        self.frame.build()
    }

    /// Nothing is reported of it.
    pub(crate) fn unreported(self) -> Step {
        Step { frame: self.build(), reported: None }
    }

    /// Its first `captured` bytes are reported as `kind`, of `wanted`.
    pub(crate) fn reported(self, kind: PieceKind, wanted: u32, captured: usize) -> Step {
        let reported = self.piece(kind, wanted, captured);
        Step { frame: self.build(), reported: Some(reported) }
    }

    /// All of it is reported as `kind`, and was wanted.
    pub(crate) fn reported_whole(self, kind: PieceKind) -> Step {
        let length = self.payload.len();
        self.reported(kind, length as u32, length)
    }

    fn piece(&self, kind: PieceKind, wanted: u32, captured: usize) -> ExpectedPiece {
        ExpectedPiece {
            id: self.id,
            side: self.side,
            kind,
            sequence: self.sequence,
            wanted,
            bytes: self.payload[..captured].to_vec(),
        }
    }
}

impl Step {
    /// The same in another frame.
    pub(crate) fn carried(self, frame: Vec<u8>) -> Self {
        Self { frame, ..self }
    }
}

/// A name that states the behaviour, and the frames of a connection in order.
pub(crate) type Course = (String, Vec<Step>);

/// A course of one frame.
pub(crate) fn alone(name: impl Into<String>, step: Step) -> Course {
    (name.into(), vec![step])
}

/// Plays each course to both engines at every hook, each time as a new flow, and reports all that differ. At XDP, also
/// to the program for kernels with linear frames.
pub(crate) fn follow(test: &str, setup: &Setup, courses: Vec<Course>) {
    assert!(!courses.is_empty(), "no course at all");
    let courses = Arc::new(courses);
    let in_one_piece = Setup { frags: false, ..setup.clone() };
    for (setup, hooks) in [(setup, &HOOKS[..]), (&in_one_piece, &[Hook::XdpIngress])] {
        let courses = Arc::clone(&courses);
        on(test, setup, move |twin| play_all(twin, hooks, &courses));
    }
}

/// Plays each course at these hooks, or at those whose frames BPF_PROG_TEST_RUN accepts; returns what went wrong.
fn play_all(twin: &mut Twin, hooks: &[Hook], courses: &[Course]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, steps) in courses {
        for hook in hooks {
            if !steps.iter().all(|step| twin.takes((*hook).into(), &step.frame)) {
                continue;
            }
            if let Err(how) = play(twin, *hook, steps) {
                wrong.push(format!("{name} at {hook:?}: {how}"));
                break;
            }
        }
    }
    wrong
}

/// Plays frames to both engines as a new flow.
fn play(twin: &mut Twin, hook: Hook, steps: &[Step]) -> Result<(), String> {
    begin_anew(twin, hook);
    for (number, step) in steps.iter().enumerate() {
        let effect = twin.run(hook, &step.frame).map_err(|error| format!("frame {number}: {error:#}"))?;
        let reported = pieces(&effect.records).map_err(|error| error.to_string())?;
        let reported: Vec<_> = reported.iter().map(ExpectedPiece::of).collect();
        if reported != step.reported.iter().cloned().collect::<Vec<_>>() {
            return Err(format!("frame {number}:\nexpected {:?}\ngot {reported:?}", step.reported));
        }
        if effect.counted.get(Counter::PayloadSent) != reported.len() as u64 {
            return Err(format!(
                "frame {number}: {} reported, counted {:?}",
                reported.len(),
                effect.changes()
            ));
        }
        let holds_secret = |record: &Vec<u8>| record.windows(SECRET.len()).any(|bytes| bytes == SECRET);
        if effect.records.iter().any(holds_secret) {
            return Err(format!("frame {number}: file contents were reported"));
        }
    }
    Ok(())
}

/// Lets a bystander take the only slot.
pub(crate) fn begin_anew(twin: &mut Twin, hook: Hook) {
    twin.run(hook, &Frame::udp("10.255.255.254:9", "9.9.9.9:137").build()).unwrap();
}
