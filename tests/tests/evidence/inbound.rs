//! A stranger's sessions with an internal server.

use sensor_lab::{Smbd, require_lab};

use crate::expected::{
    Expected, FETCHED, FETCHED_BY_SMBCLIENT, FETCHED_OVER_SMB1, INBOUND_ELSEWHERE, INBOUND_SMB1,
};
use crate::sessions::{fetches, refused, smbclient_fetches_over_smb_1, takes};
use crate::stage::Stage;

#[test]
fn impacket_lists_the_shares_of_an_internal_server() {
    require_lab!(Python);
    let expected = Expected {
        rules: &["external-access-windows-networking", "external-logon-accepted", "share-discovery-over-smb"],
        level: "share",
        techniques: &["T1133", "T1135"],
        dialect: "2.1",
        shares: &[("IPC$", "accepted")],
        rpc: &["srvsvc NetrShareEnum"],
        ..FETCHED
    };
    Stage::inbound().expect(Smbd::start, |pair| takes(&pair.impacket(), &["shares"]), &expected);
}

#[test]
fn a_stranger_speaks_smb_1_to_an_internal_server() {
    require_lab!();
    let expected = Expected { rules: INBOUND_SMB1, techniques: &["T1133"], ..FETCHED_OVER_SMB1 };
    Stage::inbound().expect(Smbd::start, smbclient_fetches_over_smb_1, &expected);
}

#[test]
fn a_stranger_reaches_an_internal_server_on_a_port_of_no_service() {
    require_lab!(Python);
    let expected =
        Expected { rules: INBOUND_ELSEWHERE, techniques: &["T1133", "T1571"], port: 4445, ..FETCHED };
    Stage::inbound().expect(
        |namespace| Smbd::builder().ports(&[4445]).start(namespace),
        |pair| fetches(&pair.smbprotocol().port(4445)),
        &expected,
    );
}

#[test]
fn a_stranger_guesses_a_wrong_password() {
    require_lab!(Python);
    let expected = Expected {
        rules: &["external-access-windows-networking"],
        level: "credential",
        techniques: &[],
        credentials: &[("NTLMv2", "refused")],
        shares: &[],
        ..FETCHED
    };
    Stage::inbound().expect(
        Smbd::start,
        |pair| refused(&pair.smbprotocol().password("wrong").run(&[]).unwrap(), "0xc000006d"),
        &expected,
    );
}

#[test]
fn a_stranger_takes_20_megabytes_along() {
    require_lab!();
    const LENGTH: u64 = 20 << 20;
    let expected = Expected {
        rules: &["data-leaving-over-smb", "external-access-windows-networking", "external-logon-accepted"],
        techniques: &["T1048", "T1133"],
        content: [Some(0), Some(LENGTH)],
        ..FETCHED_BY_SMBCLIENT
    };
    Stage::inbound().ipv6().expect(
        |namespace| {
            let smbd = Smbd::start(namespace)?;
            smbd.create_large_file("large.bin", LENGTH >> 20)?;
            Ok(smbd)
        },
        |pair| assert!(pair.smbclient().get("large.bin").unwrap().success()),
        &expected,
    );
}
