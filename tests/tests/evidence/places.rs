//! Other ports than 445, and IPv6.

use sensor_lab::{Smbd, require_lab};

use crate::expected::{Expected, FETCHED, FETCHED_BY_SMBCLIENT, FETCHED_OUT_ELSEWHERE, LISTED_OUT};
use crate::sessions::{fetches, smbclient_fetches, takes};
use crate::stage::Stage;

#[test]
fn smbclient_over_a_netbios_session() {
    require_lab!();
    Stage::outbound().expect(
        Smbd::start,
        |pair| assert!(pair.smbclient().port(139).get("hello.txt").unwrap().success()),
        &Expected { port: 139, ..FETCHED_BY_SMBCLIENT },
    );
}

#[test]
fn impacket_over_a_netbios_session() {
    require_lab!(Python);
    Stage::outbound().expect(
        Smbd::start,
        |pair| fetches(&pair.impacket().port(139)),
        // It asks for the server's name first, twice, as it repeats unanswered questions.
        &Expected { port: 139, other_ports: &["udp/137"], connections: 3, dialect: "2.1", ..FETCHED },
    );
}

#[test]
fn smbprotocol_on_an_unwatched_port() {
    require_lab!(Python);
    Stage::outbound().expect(
        |namespace| Smbd::builder().ports(&[4445]).start(namespace),
        |pair| fetches(&pair.smbprotocol().port(4445)),
        &Expected {
            rules: FETCHED_OUT_ELSEWHERE,
            port: 4445,
            techniques: &["T1105", "T1187", "T1571"],
            ..FETCHED
        },
    );
}

#[test]
fn smbclient_on_an_unwatched_port() {
    require_lab!();
    Stage::outbound().expect(
        |namespace| Smbd::builder().ports(&[4445]).start(namespace),
        |pair| assert!(pair.smbclient().port(4445).get("hello.txt").unwrap().success()),
        &Expected {
            rules: FETCHED_OUT_ELSEWHERE,
            port: 4445,
            techniques: &["T1105", "T1187", "T1571"],
            ..FETCHED_BY_SMBCLIENT
        },
    );
}

#[test]
fn smbclient_over_ipv6() {
    require_lab!();
    Stage::outbound().ipv6().expect(Smbd::start, smbclient_fetches, &FETCHED_BY_SMBCLIENT);
}

#[test]
fn impacket_lists_shares_over_ipv6() {
    require_lab!(Python);
    let expected = Expected {
        rules: LISTED_OUT,
        level: "share",
        techniques: &["T1135", "T1187"],
        dialect: "2.1",
        shares: &[("IPC$", "accepted")],
        rpc: &["srvsvc NetrShareEnum"],
        moved: [false, false],
        ..FETCHED
    };
    Stage::outbound().ipv6().expect(Smbd::start, |pair| takes(&pair.impacket(), &["shares"]), &expected);
}
