//! Connections that were completed and may become part of an incident: facts about their hosts can be looked up meanwhile.

use std::net::IpAddr;

use crate::view::FlowView;

/// Pairs that are kept until they are asked for.
const MAX_PAIRS: usize = 16;

/// An internal host and an external one.
pub type HostPair = (IpAddr, IpAddr);

/// The pairs of hosts of completed connections, each once.
#[derive(Debug, Default)]
pub(super) struct Completed(Vec<HostPair>);

impl Completed {
    /// Notes the hosts of a connection. Of more than 16 pairs, the first.
    pub(super) fn note(&mut self, view: &FlowView<'_>) {
        let pair = (view.internal(), view.external());
        if self.0.len() < MAX_PAIRS && !self.0.contains(&pair) {
            self.0.push(pair);
        }
    }

    pub(super) fn take(&mut self) -> Vec<HostPair> {
        std::mem::take(&mut self.0)
    }
}
