//! Clients that have not tried enough targets yet to be called sweeping.

use std::net::IpAddr;

use super::{SECOND, SweepLimits};
use crate::{detect::Sight, flow::Evidence, recent::Recent};

/// Targets of all suspects that are remembered at least.
const TOUCHES: usize = 1 << 18;

/// Suspects that are remembered at least, whatever the limit of targets.
const MOST_SUSPECTS: usize = 8_192;

/// A target that a client tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    pub(super) target: IpAddr,
    pub(super) port: (u8, u16),
    pub(super) evidence: Evidence,
    /// First and last packet.
    pub(super) first: i128,
    pub(super) last: i128,
    /// Records that the ring had lost before.
    pub(super) lost_before: u64,
    /// When it was heard of.
    pub(super) heard_at: i128,
}

impl Touch {
    pub(super) fn of(sight: &Sight<'_>, now: i128) -> Self {
        Self {
            target: sight.server.ip(),
            port: (sight.flow.ends.transport, sight.server.port()),
            evidence: sight.flow.evidence,
            first: sight.flow.first,
            last: sight.flow.last,
            lost_before: sight.flow.lost_before,
            heard_at: now,
        }
    }
}

/// Clients by the targets that they tried lately.
pub(super) struct Suspects {
    limits: SweepLimits,
    clients: Recent<IpAddr, Vec<Touch>>,
}

impl Suspects {
    pub(super) fn new(limits: SweepLimits) -> Self {
        let room = (TOUCHES / limits.targets.max(1)).min(MOST_SUSPECTS);
        Self { limits, clients: Recent::new(room) }
    }

    /// Notes a target of `client`; gives all within the window when there are enough, and forgets the client.
    pub(super) fn note(&mut self, client: IpAddr, touch: Touch) -> Option<Vec<Touch>> {
        let touches = self.clients.entry(client);
        match touches.iter_mut().find(|known| known.target == touch.target) {
            Some(known) => {
                *known = Touch {
                    first: known.first.min(touch.first),
                    evidence: known.evidence.max(touch.evidence),
                    lost_before: known.lost_before.min(touch.lost_before),
                    ..touch
                };
                return None;
            }
            None => touches.push(touch),
        }
        if touches.len() < self.limits.targets {
            return None;
        }
        let window = i128::from(self.limits.window) * SECOND;
        // What is far ahead was noted before the clock was set back.
        touches.retain(|known| (touch.heard_at - known.heard_at).abs() <= window);
        if touches.len() < self.limits.targets { None } else { self.clients.remove(&client) }
    }
}
