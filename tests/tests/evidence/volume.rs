//! Twenty megabytes each way: every byte is counted, and outbound volume is a finding of its own.

use sensor_lab::{Namespace, Smbd, require_lab};
use sensor_tests::text;

use crate::expected::{Expected, FETCHED, FETCHED_BY_SMBCLIENT};
use crate::sessions::takes;
use crate::stage::Stage;

const MEGABYTES: u64 = 20;
const LENGTH: u64 = MEGABYTES << 20;
/// The findings of a session that sent more than the limit.
const LEAVING: &[&str] =
    &["data-leaving-over-smb", "ntlm-credential-to-internet", "rare-smb-destination", "smb-to-internet"];

fn server_with_large_file(namespace: &Namespace) -> anyhow::Result<Smbd> {
    let smbd = Smbd::start(namespace)?;
    smbd.create_large_file("large.bin", MEGABYTES)?;
    Ok(smbd)
}

#[test]
fn smbclient_downloads_20_megabytes() {
    require_lab!();
    Stage::outbound().expect(
        server_with_large_file,
        |pair| {
            let outcome = pair.smbclient().get("large.bin").unwrap();
            assert_eq!(outcome.content.map(|content| content.len() as u64), Some(LENGTH));
        },
        &Expected { content: [Some(0), Some(LENGTH)], ..FETCHED_BY_SMBCLIENT },
    );
}

#[test]
fn smbclient_uploads_20_megabytes() {
    require_lab!();
    let ended = Stage::outbound().expect(
        Smbd::start,
        |pair| assert!(pair.smbclient().put("large.bin", &vec![0x5A; LENGTH as usize]).unwrap().success()),
        &Expected {
            rules: LEAVING,
            techniques: &["T1048", "T1187"],
            moved: [true, false],
            content: [Some(LENGTH), Some(0)],
            ..FETCHED_BY_SMBCLIENT
        },
    );
    let incident = ended.found("data-leaving-over-smb").unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "critical");
}

#[test]
fn impacket_downloads_20_megabytes() {
    require_lab!(Python);
    Stage::outbound().expect(
        server_with_large_file,
        |pair| takes(&pair.impacket(), &["get:large.bin"]),
        &Expected { dialect: "2.1", content: [Some(0), Some(LENGTH)], ..FETCHED },
    );
}

#[test]
fn smbprotocol_uploads_20_megabytes() {
    require_lab!(Python);
    Stage::outbound().expect(
        Smbd::start,
        |pair| takes(&pair.smbprotocol(), &[&format!("put:large.bin:{LENGTH}")]),
        &Expected {
            rules: LEAVING,
            techniques: &["T1048", "T1187"],
            moved: [true, false],
            content: [Some(LENGTH), Some(0)],
            ..FETCHED
        },
    );
}
