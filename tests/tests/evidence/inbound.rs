//! Sessions of external clients with an internal server.

use sensor_lab::{Smbd, require_lab};

use crate::expected::{Expected, FETCHED, FETCHED_BY_SMBCLIENT, FETCHED_OVER_SMB1, INBOUND};
use crate::sessions::{fetches, refused, smbclient_fetches_over_smb_1, takes};
use crate::stage::Stage;

#[test]
fn impacket_lists_the_shares_of_an_internal_server() {
    require_lab!(Python);
    let expected = Expected {
        rules: &[
            "external-access-windows-networking",
            "external-logon-accepted",
            "share-discovery-over-smb",
            "windows-networking-exposed",
        ],
        level: "share",
        techniques: &["T1078", "T1133", "T1135"],
        dialect: "2.1",
        shares: &[("IPC$", "accepted")],
        rpc: &["srvsvc NetrShareEnum"],
        moved: [false, false],
        inbound: true,
        ..FETCHED
    };
    Stage::inbound().expect(Smbd::start, |pair| takes(&pair.impacket(), &["shares"]), &expected);
}

#[test]
fn external_client_speaks_smb1_to_an_internal_server() {
    require_lab!();
    let expected = Expected {
        rules: &[
            "external-access-windows-networking",
            "external-logon-accepted",
            "smb1-across-border",
            "windows-networking-exposed",
        ],
        techniques: &["T1048", "T1078", "T1133"],
        inbound: true,
        ..FETCHED_OVER_SMB1
    };
    Stage::inbound().expect(Smbd::start, smbclient_fetches_over_smb_1, &expected);
}

#[test]
fn external_client_reaches_an_internal_server_on_an_unwatched_port() {
    require_lab!(Python);
    let expected = Expected {
        rules: &[
            "external-access-windows-networking",
            "external-logon-accepted",
            "smb-on-another-port",
            "windows-networking-exposed",
        ],
        techniques: &["T1048", "T1078", "T1133", "T1571"],
        port: 4445,
        inbound: true,
        ..FETCHED
    };
    Stage::inbound().expect(
        |namespace| Smbd::builder().ports(&[4445]).start(namespace),
        |pair| fetches(&pair.smbprotocol().port(4445)),
        &expected,
    );
}

#[test]
fn external_client_guesses_a_wrong_password() {
    require_lab!(Python);
    let expected = Expected {
        rules: INBOUND,
        level: "credential",
        techniques: &[],
        credentials: &[("NTLMv2", "refused")],
        shares: &[],
        moved: [false, false],
        inbound: true,
        ..FETCHED
    };
    Stage::inbound().expect(
        Smbd::start,
        |pair| refused(&pair.smbprotocol().password("wrong").run(&[]).unwrap(), "0xc000006d"),
        &expected,
    );
}

#[test]
fn external_client_downloads_20_megabytes() {
    require_lab!();
    const LENGTH: u64 = 20 << 20;
    let expected = Expected {
        rules: &[
            "data-leaving-over-smb",
            "external-access-windows-networking",
            "external-logon-accepted",
            "windows-networking-exposed",
        ],
        techniques: &["T1048", "T1078", "T1133"],
        inbound: true,
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
