//! impacket's server instead of Samba's.

use sensor_lab::{ImpacketServer, Namespace, require_lab};

use crate::expected::{Expected, FETCH_ELSEWHERE, FETCHED, FETCHED_BY_SMBCLIENT, FETCHED_OVER_SMB1};
use crate::sessions::{fetches, smbclient_fetches, smbclient_fetches_over_smb_1};
use crate::stage::Stage;

fn server(namespace: &Namespace) -> anyhow::Result<ImpacketServer> {
    ImpacketServer::start(namespace, 445, false)
}

#[test]
fn smbclient_fetches_from_impacket() {
    require_lab!(Python);
    Stage::outbound().expect(
        server,
        smbclient_fetches,
        &Expected { dialect: "2.0.2", shares: &[("files", "accepted")], ..FETCHED_BY_SMBCLIENT },
    );
}

#[test]
fn impacket_fetches_from_impacket_on_another_port() {
    require_lab!(Python);
    Stage::outbound().expect(
        |namespace| ImpacketServer::start(namespace, 4445, false),
        |pair| fetches(&pair.impacket().port(4445).dialect("2.0.2")),
        &Expected {
            rules: FETCH_ELSEWHERE,
            port: 4445,
            dialect: "2.0.2",
            techniques: &["T1105", "T1187", "T1571"],
            ..FETCHED
        },
    );
}

#[test]
fn smbprotocol_fetches_from_impacket() {
    require_lab!(Python);
    let expected = Expected { dialect: "2.0.2", ..FETCHED };
    Stage::outbound().expect(server, |pair| fetches(&pair.smbprotocol().dialect("2.0.2")), &expected);
}

#[test]
fn smbclient_fetches_over_smb_1_from_impacket() {
    require_lab!(Python);
    let expected = Expected { dialect: "NT LM 0.12", shares: &[("FILES", "accepted")], ..FETCHED_OVER_SMB1 };
    Stage::outbound().expect(
        |namespace| ImpacketServer::start(namespace, 445, true),
        smbclient_fetches_over_smb_1,
        &expected,
    );
}
