use sensor_common::slot::{mark, tcp};

use super::*;
use crate::{decode::fixtures::observed, dissect::status::Status, flow::evidence::MORE_THAN_SET_UP};

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

/// The level of a conversation of so much payload of its client, of which 100,000 bytes were read.
fn of_much_that_was_read(payload: u64) -> Evidence {
    let mut seen = message(0, mark::FIRST_FROM_LOCAL | mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE);
    seen.key.remote.set_port(445);
    seen.counts.payload = [payload, 0];
    let ends = Conversation { transport: TCP, local: seen.key.local, remote: seen.key.remote };
    let mut flow = Flow::new(ends, 0);
    let refused = Facts { smb2: true, session_statuses: vec![Status::Nt(0xC000_006D)], ..Facts::default() };
    // A piece may be read before the count that has it.
    flow.learn(Arc::new(refused), [100_000, 0], 100_000);
    flow.merge(None, &seen, (0, 0), |port| (port == 445).then_some(Service::Smb));
    flow.evidence
}

#[test]
fn what_was_read_is_no_data_and_what_goes_beyond_it_is() {
    assert_eq!(of_much_that_was_read(100_000), Evidence::Smb);
    assert_eq!(of_much_that_was_read(100_000 + MORE_THAN_SET_UP), Evidence::Smb);
    assert_eq!(of_much_that_was_read(100_001 + MORE_THAN_SET_UP), Evidence::Data);
}
