//! What a conversation says in datagrams, and how much of an answer that is.

use std::sync::Arc;

use sensor_common::slot::UDP;

use super::Flow;
use crate::{
    decode::Piece,
    dissect::{
        Sender,
        datagram::{Heard, hear},
    },
    flow::evidence::Words,
};

impl Flow {
    /// Reads a datagram; tells whether there is something new.
    pub(in crate::flow) fn hear(&mut self, piece: &Piece<'_>) -> bool {
        let from = if piece.side == self.client { Sender::Client } else { Sender::Server };
        let before = self.evidence;
        let known = Arc::make_mut(self.datagrams.get_or_insert_default());
        let heard = hear(known, from, piece.bytes);
        let words = &mut self.words[piece.side as usize];
        // What follows something foreign may be NetBIOS all the same; what follows NetBIOS takes nothing of it back.
        if heard != Heard::Foreign {
            *words = Words::Netbios;
        } else if *words == Words::Awaited {
            *words = Words::Foreign;
        }
        self.evidence = self.evidence.max(self.read_evidence());
        heard == Heard::News || self.evidence > before
    }

    /// Its time to be answered is up. Stops waiting for words that were not told by now: they are lost, and that there were any speaks for itself.
    pub(in crate::flow) fn stop_waiting(&mut self) {
        self.settled = true;
        if self.ends.transport != UDP {
            return;
        }
        let payload = self.counts().payload;
        for (words, payload) in self.words.iter_mut().zip(payload) {
            if *words == Words::Awaited && payload > 0 {
                *words = Words::Lost;
            }
        }
        self.evidence = self.evidence.max(self.read_evidence());
    }
}
