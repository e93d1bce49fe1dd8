//! Random changes to valid frames.

use std::ops::Range;

use crate::random::Xorshift;

/// Interesting bytes: protocol numbers, parts of EtherTypes and ports, edges.
const TELLING: [u8; 28] = [
    0, 1, 4, 5, 6, 8, 10, 17, 41, 43, 44, 47, 51, 60, 0x12, 0x21, 0x45, 0x57, 0x58, 0x60, 0x64, 0x65, 0x81,
    0x86, 0xBD, 0xDD, 0xFE, 0xFF,
];

/// Leading bytes with the headers: most changes go there.
const HEADERS: usize = 110;

/// Shortest frame: an Ethernet header.
const SHORTEST: usize = 14;

/// One to three changes: bits and bytes, a cut, bytes more or fewer, a false length.
#[must_use]
pub fn mutate(random: &mut Xorshift, frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for _ in 0..1 + random.below(3) {
        let reach = if random.one_in(4) { frame.len() } else { frame.len().min(HEADERS) };
        let at = random.below(reach).max(if random.one_in(8) { 0 } else { 12.min(frame.len() - 1) });
        match random.below(7) {
            0 => frame[at] ^= 1 << random.below(8),
            1 => frame[at] = random.next() as u8,
            2 => frame[at] = random.pick(&TELLING),
            3 => frame.truncate(SHORTEST + random.below(frame.len() - SHORTEST + 1)),
            4 => {
                let run: Vec<u8> = frame[run(random, &frame, at)].to_vec();
                frame.splice(at..at, run);
            }
            5 => {
                let run = run(random, &frame, at);
                if frame.len() - run.len() >= SHORTEST {
                    frame.drain(run);
                }
            }
            _ => lie(random, &mut frame, at),
        }
    }
    frame
}

fn run(random: &mut Xorshift, frame: &[u8], at: usize) -> Range<usize> {
    at..(at + 1 + random.below(8)).min(frame.len())
}

/// Writes a plausible false length: an edge value, or about the number of remaining bytes.
fn lie(random: &mut Xorshift, frame: &mut [u8], at: usize) {
    let left = (frame.len() - at) as u16;
    let about = left.wrapping_add(random.below(9) as u16).wrapping_sub(4);
    let lengths = [0, 1, 7, 8, 19, 20, 28, 40, 0xFFFF, about, random.next() as u16];
    let value = random.pick(&lengths).to_be_bytes();
    if let Some(place) = frame.get_mut(at..at + 2) {
        place.copy_from_slice(&value);
    }
}
