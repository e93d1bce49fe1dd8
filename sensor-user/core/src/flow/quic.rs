//! SMB over QUIC: reassembles ClientHellos, and keeps the flows that the kernel program is to count.
//!
//! Takes Initial packets of clients. Bounded in number and time. Keeps nothing of a connection that does not offer SMB.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use sensor_common::{quic::MAX_FLOWS, slot::Side};
use sensor_dissect::quic::{ClientHello, ClientInitials, Reading};

use super::Flow;
use crate::{address::FiveTuple, level::EvidenceLevel, record::Piece, time::Timestamp};

/// Most ClientHellos that are being put together.
const MAX_UNFINISHED: usize = 1_024;

/// Most places in their order, those of finished ones included.
const MAX_ORDER: usize = 8 * MAX_UNFINISHED;

/// Time for the rest of one. A client sends an unanswered Initial again within seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client: its flow, and its side.
type Client = (FiveTuple, u8);

/// What came of Initial packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuicCounts {
    /// ClientHellos that were read.
    pub hellos: u64,
    /// ClientHellos that were given up before they were whole.
    pub given_up: u64,
    /// Connections with SMB whose packets are not counted, because too many are.
    pub uncounted: u64,
}

/// The ClientHellos that are being put together, and the flows that are counted.
#[derive(Debug, Default)]
pub(super) struct QuicReaders {
    unfinished: HashMap<Client, (Timestamp, ClientInitials)>,
    /// Clients by their first packet. Those that are finished stay until their turn comes.
    order: VecDeque<(Timestamp, Client)>,
    counts: QuicCounts,
    counted: BTreeSet<FiveTuple>,
    counted_changed: bool,
}

impl QuicReaders {
    /// Reads an Initial packet; gives the ClientHello that it completes.
    pub(super) fn read(&mut self, piece: &Piece<'_>, now: Timestamp) -> Option<ClientHello> {
        let client = (piece.id.tuple, piece.side as u8);
        let (since, mut initials) =
            self.unfinished.remove(&client).unwrap_or_else(|| (now, ClientInitials::default()));
        match initials.read(piece.bytes) {
            Reading::Hello(hello) => {
                self.counts.hellos += 1;
                return Some(hello);
            }
            Reading::Unfinished => self.keep(client, since, initials, now),
            Reading::Nothing => {}
        }
        None
    }

    fn keep(&mut self, client: Client, since: Timestamp, initials: ClientInitials, now: Timestamp) {
        if since == now {
            self.expire(now);
            while (self.unfinished.len() >= MAX_UNFINISHED || self.order.len() >= MAX_ORDER)
                && self.give_up_first()
            {}
            self.order.push_back((since, client));
        }
        self.unfinished.insert(client, (since, initials));
    }

    /// Gives up the ClientHellos whose rest did not come in time.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(since, _)| since.distance(now) >= PATIENCE) {
            self.give_up_first();
        }
    }

    /// Gives up the first client in the order, if it is not finished. Says whether there was one.
    fn give_up_first(&mut self) -> bool {
        let Some((since, client)) = self.order.pop_front() else { return false };
        if self.unfinished.get(&client).is_some_and(|(began, _)| *began == since) {
            self.unfinished.remove(&client);
            self.counts.given_up += 1;
        }
        true
    }

    /// What came of Initial packets.
    pub(super) const fn counts(&self) -> QuicCounts {
        self.counts
    }

    /// A flow is to be counted.
    pub(super) fn count(&mut self, tuple: FiveTuple) {
        if self.counted.len() < MAX_FLOWS || self.counted.contains(&tuple) {
            self.counted_changed |= self.counted.insert(tuple);
        } else {
            self.counts.uncounted += 1;
        }
    }

    /// Flows for which this is false are no longer counted.
    pub(super) fn count_only(&mut self, mut stays: impl FnMut(&FiveTuple) -> bool) {
        let before = self.counted.len();
        self.counted.retain(|tuple| stays(tuple));
        self.counted_changed |= self.counted.len() != before;
    }

    /// The flows that are to be counted, if they changed since this was last asked.
    pub(super) fn take_counted(&mut self) -> Option<Vec<FiveTuple>> {
        std::mem::take(&mut self.counted_changed).then(|| self.counted.iter().copied().collect())
    }
}

impl Flow {
    /// The client, which is on `side`, offers SMB over QUIC.
    pub(super) fn offers_smb(&mut self, hello: ClientHello, side: Side) {
        self.set_client(side);
        self.roles_known = true;
        self.quic = Some(Arc::new(hello));
    }

    /// The level of a connection of QUIC: everything behind the first packets is encrypted, so a packet of the server is all that
    /// shows.
    pub(super) fn quic_level(&self) -> EvidenceLevel {
        if self.counts().packets[self.server() as usize] > 0 {
            EvidenceLevel::Answered
        } else {
            EvidenceLevel::Attempt
        }
    }
}
