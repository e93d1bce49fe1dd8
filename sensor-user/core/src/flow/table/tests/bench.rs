//! A table and its input, for tests.

use std::{net::SocketAddr, time::Duration};

use sensor_common::{
    payload::PieceKind,
    slot::{RecordKind, Side, mark, tcp},
};
use sensor_dissect::FingerprintKey;
use sensor_dissect::stream::Checksum;

use super::super::{Change, FlowEntry, FlowTable, FlowTableOptions};
use crate::{
    address::FiveTuple,
    process::NoProcesses,
    record::{Counts, Observation, Piece, fixtures::observed},
    service::ServicePorts,
    time::{Moment, TickClock, Timestamp},
    view::FlowView,
};

pub(super) const CLOCK: TickClock = TickClock::with_tick(4_000_000);

pub(super) const SYN: [u8; 2] = [tcp::SYN, 0];
pub(super) const OPEN: [u8; 2] = [tcp::SYN | tcp::ACK, tcp::SYN | tcp::ACK];
pub(super) const RESET: [u8; 2] = [tcp::SYN | tcp::ACK, tcp::SYN | tcp::ACK | tcp::RST];
pub(super) const FINISHED: [u8; 2] = [tcp::SYN | tcp::ACK | tcp::FIN; 2];

pub(super) fn at(seconds: i64) -> Moment {
    Moment { at: Timestamp::from_unix_seconds(seconds), ticks: (seconds * 250) as u32 }
}

/// A slot of a connection from inside to port 445 that began with a SYN in the second 1.
pub(super) fn seen(tcp_flags: [u8; 2], packets: [u64; 2], now: Moment) -> Observation {
    Observation {
        marks: mark::FIRST_FROM_LOCAL | mark::OPENED_BY_SYN,
        tcp_flags,
        counts: Counts { packets, bytes: packets.map(|n| n * 60), ..Counts::default() },
        first: now.ticks.min(at(1).ticks),
        last: now.ticks,
        ..observed("8.8.4.4:445")
    }
}

/// The same, with a slot that began now.
pub(super) fn started(tcp_flags: [u8; 2], packets: [u64; 2], now: Moment) -> Observation {
    Observation { first: now.ticks, ..seen(tcp_flags, packets, now) }
}

pub(super) fn with_generation(generation: u32, seen: Observation) -> Observation {
    Observation { generation, ..seen }
}

pub(super) fn with_payload(payload: [u64; 2], mut seen: Observation) -> Observation {
    seen.counts.payload = payload;
    seen
}

pub(super) fn with_marks(marks: u16, seen: Observation) -> Observation {
    Observation { marks: seen.marks | marks, ..seen }
}

/// The same between other ports.
pub(super) fn from_port(port: u16, mut seen: Observation) -> Observation {
    let local = &mut seen.id.tuple.local;
    *local = SocketAddr::new(local.ip(), port);
    seen
}

/// A change, abbreviated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    Updated,
    Closed,
    Removed,
}

