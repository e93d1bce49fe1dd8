//! Evidence from the datagrams of a flow.

use std::sync::Arc;

use sensor_common::slot::UDP;
use sensor_dissect::{
    Sender,
    datagram::{self, Reading},
};

use super::{evidence::DatagramContent, state::Flow};
use crate::{record::Piece, service::ServicePorts};

impl Flow {
    /// Reads a datagram; returns whether it adds a fact.
    pub(super) fn read_datagram(&mut self, piece: &Piece<'_>, services: &ServicePorts) -> bool {
        let side = piece.side as usize;
        let from = if piece.side == self.client() { Sender::Client } else { Sender::Server };
        let reading =
            datagram::read(Arc::make_mut(self.datagrams.get_or_insert_default()), from, piece.bytes);
        let content = &mut self.datagram_content[side];
        // A datagram after something else may still be NetBIOS; one after NetBIOS changes nothing.
        if reading != Reading::NotNetbios {
            *content = DatagramContent::Netbios;
            self.responded[side] |= datagram::is_response(piece.bytes) == Some(true);
        } else if *content == DatagramContent::Unread {
            *content = DatagramContent::Other;
        }
        let changed = self.update(services);
        changed || reading == Reading::New
    }

    /// The attempt timed out. Datagrams that were not read by now are lost: only their number is known.
    pub(super) fn settle(&mut self, services: &ServicePorts) {
        self.settled = true;
        if self.tuple.transport == UDP {
            let payload = self.counts().payload;
            for (content, payload) in self.datagram_content.iter_mut().zip(payload) {
                if *content == DatagramContent::Unread && payload > 0 {
                    *content = DatagramContent::Lost;
                }
            }
        }
        self.update(services);
    }
}
