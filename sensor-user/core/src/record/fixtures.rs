//! Observations for tests of later stages.

use sensor_common::slot::TCP;

use super::{Content, Counts, Observation, Unfollowed};
use crate::address::{FiveTuple, FlowId};

/// The observation of one CPU of TCP between an internal machine and this end, without packets.
pub(crate) fn observed(remote: &str) -> Observation {
    Observation {
        id: FlowId {
            tuple: FiveTuple {
                transport: TCP,
                local: "10.0.0.2:50000".parse().unwrap(),
                remote: remote.parse().unwrap(),
            },
            ifindex: 2,
        },
        cpu: 0,
        generation: 2,
        marks: 0,
        tcp_flags: [0; 2],
        content: Content::default(),
        client: None,
        unfollowed: Unfollowed::default(),
        followed: None,
        counts: Counts::default(),
        first: 0,
        last: 0,
        vlan: None,
    }
}
