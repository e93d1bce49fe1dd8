use sensor_common::slot::{mark, tcp};

use super::*;
use crate::decode::fixtures::observed;

/// What one CPU saw of SMB between two ports that are not watched: a message of either side, all in one tick.
fn message(cpu: u16, marks: u16) -> Observation {
    let tcp_flags = [tcp::ACK, tcp::ACK];
    Observation { cpu, marks, tcp_flags, first: 1_000, last: 1_000, ..observed("8.8.4.4:4445") }
}

#[test]
fn on_a_port_that_is_not_watched_the_messages_tell_the_server_whichever_cpu_is_read_first() {
    let request = message(0, mark::FIRST_FROM_LOCAL | mark::SMB_FROM_LOCAL | mark::SERVER_IS_REMOTE);
    let response = message(1, mark::SMB_FROM_REMOTE | mark::SERVER_IS_REMOTE);
    for order in [[request, response], [response, request]] {
        let ends = Conversation { transport: TCP, local: request.key.local, remote: request.key.remote };
        let mut flow = Flow::new(ends, 0);
        for seen in order {
            flow.merge(None, &seen, (0, 0), |_| None);
            assert_eq!(flow.client, Side::Local);
        }
    }
}
