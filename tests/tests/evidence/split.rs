//! Messages that are split over segments.

use sensor_lab::{PythonClient, SHARE, Smbd, require_lab};
use sensor_tests::{Ended, number};

use crate::expected::{FETCHED, FETCHED_BY_SMBCLIENT, flow_of};
use crate::listing::LISTED_BY_SMBCLIENT;
use crate::sessions::{fetches, smbclient_fetches};
use crate::stage::Stage;

fn was_split(ended: &Ended) {
    let flow = flow_of(ended);
    let (bytes, packets) = (number(flow, "/source/bytes"), number(flow, "/source/packets"));
    assert!(bytes / packets <= 52 + 88, "not split: {bytes} bytes in {packets} packets");
    assert!(ended.number("payload").unwrap() > 20, "messages in pieces: {}", ended.statistics);
}

#[test]
fn smbclient_in_segments_of_88_bytes() {
    require_lab!();
    let stage = Stage::outbound().small_segments();
    was_split(&stage.expect(Smbd::start, smbclient_fetches, &FETCHED_BY_SMBCLIENT));
}

#[test]
fn smbprotocol_in_segments_of_88_bytes() {
    require_lab!(Python);
    let stage = Stage::outbound().small_segments();
    was_split(&stage.expect(Smbd::start, |pair| fetches(&pair.smbprotocol()), &FETCHED));
}

#[test]
fn first_segment_with_a_header_is_enough() {
    require_lab!(Python);
    Stage::outbound().expect(Smbd::start, |pair| fetches(&pair.smbprotocol().halt_after(40)), &FETCHED);
}

/// After each byte of the session header and of the identifier behind it, and inside the message header.
const CUTS: [usize; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 20];

#[test]
fn first_segment_with_part_of_a_header_is_enough() {
    require_lab!(Python);
    Stage::outbound().expect_each(
        Smbd::start,
        |pair| fetches(&CUTS.into_iter().fold(pair.smbprotocol(), PythonClient::halt_after)),
        &FETCHED,
        &CUTS.map(|cut| format!("cut after {cut} bytes")),
    );
}

/// Bytes behind 116 or 124 of the message distinguish a request to a pipe from a file.
#[test]
fn smbclient_lists_shares_in_segments_of_88_bytes() {
    require_lab!();
    let stage = Stage::outbound().small_segments();
    was_split(&stage.expect(
        Smbd::start,
        |pair| assert_eq!(pair.smbclient().list_shares().unwrap().shares(), [SHARE]),
        &LISTED_BY_SMBCLIENT,
    ));
}
