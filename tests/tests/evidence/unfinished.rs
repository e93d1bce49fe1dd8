//! Sessions that end early.

use std::net::Ipv4Addr;

use sensor_lab::{Answer, Smbd, TcpListener, require_lab};

use crate::expected::{CREDENTIAL_OUT, Expected, FETCHED, SMB_OUT};
use crate::sessions::refused;
use crate::stage::Stage;

#[test]
fn server_that_reads_and_closes_was_connected() {
    require_lab!();
    let expected = Expected {
        rules: SMB_OUT,
        level: "connected",
        techniques: &[],
        user: ("", ""),
        credentials: &[],
        dialect: "",
        shares: &[],
        content: [Some(0), None],
        moved: [false, false],
        ..FETCHED
    };
    Stage::outbound().expect(
        |namespace| TcpListener::start(namespace, (Ipv4Addr::UNSPECIFIED, 445), Answer::Close),
        |pair| assert!(!pair.smbclient().get("hello.txt").unwrap().success()),
        &expected,
    );
}

#[test]
fn missing_share_is_a_session_and_a_refusal() {
    require_lab!(Python);
    let expected = Expected {
        rules: CREDENTIAL_OUT,
        level: "session",
        techniques: &["T1187"],
        shares: &[("nosuch", "refused")],
        moved: [false, false],
        ..FETCHED
    };
    Stage::outbound().expect(
        Smbd::start,
        |pair| refused(&pair.smbprotocol().run(&["tree:nosuch"]).unwrap(), "BAD_NETWORK_NAME"),
        &expected,
    );
}
