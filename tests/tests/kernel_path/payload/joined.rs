//! Messages cut at random: the reported pieces always join to the message, and contain nothing else.

use sensor_common::{evidence::MAX_MESSAGE_LEN, slot::Side::Local};
use sensor_tests::{HOOKS, Setup, Xorshift, pieces};

use super::{
    ENDS, begin_anew,
    message::{REQUEST, contents, of_smb2, smb2},
    segment,
};
use crate::expect::on;

const ROUNDS: usize = 400;

/// Cuts `stream` into segments of random lengths, the first long enough to be recognised.
fn cut(random: &mut Xorshift, length: usize) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < length {
        let most = if random.below(3) == 0 { 20 } else { 1_300 };
        let part = (1 + random.below(most)).max(if at == 0 { 28 } else { 1 }).min(length - at);
        parts.push((at, at + part));
        at += part;
    }
    parts
}

#[test]
fn pieces_of_a_randomly_cut_message_join_to_it() {
    let test = "pieces_of_a_randomly_cut_message_join_to_it";
    on(test, &Setup::default(), |twin| {
        let mut random = Xorshift(0x5EED_0139);
        for round in 0..ROUNDS {
            let most = if random.below(4) == 0 { 12_000 } else { 900 };
            let length = 68 + random.below(most);
            let message = of_smb2(smb2::SESSION_SETUP, REQUEST, length);
            let stream = [&message[..], &contents(300)].concat();
            let start = (random.next() as u32).max(1);
            let mut parts = cut(&mut random, length);
            // The last segment may have bytes of the next message; others overlap, repeat, or come in another order.
            if let Some(last) = parts.last_mut() {
                last.1 += random.below(300);
            }
            for _ in 0..random.below(4) {
                let (from, to) = parts[random.below(parts.len())];
                parts.push((from, (to + random.below(200)).min(length)));
            }
            for at in (2..parts.len()).rev() {
                parts.swap(at, 1 + random.below(at));
            }

            // Bytes after the wanted ones end the range, so they come last.
            let wanted = length.min(MAX_MESSAGE_LEN as usize);
            parts.sort_by_key(|(from, _)| *from >= wanted);

            let hook = HOOKS[round % 3];
            begin_anew(twin, hook);
            let mut joined = vec![None; wanted];
            for (from, to) in &parts {
                let sequence = start.wrapping_add(*from as u32);
                let frame = segment(ENDS, Local, sequence, &stream[*from..*to]).build();
                let effect = twin.run(hook, &frame).unwrap();
                for piece in pieces(&effect.records).unwrap() {
                    let at = piece.sequence.wrapping_sub(start) as usize;
                    for (place, byte) in joined[at..].iter_mut().zip(piece.bytes) {
                        *place = Some(*byte);
                    }
                    assert!(at + piece.bytes.len() <= wanted, "round {round}: more than wanted was reported");
                }
            }
            let joined: Option<Vec<u8>> = joined.into_iter().collect();
            assert_eq!(joined.as_deref(), Some(&message[..wanted]), "round {round}: {parts:?}");
        }
        vec![]
    });
}
