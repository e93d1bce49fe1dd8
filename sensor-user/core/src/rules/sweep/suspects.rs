//! Clients that have not tried enough targets yet to be called sweeping.

use std::net::IpAddr;

use super::{SECOND, SweepLimits, touch::Touch};
use crate::recent::Recent;

/// Targets of all suspects that are remembered at least.
const TOUCHES: usize = 1 << 18;

/// Suspects that are remembered at least, whatever the limit of targets.
const MOST_SUSPECTS: usize = 8_192;

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

    /// Notes a target of `client`; gives all within the window when there are enough, and forgets the client. A flow that is
    /// not `fresh` only tells how a target came off that is known.
    pub(super) fn note(
        &mut self,
        client: IpAddr,
        touch: Touch,
        fresh: bool,
        now: i128,
    ) -> Option<Vec<Touch>> {
        let touches = self.clients.entry(client);
        // What is ahead was noted before the clock was set back.
        touches.retain(|known| known.began <= now + SECOND);
        let newest = touches.iter().map(|known| known.began).max().unwrap_or(touch.began);
        let newest = if fresh { newest.max(touch.began) } else { newest };
        let window = i128::from(self.limits.window) * SECOND;
        touches.retain(|known| newest - known.began <= window);
        if let Some(known) = touches.iter_mut().find(|known| known.target == touch.target) {
            known.learn(&touch);
            return None;
        }
        if fresh && newest - touch.began <= window {
            touches.push(touch);
        }
        if touches.len() < self.limits.targets { None } else { self.clients.remove(&client) }
    }
}
