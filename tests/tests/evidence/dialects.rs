//! Every dialect that real peers agree on.

use sensor_lab::{Smbd, require_lab};
use sensor_tests::text;

use crate::expected::{Expected, FETCHED, FETCHED_BY_SMBCLIENT, FETCHED_OVER_SMB1};
use crate::sessions::{fetches, smbclient_fetches, smbclient_fetches_over_smb_1, takes};
use crate::stage::Stage;

#[test]
fn smbclient_speaks_smb_3_1_1() {
    require_lab!();
    let ended = Stage::outbound().expect(Smbd::start, smbclient_fetches, &FETCHED_BY_SMBCLIENT);
    let alert = ended.found("ntlm-credential-to-internet").unwrap();
    assert_eq!(text(alert, "/smb_sensor/incident/severity"), "critical", "the credential was accepted");
    assert_eq!(text(alert, "/smb_sensor/credentials/0/fingerprints/0").len(), 32);
}

#[test]
fn smbprotocol_speaks_smb_3_1_1_with_contexts_of_its_own() {
    require_lab!(Python);
    Stage::outbound().expect(Smbd::start, |pair| fetches(&pair.smbprotocol()), &FETCHED);
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
        rules: &[
            "ntlm-credential-to-internet",
            "rare-smb-destination",
            "share-discovery-over-smb",
            "smb-to-internet",
            "smb1-across-border",
        ],
        level: "share",
        techniques: &["T1135", "T1187"],
        dialect: "NT LM 0.12",
        shares: &[("IPC$", "accepted")],
        rpc: &["srvsvc NetrShareEnum"],
        ..FETCHED
    };
    Stage::outbound().expect(
        Smbd::start,
        |pair| takes(&pair.impacket().dialect("1"), &["shares"]),
        &expected,
    );
}
