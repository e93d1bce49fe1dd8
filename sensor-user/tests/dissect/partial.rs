//! Connections of which only a part was captured.

use std::collections::HashMap;

use sensor_dissect::{
    Dissector, Facts, FingerprintKey, Framing, Sender, nbss,
    stream::{Piece, Stream},
};
use sensor_user::capture::{self, segment::segment};

use crate::corpus::{captures, connection};

/// The pieces of a capture's one connection, with their sender.
fn pieces(name: &str) -> Vec<(Sender, u32, Vec<u8>)> {
    let path = captures().into_iter().find(|path| path.file_stem().unwrap() == name).unwrap();
    let mut pieces = Vec::new();
    capture::frames(&path, |frame| {
        if let Some(segment) = segment(&frame).filter(|segment| !segment.payload.is_empty())
            && let Some(tcp) = segment.tcp
        {
            let from_server = segment.source.port() < segment.destination.port();
            let from = if from_server { Sender::Server } else { Sender::Client };
            pieces.push((from, tcp.sequence, segment.payload.to_vec()));
        }
    })
    .unwrap();
    pieces
}

/// The facts from only those pieces for which `there` is true.
fn facts_of(pieces: &[(Sender, u32, Vec<u8>)], there: impl Fn(usize, Sender) -> bool) -> Facts {
    let mut dissector = Dissector::new(FingerprintKey::new([1; 32]), Framing::NetBios);
    let mut sides: HashMap<Sender, Stream> = HashMap::new();
    for (_, (from, sequence, bytes)) in
        pieces.iter().enumerate().filter(|(place, piece)| there(*place, piece.0))
    {
        let side = sides.entry(*from).or_insert_with(|| Stream::new(Framing::NetBios));
        let piece = Piece {
            sequence: *sequence,
            bytes,
            missing: 0,
            starts_message: nbss::begins(bytes),
            ..Piece::default()
        };
        for joined in side.piece(piece) {
            dissector.message(*from, &joined.bytes);
        }
    }
    dissector.facts().clone()
}

#[test]
fn client_alone_attempts_and_is_granted_nothing() {
    for name in ["smb2_10", "smb1", "smallmss-xdp"] {
        let facts = facts_of(&pieces(name), |_, from| from == Sender::Client);
        assert!(facts.authentication_attempted() && !facts.session() && !facts.share(), "{name}");
        assert!(facts.shares.iter().all(|share| share.outcome.is_none()), "{name}");
    }
}

#[test]
fn server_alone_grants_sessions_and_shares_of_nobody() {
    for name in ["smb2_10", "smb1", "smallmss-xdp"] {
        let facts = facts_of(&pieces(name), |_, from| from == Sender::Server);
        assert!(facts.credentials.is_empty() && facts.session() && facts.share(), "{name}");
    }
}

#[test]
fn late_joiner_never_knows_more_than_the_whole() {
    for name in ["smb2_10", "smb1", "smb139", "rpc445", "smallmss-xdp", "mixed-neg"] {
        let (pieces, whole) = (pieces(name), connection(name).facts);
        for first in 0..pieces.len() {
            check(&facts_of(&pieces, |place, _| place >= first), &whole, name);
        }
        for lost in 0..pieces.len() {
            check(&facts_of(&pieces, |place, _| place != lost), &whole, name);
        }
    }
}

fn check(part: &Facts, whole: &Facts, name: &str) {
    assert!(part.sessions <= whole.sessions && part.trees <= whole.trees, "{name}");
    for share in &part.shares {
        assert!(whole.shares.iter().any(|known| known.path == share.path), "{name}: {share:?}");
    }
    // An incomplete response gives nothing but the attempt.
    for credential in part.credentials.iter().filter(|credential| credential.fingerprint.is_some()) {
        let known = whole.credentials.iter().find(|known| known.fingerprint == credential.fingerprint);
        let known = known.unwrap_or_else(|| panic!("{name}: {credential:?}"));
        assert!(
            credential.outcome.is_none() || credential.outcome == known.outcome,
            "{name}: {credential:?}"
        );
    }
    assert!(part.dialect.is_none() || part.dialect == whole.dialect, "{name}");
}

#[test]
fn repeats_change_nothing() {
    for name in ["smb2_10", "smb1", "smallmss-xdp", "mss536-xdp"] {
        let (pieces, whole) = (pieces(name), connection(name).facts);
        let twice: Vec<_> = pieces.iter().flat_map(|piece| [piece.clone(), piece.clone()]).collect();
        assert_eq!(facts_of(&twice, |_, _| true), whole, "{name}");
    }
}
