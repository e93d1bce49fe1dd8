//! Who opened a conversation, and how far it got.

use sensor_common::slot::{Side, mark};

use super::Flow;
use crate::{
    config::Service,
    dissect::Facts,
    flow::evidence::{Evidence, Seen, SeenOfSmb},
};

impl Flow {
    /// The side that opened it: the one that sent the SYN; or the one whose port is no service's, or that its messages show.
    pub(super) fn opened_by(&self, is_service: impl Fn(u16) -> bool) -> Side {
        let first = if self.marks & mark::FIRST_FROM_LOCAL != 0 { Side::Local } else { Side::Remote };
        if self.marks & mark::OPENED_BY_SYN != 0 {
            return first;
        }
        match (is_service(self.ends.local.port()), is_service(self.ends.remote.port())) {
            (true, false) => Side::Remote,
            (false, true) => Side::Local,
            _ => self.client_by_messages().unwrap_or(first),
        }
    }

    /// The client as SMB messages show it on a port that is not watched. Two CPUs that see a direction each within one tick
    /// do not tell who was first.
    const fn client_by_messages(&self) -> Option<Side> {
        match self.marks & (mark::SERVER_IS_LOCAL | mark::SERVER_IS_REMOTE) {
            mark::SERVER_IS_LOCAL => Some(Side::Remote),
            mark::SERVER_IS_REMOTE => Some(Side::Local),
            _ => None,
        }
    }

    /// How far it got, as it stands.
    pub(super) fn read_evidence(&self) -> Evidence {
        let counts = self.counts();
        let (client, server) = (self.client as usize, self.client.peer() as usize);
        Evidence::of(&Seen {
            transport: self.ends.transport,
            tcp_flags: [self.tcp_flags[client], self.tcp_flags[server]],
            packets: [counts.packets[client], counts.packets[server]],
            payload: [counts.payload[client], counts.payload[server]],
            answer: self.words[server],
            smb: self.seen_of_smb(counts.payload),
        })
    }

    /// What is known of it as an SMB conversation, if it is one.
    fn seen_of_smb(&self, payload: [u64; 2]) -> Option<SeenOfSmb> {
        let facts = self.facts.as_deref();
        if self.service.is_some_and(|service| service != Service::Smb) {
            return None;
        }
        let negotiated = facts.is_some_and(|facts| {
            facts.dialect.is_some()
                || !facts.client.dialects.is_empty()
                || !facts.client.smb1_dialects.is_empty()
        });
        let nobody_let_in = self.marks & mark::ENCRYPTED == 0 && facts.is_some_and(Facts::nobody_let_in);
        let since = |at: [u64; 2]| (0..2).map(|side| payload[side].saturating_sub(at[side])).sum();
        Some(SeenOfSmb {
            spoken: self.smb_spoken(),
            encrypted: self.marks & mark::ENCRYPTED != 0,
            authentication: facts.is_some_and(Facts::authentication_attempted),
            session: facts.is_some_and(Facts::session),
            since_share: self.share_at.map(since),
            read: self.read,
            refused: nobody_let_in,
            joined_late: !negotiated && self.marks & mark::OPENED_BY_SYN == 0,
        })
    }
}