pub(super) struct Bench {
    pub(super) table: FlowTable<u32>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_capacity(4)
    }

    pub(super) fn with_capacity(capacity: usize) -> Self {
        let table = FlowTable::new(FlowTableOptions {
            services: ServicePorts::default(),
            clock: CLOCK,
            attempt_settle: Duration::from_secs(3),
            flow_idle: Duration::from_secs(1_800),
            capacity,
            fingerprint_key: FingerprintKey::new([1; 32]),
        });
        Self { table }
    }

    pub(super) fn changes(
        &mut self,
        kind: Option<RecordKind>,
        seen: &Observation,
        now: Moment,
    ) -> Vec<Change<u32>> {
        let mut changes = Vec::new();
        self.table.observe(kind, seen, now, &mut NoProcesses, &mut changes);
        changes
    }

    pub(super) fn observe(&mut self, kind: Option<RecordKind>, seen: &Observation, now: Moment) -> Vec<Did> {
        short(&self.changes(kind, seen, now))
    }

    pub(super) fn opened(&mut self, seen: &Observation, now: Moment) -> Vec<Did> {
        self.observe(Some(RecordKind::Opened), seen, now)
    }

    pub(super) fn swept(&mut self, seen: &Observation, now: Moment) -> Vec<Did> {
        self.observe(None, seen, now)
    }

    pub(super) fn advance(&mut self, now: Moment) -> Vec<Did> {
        let mut changes = Vec::new();
        self.table.advance(now.at, &mut changes);
        short(&changes)
    }

    pub(super) fn piece(&mut self, piece: &Piece<'_>, now: Moment) -> Vec<Did> {
        let mut changes = Vec::new();
        self.table.payload(piece, now, &mut changes);
        short(&changes)
    }

    /// A message of the connection of [`seen`], whole in one segment.
    pub(super) fn message(&mut self, side: Side, sequence: u32, bytes: &[u8], now: Moment) -> Vec<Did> {
        let id = observed("8.8.4.4:445").id;
        let wanted = bytes.len() as u32;
        let kind = PieceKind::Message;
        self.piece(
            &Piece { id, side, kind, sequence, wanted, at: now.ticks, bytes, checksum: Checksum::Unknown },
            now,
        )
    }

    pub(super) fn drain(&mut self) -> Vec<FlowEntry<u32>> {
        let mut changes = Vec::new();
        self.table.drain(&mut changes);
        let removed = |change| match change {
            Change::Removed(entry) => *entry,
            other => panic!("{other:?}"),
        };
        changes.into_iter().map(removed).collect()
    }

    pub(super) fn entry(&self) -> &FlowEntry<u32> {
        self.table.entry(&tuple()).unwrap()
    }

    pub(super) fn entry_mut(&mut self) -> &mut FlowEntry<u32> {
        self.table.entry_mut(&tuple()).unwrap()
    }

    /// The connection of [`seen`].
    pub(super) fn view(&self) -> FlowView<'_> {
        self.entry().view(&ServicePorts::default()).unwrap()
    }
}

pub(super) fn tuple() -> FiveTuple {
    observed("8.8.4.4:445").id.tuple
}

pub(super) fn short(changes: &[Change<u32>]) -> Vec<Did> {
    let short = |change: &Change<u32>| match change {
        Change::Updated(_) => Did::Updated,
        Change::Closed(_) => Did::Closed,
        Change::Removed(_) => Did::Removed,
    };
    changes.iter().map(short).collect()
}

/// An SMB 2 message (MS-SMB2 2.2.1.2) behind its session header.
pub(super) fn smb2(command: u16, status: Option<u32>, message: u64, body: &[u8]) -> Vec<u8> {
    let mut header = [0; 64];
    header[..6].copy_from_slice(b"\xFESMB\x40\0");
    header[8..12].copy_from_slice(&status.unwrap_or_default().to_le_bytes());
    header[12..14].copy_from_slice(&command.to_le_bytes());
    header[16..20].copy_from_slice(&u32::from(status.is_some()).to_le_bytes());
    header[24..32].copy_from_slice(&message.to_le_bytes());
    let length = (header.len() + body.len()) as u32;
    [&length.to_be_bytes()[..], &header, body].concat()
}

pub(super) const NEGOTIATE: u16 = 0;
pub(super) const SESSION_SETUP: u16 = 1;
pub(super) const LOGON_FAILURE: u32 = 0xC000_006D;

/// A SESSION_SETUP request with the NTLM response of a user.
pub(super) fn logon(user: &str, message: u64) -> Vec<u8> {
    let mut blob = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let (response_at, user_at) = (72, 72 + 24);
    let fields = [(0, response_at), (24, response_at), (0, user_at), (user.len(), user_at), (0, user_at)];
    for (length, offset) in fields.into_iter().chain([(0, user_at)]) {
        let length = (length as u16).to_le_bytes();
        blob.extend([length, length].concat());
        blob.extend((offset as u32).to_le_bytes());
    }
    blob.resize(response_at, 0);
    blob.extend([7; 24]);
    blob.extend(user.as_bytes());
    let mut body = vec![25, 0, 0, 1];
    body.extend([0; 8]);
    body.extend(88u16.to_le_bytes());
    body.extend((blob.len() as u16).to_le_bytes());
    body.extend([0; 8]);
    body.extend(blob);
    smb2(SESSION_SETUP, None, message, &body)
}

/// Its answer.
pub(super) fn logon_answered(status: u32, message: u64) -> Vec<u8> {
    smb2(SESSION_SETUP, Some(status), message, &[9, 0, 0, 0, 72, 0, 0, 0])
}
