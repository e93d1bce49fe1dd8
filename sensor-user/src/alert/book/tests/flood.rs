//! A flood of attempts that fills the table of conversations.

use std::net::{Ipv4Addr, SocketAddr};

use sensor_common::slot::mark;

use super::{
    sweeps::{OPEN, SYN, Stages},
    *,
};

/// Spoofed SYNs; the table has room for a hundred.
const FLOOD: u32 = 2_000;

fn spoofed(number: u32) -> (SocketAddr, SocketAddr) {
    let from = Ipv4Addr::from(0x0A01_0000 + number);
    (SocketAddr::from((from, 50_000)), "8.8.4.4:445".parse().unwrap())
}

#[test]
fn a_session_after_a_flood_that_filled_the_table_is_alerted_and_every_attempt_is_told_or_counted() {
    let mut stages = Stages::new();
    for number in 0..FLOOD {
        let second = i128::from(number / 40);
        stages.begins_between(spoofed(number), SYN, 0, second);
        stages.advance(second);
    }
    let real = ("10.0.0.2:50001".parse().unwrap(), "8.8.4.4:445".parse().unwrap());
    stages.begins_between(real, OPEN, mark::SMB_FROM_LOCAL, 60);
    let session = stages.told.last().unwrap();
    assert_eq!(field(session, "/source/ip"), "10.0.0.2");
    assert_eq!(field(session, "/smb_sensor/evidence/level"), "smb");
    assert_eq!(stages.tracker.evicted(), u64::from(FLOOD) + 1 - 100);
    stages.finish(61);
    assert_eq!(stages.book.opened() + stages.book.suppressed(), u64::from(FLOOD) + 1);
    let status = |document: &&Value| document.pointer("/smb_sensor/alert/status").cloned();
    let of = |wanted: &str| stages.told.iter().filter(|it| status(it) == Some(wanted.into())).count();
    assert_eq!((of("opened"), of("closed")), (101, 101), "whoever made room is closed with what is known");
}
