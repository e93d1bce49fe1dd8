//! Every dialect of real peers.

use sensor_lab::{Smbd, require_lab};
use sensor_tests::{number, text};

use crate::expected::{Expected, FETCHED, FETCHED_BY_SMBCLIENT, FETCHED_OVER_SMB1, LISTED_OUT_SMB1, flow_of};
use crate::sessions::{fetches, smbclient_fetches, smbclient_fetches_over_smb_1, takes};
use crate::stage::Stage;

#[test]
fn smbclient_speaks_smb_3_1_1() {
    require_lab!();
    let ended = Stage::outbound().expect(Smbd::start, smbclient_fetches, &FETCHED_BY_SMBCLIENT);
    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "critical", "the credential was accepted");
    assert_eq!(text(incident, "/smb_sensor/credentials/0/fingerprints/0").len(), 32);
    assert_eq!(number(incident, "/smb_sensor/credentials/0/attempts"), 1);
}

#[test]
fn smbprotocol_speaks_smb_3_1_1_with_its_own_contexts() {
    require_lab!(Python);
    let ended = Stage::outbound().expect(Smbd::start, |pair| fetches(&pair.smbprotocol()), &FETCHED);
    let flow = flow_of(&ended);
    assert_eq!(text(flow, "/smb_sensor/smb/server_called"), "8.8.4.4", "of the context NETNAME");
}

#[test]
fn smbprotocol_speaks_smb_3_0() {
    require_lab!(Python);
    let expected = Expected { dialect: "3.0", ..FETCHED };
    Stage::outbound().expect(Smbd::start, |pair| fetches(&pair.smbprotocol().dialect("3.0")), &expected);
}

#[test]
fn impacket_speaks_smb_2_0_2() {
    require_lab!(Python);
    let expected = Expected { dialect: "2.0.2", ..FETCHED };
    Stage::outbound().expect(Smbd::start, |pair| fetches(&pair.impacket().dialect("2.0.2")), &expected);
}

#[test]
fn smbclient_speaks_smb_1() {
    require_lab!();
    Stage::outbound().expect(Smbd::start, smbclient_fetches_over_smb_1, &FETCHED_OVER_SMB1);
}

#[test]
fn impacket_lists_shares_over_smb_1() {
    require_lab!(Python);
    let expected = Expected {
        rules: LISTED_OUT_SMB1,
        level: "share",
        techniques: &["T1135", "T1187"],
        dialect: "NT LM 0.12",
        shares: &[("IPC$", "accepted")],
        rpc: &["srvsvc NetrShareEnum"],
        moved: [false, false],
        ..FETCHED
    };
    Stage::outbound().expect(
        Smbd::start,
        |pair| takes(&pair.impacket().dialect("1"), &["shares"]),
        &expected,
    );
}
