//! Listing shares, and other requests over named pipes.

use sensor_lab::{SHARE, Smbd, require_lab};

use crate::expected::{CREDENTIAL_OUT, Expected, LISTED_OUT};
use crate::stage::Stage;

/// A list of shares, requested over SMB 2.1 by impacket.
const LISTED: Expected = Expected {
    rules: LISTED_OUT,
    level: "share",
    techniques: &["T1135", "T1187"],
    port: 445,
    other_ports: &[],
    connections: 1,
    user: ("LAB", "alice"),
    credentials: &[("NTLMv2", "accepted")],
    dialect: "2.1",
    shares: &[("IPC$", "accepted")],
    rpc: &["srvsvc NetrShareEnum"],
    encrypted: false,
    content: [Some(0), Some(0)],
    moved: [false, false],
    inbound: false,
};

/// The same by smbclient.
pub(crate) const LISTED_BY_SMBCLIENT: Expected =
    Expected { user: ("WORKGROUP", "alice"), dialect: "3.1.1", ..LISTED };

#[test]
fn smbclient_lists_shares() {
    require_lab!();
    Stage::outbound().expect(
        Smbd::start,
        |pair| assert_eq!(pair.smbclient().list_shares().unwrap().shares(), [SHARE]),
        &LISTED_BY_SMBCLIENT,
    );
}

#[test]
fn impacket_lists_shares() {
    require_lab!(Python);
    Stage::outbound().expect(
        Smbd::start,
        |pair| {
            let outcome = pair.impacket().run(&["shares"]).unwrap();
            assert!(outcome.success() && outcome.output.contains("share files"), "{}", outcome.output);
        },
        &LISTED,
    );
}

#[test]
fn anonymous_user_lists_shares() {
    require_lab!(Python);
    let expected = Expected {
        rules: &["rare-smb-destination", "share-discovery-over-smb", "smb-to-internet"],
        techniques: &["T1135"],
        user: ("", ""),
        credentials: &[("anonymous", "accepted")],
        ..LISTED
    };
    Stage::outbound().expect(
        |namespace| Smbd::builder().guest().start(namespace),
        |pair| {
            let outcome = pair.impacket().anonymous().run(&["shares"]).unwrap();
            assert!(outcome.success() && outcome.output.contains("share files"), "{}", outcome.output);
        },
        &expected,
    );
}

#[test]
fn client_asks_for_accounts_and_policy_but_no_shares() {
    require_lab!(Python);
    let expected = Expected {
        rules: CREDENTIAL_OUT,
        techniques: &["T1187"],
        shares: &[("IPC$", "accepted")],
        rpc: &[
            "lsarpc LsarOpenPolicy2 LsarQueryInformationPolicy",
            "samr SamrConnect SamrEnumerateDomainsInSamServer",
        ],
        ..LISTED
    };
    Stage::outbound().expect(
        Smbd::start,
        |pair| {
            let outcome = pair.impacket().run(&["samr", "lsarpc"]).unwrap();
            assert!(outcome.success() && outcome.output.contains("policy opened"), "{}", outcome.output);
        },
        &expected,
    );
}
