//! Connections from the pieces of the packet path alone: every captured frame goes through it, and its pieces of payload
//! must give the same facts as the whole capture.

use std::collections::BTreeMap;

use sensor_common::{
    headers::Link,
    path::Arrival,
    payload::{MAX_PIECE_LEN, PieceKind},
    slot::{Hook, Side},
};
use sensor_core::{
    address::FlowId,
    record::{self, Record},
    time::TickClock,
};
use sensor_dissect::{
    Dissector, Facts, FingerprintKey, Framing, Sender,
    stream::{Piece, Stream},
};
use sensor_user::{capture, config::Config, engine::host::HostEngine, plan};

use crate::corpus::{captures, connections};

fn engine() -> HostEngine {
    let plan = plan::load_plan(&Config::default(), TickClock::with_tick(1_000_000));
    let capacity = plan.capacity();
    HostEngine::new(plan.settings, plan.services, plan.prefixes, capacity)
}

/// The facts of each flow from its pieces. The client is the internal end in every capture.
fn facts_from_pieces(path: &std::path::Path) -> BTreeMap<FlowId, Facts> {
    let mut engine = engine();
    let mut flows: BTreeMap<FlowId, (Dissector, [Stream; 2])> = BTreeMap::new();
    capture::frames(path, |frame| {
        let arrival = Arrival {
            hook: Hook::XdpIngress,
            ifindex: 1,
            link: Link::Ethernet,
            frame_len: frame.bytes.len() as u32,
            vlan: 0,
        };
        engine.frame(frame.bytes, arrival);
        for record in engine.take_records() {
            let Record::Piece(piece) = record::record(&record).unwrap() else { continue };
            let framing = match piece.kind {
                PieceKind::Datagram | PieceKind::FirstPayload | PieceKind::QuicInitial => continue,
                PieceKind::Rpc => Framing::DceRpc,
                PieceKind::HttpHead => Framing::Http,
                PieceKind::Message | PieceKind::Continued | PieceKind::Chained => Framing::NetBios,
            };
            let (dissector, streams) = flows.entry(piece.id).or_insert_with(|| {
                let dissector = Dissector::new(FingerprintKey::new([1; 32]), framing);
                (dissector, [Stream::new(framing), Stream::new(framing)])
            });
            let from = if piece.side == Side::Local { Sender::Client } else { Sender::Server };
            let joined = streams[from as usize].piece(Piece {
                sequence: piece.sequence,
                bytes: piece.bytes,
                missing: 0,
                starts_message: piece.kind != PieceKind::Continued,
                checksum: piece.checksum,
                chained: if piece.kind == PieceKind::Chained { piece.wanted } else { 0 },
                last: piece.bytes.len() >= piece.wanted as usize || piece.bytes.len() == MAX_PIECE_LEN,
            });
            for message in joined {
                dissector.message(from, &message.bytes);
            }
        }
    })
    .unwrap();
    flows.into_iter().map(|(key, (dissector, _))| (key, dissector.facts().clone())).collect()
}

/// Without facts from messages that the path does not send.
fn comparable(facts: &Facts) -> Facts {
    Facts { signed: false, encrypted: false, compressed: false, ..facts.clone() }
}

#[test]
fn pieces_of_the_path_hold_the_facts_of_the_whole() {
    let mut compared = 0;
    for path in captures() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let facts_from_pieces = facts_from_pieces(&path);
        for recorded in connections(name) {
            let Some((_, facts)) = facts_from_pieces
                .iter()
                .find(|(id, _)| id.tuple.local == recorded.client && id.tuple.remote == recorded.server)
            else {
                // DCE-RPC on a port that the endpoint mapper named: it is not watched.
                assert!(!recorded.facts.smb_spoken(), "{name}: nothing was reported");
                continue;
            };
            compared += 1;
            assert_eq!(comparable(facts), comparable(&recorded.facts), "{name}");
        }
    }
    assert!(compared > 30, "{compared}");
}
