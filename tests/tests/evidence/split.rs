//! Messages that are split over segments.

use sensor_lab::{Smbd, require_lab};
use sensor_tests::{Ended, number};

use crate::expected::{Expected, FETCHED, FETCHED_BY_SMBCLIENT, SMB_OUT};
use crate::sessions::{fetches, smbclient_fetches};
use crate::stage::Stage;

fn was_split(ended: &Ended) {
    let alert = ended.closed("smb-to-internet").unwrap();
    let (bytes, packets) = (number(alert, "/source/bytes"), number(alert, "/source/packets"));
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
fn a_first_segment_that_holds_a_header_is_enough() {
    require_lab!(Python);
    Stage::outbound().expect(Smbd::start, |pair| fetches(&pair.smbprotocol().halt_after(40)), &FETCHED);
}

/// Of less than 28 bytes nobody can tell which message they begin. The server's messages are whole: they tell the dialect
/// and that a session was accepted, but not whose, and bytes of a set-up that was not read count as data.
#[test]
fn a_first_segment_that_holds_too_little_hides_what_the_client_said() {
    require_lab!(Python);
    let expected = Expected {
        rules: SMB_OUT,
        techniques: &["T1048"],
        user: ("", ""),
        credentials: &[],
        shares: &[],
        ..FETCHED
    };
    let stage = Stage::outbound();
    let ended = stage.expect(Smbd::start, |pair| fetches(&pair.smbprotocol().halt_after(20)), &expected);
    let alert = ended.closed("smb-to-internet").unwrap();
    assert_eq!(number(alert, "/smb_sensor/smb/sessions"), 1);
}
