//! Log-ons that are refused, weak or anonymous.

use sensor_lab::{Smbd, USER, require_lab};
use sensor_tests::text;

use crate::expected::{CREDENTIAL_OUT, Expected, FETCHED, FETCHED_OVER_SMB1, SMB_OUT};
use crate::sessions::{refused, takes};
use crate::stage::Stage;

/// A response that the server did not accept, and nothing after it.
const REFUSED: Expected = Expected {
    rules: CREDENTIAL_OUT,
    level: "credential",
    techniques: &["T1187"],
    credentials: &[("NTLMv2", "refused")],
    shares: &[],
    moved: [false, false],
    ..FETCHED
};

#[test]
fn wrong_password_gives_its_credential_away() {
    require_lab!();
    let ended = Stage::outbound().expect(
        Smbd::start,
        |pair| {
            let outcome = pair.smbclient().user(USER, "wrong").get("hello.txt").unwrap();
            refused(&outcome, "NT_STATUS_LOGON_FAILURE");
        },
        &Expected { user: ("WORKGROUP", "alice"), ..REFUSED },
    );
    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "high");
    assert_eq!(text(incident, "/smb_sensor/credentials/0/status"), "STATUS_LOGON_FAILURE");
}

#[test]
fn wrong_password_of_impacket_gives_its_credential_away() {
    require_lab!(Python);
    Stage::outbound().expect(
        Smbd::start,
        |pair| {
            let outcome = pair.impacket().password("wrong").run(&[]).unwrap();
            refused(&outcome, "STATUS_LOGON_FAILURE");
        },
        &Expected { dialect: "2.1", ..REFUSED },
    );
}

#[test]
fn wrong_password_of_smbprotocol_gives_its_credential_away() {
    require_lab!(Python);
    Stage::outbound().expect(
        Smbd::start,
        |pair| {
            let outcome = pair.smbprotocol().password("wrong").run(&[]).unwrap();
            refused(&outcome, "0xc000006d");
        },
        &REFUSED,
    );
}

#[test]
fn ntlmv1_over_smb1_is_critical() {
    require_lab!();
    let expected = Expected { credentials: &[("NTLMv1", "accepted")], ..FETCHED_OVER_SMB1 };
    let ended = Stage::outbound().expect(
        |namespace| Smbd::builder().ntlmv1().start(namespace),
        |pair| {
            let client = pair.smbclient().protocol("NT1").option("--option=client ntlmv2 auth = no");
            let client = client.option("--option=client use spnego = no");
            assert!(client.get("hello.txt").unwrap().success());
        },
        &expected,
    );
    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "critical");
}

#[test]
fn refused_ntlmv1_over_smb2_is_critical() {
    require_lab!(Python);
    let ended = Stage::outbound().expect(
        Smbd::start,
        |pair| {
            let outcome = pair.impacket().ntlmv1().run(&[]).unwrap();
            refused(&outcome, "STATUS_LOGON_FAILURE");
        },
        &Expected { dialect: "2.1", credentials: &[("NTLMv1", "refused")], ..REFUSED },
    );
    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "critical");
}

#[test]
fn anonymous_session_is_a_session_and_no_credential() {
    require_lab!(Python);
    let expected = Expected {
        rules: SMB_OUT,
        level: "share",
        techniques: &[],
        user: ("", ""),
        credentials: &[("anonymous", "accepted")],
        dialect: "2.1",
        shares: &[("IPC$", "accepted")],
        moved: [false, false],
        ..FETCHED
    };
    Stage::outbound().expect(
        |namespace| Smbd::builder().guest().start(namespace),
        |pair| takes(&pair.impacket().anonymous(), &["tree:IPC$"]),
        &expected,
    );
}
