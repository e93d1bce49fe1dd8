//! Connections that begin with an Initial packet of QUIC and offer SMB.

use sensor_dissect::quic::ClientHello;

use super::{Change, FlowTable};
use crate::{
    address::FiveTuple,
    flow::{Flow, QuicCounts},
    record::Piece,
    time::Moment,
};

impl<L: Default + Clone> FlowTable<L> {
    /// Reads an Initial packet of a client. Only a connection that offers SMB comes into the table, and is counted from here on.
    pub(super) fn initial(&mut self, piece: &Piece<'_>, now: Moment, changes: &mut Vec<Change<L>>) {
        let Some(hello) = self.quic.read(piece, now.at).filter(ClientHello::offers_smb) else { return };
        let at = self.options.clock.timestamp(piece.at, now);
        let tuple = piece.id.tuple;
        match self.flows.get_mut(&tuple) {
            // The same ends again: the connection goes on, as an idle one does.
            Some(entry) => {
                entry.flow.offers_smb(hello, piece.side);
                entry.flow.last = entry.flow.last.max(at);
                entry.reopen();
            }
            None => {
                if !self.make_room(changes) {
                    return;
                }
                let mut flow = Flow::new(tuple, at);
                flow.lost_before = self.lost_records;
                flow.offers_smb(hello, piece.side);
                self.insert(flow, now.at);
            }
        }
        self.quic.count(tuple);
        changes.push(Change::Updated(tuple));
    }

    /// The flows of QUIC that the kernel program is to count, if they changed since this was last asked.
    pub fn take_counted_quic(&mut self) -> Option<Vec<FiveTuple>> {
        self.quic.take_counted()
    }

    /// What came of Initial packets of QUIC.
    #[must_use]
    pub const fn quic_counts(&self) -> QuicCounts {
        self.quic.counts()
    }

    /// Ends the counting of connections that are over.
    pub(super) fn count_open_quic(&mut self) {
        let flows = &self.flows;
        self.quic.count_only(|tuple| flows.get(tuple).is_some_and(|entry| !entry.is_closed()));
    }
}
