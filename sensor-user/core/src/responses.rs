//! Authentication responses that crossed the border recently, by fingerprint: the same one in both directions is a relay.

use std::{net::IpAddr, time::Duration};

use sensor_dissect::Fingerprint;

use crate::{
    address::{Direction, FiveTuple},
    lru_map::LruMap,
    rules::Relayed,
    time::Timestamp,
    view::FlowView,
};

/// Number of responses that are remembered at least.
const RESPONSES: usize = 1 << 15;

/// A challenge is answered soon or never: a response that returns later than this is no relay.
const RELAY_WINDOW: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
struct Response {
    at: Timestamp,
    tuple: FiveTuple,
}

/// The responses that crossed the border recently.
#[derive(Debug)]
pub(crate) struct Responses {
    /// By fingerprint: the latest outbound and the latest inbound one.
    seen: LruMap<[u8; 16], [Option<Response>; 2]>,
}

impl Responses {
    pub(crate) fn new() -> Self {
        Self { seen: LruMap::new(RESPONSES) }
    }

    /// Notes the responses of a connection. Returns the connection in the other direction that had one of them, if any.
    pub(crate) fn note(&mut self, view: &FlowView<'_>) -> Option<(FiveTuple, Relayed)> {
        let (mine, other) = match view.direction {
            Direction::Outbound => (0, 1),
            Direction::Inbound => (1, 0),
        };
        let mut relayed = None;
        for Fingerprint(fingerprint) in fingerprints(view) {
            let pair = self.seen.entry(fingerprint);
            if pair[mine].is_none_or(|known| known.tuple != view.tuple) {
                pair[mine] = Some(Response { at: view.last, tuple: view.tuple });
            }
            let known = pair[other].filter(|known| known.at.distance(view.last) <= RELAY_WINDOW);
            relayed = relayed.or(known);
        }
        relayed.map(|known| {
            let (internal, external): (IpAddr, IpAddr) = (known.tuple.local.ip(), known.tuple.remote.ip());
            (known.tuple, Relayed { at: known.at, internal, external })
        })
    }
}

fn fingerprints<'a>(view: &FlowView<'a>) -> impl Iterator<Item = Fingerprint> + use<'a> {
    let credentials = view.facts.map_or(&[][..], |facts| &facts.credentials);
    credentials.iter().filter(|one| !one.is_anonymous()).filter_map(|one| one.fingerprint)
}
