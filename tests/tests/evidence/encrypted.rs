//! With encryption, the session and the messages before it are visible; shares and their use are not.

use sensor_lab::{Smbd, require_lab};

use crate::expected::{CREDENTIAL_OUT, Expected, FETCHED, FETCHED_BY_SMBCLIENT};
use crate::sessions::{fetches, takes};
use crate::stage::Stage;

const HIDDEN: Expected = Expected {
    rules: CREDENTIAL_OUT,
    level: "session",
    techniques: &["T1187"],
    shares: &[],
    encrypted: true,
    moved: [false, false],
    ..FETCHED
};

#[test]
fn smbclient_encrypts() {
    require_lab!();
    Stage::outbound().expect(
        Smbd::start,
        |pair| {
            let client = pair.smbclient().option("--client-protection=encrypt");
            assert!(client.get("hello.txt").unwrap().success());
        },
        &Expected { user: FETCHED_BY_SMBCLIENT.user, ..HIDDEN },
    );
}

#[test]
fn impacket_encrypts_smb_3_0() {
    require_lab!(Python);
    let expected = Expected { dialect: "3.0", ..HIDDEN };
    Stage::outbound().expect(
        Smbd::start,
        |pair| takes(&pair.impacket().dialect("3.0"), &["shares"]),
        &expected,
    );
}

#[test]
fn smbprotocol_encrypts() {
    require_lab!(Python);
    Stage::outbound().expect(Smbd::start, |pair| fetches(&pair.smbprotocol().encrypt()), &HIDDEN);
}
