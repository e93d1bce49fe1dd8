//! Observations for tests of what comes behind.

use sensor_common::slot::TCP;

use super::{Counts, FlowKey, Observation};

/// What one CPU told of TCP between an internal machine and this end, with nothing in it yet.
pub(crate) fn observed(remote: &str) -> Observation {
    Observation {
        key: FlowKey {
            transport: TCP,
            local: "10.0.0.2:50000".parse().unwrap(),
            remote: remote.parse().unwrap(),
            ifindex: 2,
        },
        cpu: 0,
        generation: 2,
        marks: 0,
        tcp_flags: [0; 2],
        content: [false; 2],
        counts: Counts::default(),
        first: 0,
        last: 0,
        vlan: None,
    }
}
