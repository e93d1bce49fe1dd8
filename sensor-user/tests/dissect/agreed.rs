//! Known content of the captures, from how they were made.

use sensor_dissect::{
    facts::{Credential, Dialect, Method, Outcome},
    ntlmssp::ResponseKind,
    status::Status,
};

use sensor_core::rules::windows_client;

use crate::corpus::{captures, connection, connections};

const LOGON_FAILURE: Outcome = Outcome::Refused(Status::Nt(0xC000_006D));

#[test]
fn wrong_password_is_an_attempt_and_no_session() {
    for name in ["wrongpw", "is-wrong"] {
        let facts = connection(name).facts;
        assert!(facts.authentication_attempted() && !facts.session(), "{name}");
        assert_eq!(facts.credentials[0].outcome, Some(LOGON_FAILURE), "{name}");
        assert_eq!(facts.credentials[0].user.as_deref(), Some("equser"), "{name}");
        assert!(facts.credentials[0].fingerprint.is_some(), "{name}");
    }
}

#[test]
fn anonymous_session_proves_nothing_and_is_a_session() {
    let facts = connection("anon-ipc").facts;
    assert_eq!(facts.credentials[0].method, Method::Ntlm(ResponseKind::Anonymous));
    assert!(!facts.authentication_attempted() && facts.session() && facts.share());
    assert_eq!(facts.credentials[0].fingerprint, None);
}

#[test]
fn distinguishes_a_guest_from_a_user() {
    for name in ["guest", "guest-baduser"] {
        let facts = connection(name).facts;
        assert!(
            facts.credentials.iter().any(|credential| credential.outcome == Some(Outcome::AcceptedAsGuest))
                || facts.credentials.iter().all(Credential::is_anonymous),
            "{name}: {:?}",
            facts.credentials
        );
    }
}

#[test]
fn distinguishes_ntlmv1_from_ntlmv2() {
    for name in ["smb1-ntlmv1", "smb1-nospnego-v1"] {
        assert_eq!(connection(name).facts.credentials[0].method, Method::Ntlm(ResponseKind::V1), "{name}");
    }
    assert_eq!(connection("list-ntlmv2").facts.credentials[0].method, Method::Ntlm(ResponseKind::V2));
}

#[test]
fn names_every_dialect() {
    for (name, dialect) in [("smb2_02", 0x0202), ("smb2_10", 0x0210), ("smb3_00", 0x0300), ("smb6", 0x0311)] {
        assert_eq!(connection(name).facts.dialect, Some(Dialect::Smb2(dialect)), "{name}");
    }
    assert!(matches!(connection("smb1").facts.dialect, Some(Dialect::Smb1(_))));
}

#[test]
fn encrypted_session_shows_its_user_and_no_share() {
    let facts = connection("smb3-enc").facts;
    assert!(facts.encrypted && facts.session() && facts.shares.is_empty());
    assert_eq!(facts.credentials[0].user.as_deref(), Some("equser"));
}

#[test]
fn split_messages_give_the_same_facts_as_whole_ones() {
    let (whole, split) = (connection("smb4445").facts, connection("smallmss-xdp").facts);
    assert_eq!(whole.dialect, split.dialect);
    assert_eq!(whole.credentials.len(), split.credentials.len());
    assert_eq!(whole.shares, split.shares);
    assert!(split.session());
}

#[test]
fn names_share_enumeration() {
    for name in ["list-ntlmv2", "rpc445", "imp-client445-smb1"] {
        let facts = connection(name).facts;
        let srvsvc = facts.interfaces.iter().find(|interface| interface.name == Some("srvsvc")).unwrap();
        let called: Vec<_> =
            srvsvc.operations.iter().filter_map(|number| srvsvc.operation(*number)).collect();
        assert!(called.iter().any(|operation| operation.starts_with("NetrShareEnum")), "{name}: {called:?}");
    }
}

#[test]
fn reads_the_endpoint_mapper_without_netbios() {
    let all = connections("rpc135-epm");
    let interfaces: Vec<_> = all.iter().flat_map(|recorded| &recorded.facts.interfaces).collect();
    assert_eq!(interfaces[0].name, Some("epmapper"));
    assert!(!interfaces[0].operations.is_empty());
}

#[test]
fn netbios_session_names_both_ends() {
    let facts = connection("smb139").facts;
    let (called, _) = facts.netbios.unwrap();
    assert_eq!(called.suffix, 0x20);
}

#[test]
fn no_message_of_a_real_peer_is_a_problem() {
    for path in captures() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        for recorded in connections(name) {
            assert_eq!(recorded.problems, [], "{name}");
        }
    }
}

#[test]
fn no_other_client_is_taken_for_windows() {
    for path in captures() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        for recorded in connections(name) {
            assert_eq!(windows_client::grounds(&recorded.facts), None, "{name}: {:?}", recorded.facts.client);
        }
    }
}
