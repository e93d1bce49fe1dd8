use std::sync::Arc;

use sensor_common::slot::{Side, TCP};
use uuid::Uuid;

use super::*;
use crate::{
    alert::{Context, document::tests::FLOW, document::tests::assert_valid, flow_document},
    config::ServicePorts,
    detect::fixtures::flow,
    dissect::{
        facts::{Dialect, Server, Signing},
        netbios_name::NetbiosName,
        ntlmssp::TargetInformation,
        smb2::Contexts,
    },
    flow::{Evidence, Flow},
};

/// A conversation in which each end said of itself whatever it can.
pub(crate) fn everything_told() -> Flow {
    let mut facts = Facts {
        smb1: true,
        smb2: true,
        dialect: Some(Dialect::Smb2(0x0311)),
        signing: Some(Signing::Required),
        signed: true,
        netbios: Some((name("*SMBSERVER", 0x20), name("DESK", 0x00))),
        server: Server {
            target: Some("LAB".into()),
            names: TargetInformation {
                netbios_computer: Some("FILES".into()),
                netbios_domain: Some("LAB".into()),
                dns_computer: Some("files.lab.example".into()),
                dns_domain: Some("lab.example".into()),
                dns_forest: Some("example".into()),
                target: None,
            },
            guid: Some(Uuid::from_bytes([2; 16])),
            contexts: Contexts {
                kinds: vec![2, 3, 8],
                ciphers: vec![0],
                compression: vec![3, 4],
                signing: vec![0xBEEF],
                netname: None,
            },
            native_os: Some("Unix".into()),
            native_lan_manager: Some("Samba".into()),
            ..Server::default()
        },
        sessions: 2,
        logoffs: 1,
        ..Facts::default()
    };
    facts.client.signing = Some(Signing::Enabled);
    facts.client.guid = Some(Uuid::from_bytes([1; 16]));
    facts.client.native_os = Some("Windows 5.1".into());
    facts.client.native_lan_manager = Some("Windows 2000 LAN Manager".into());
    facts.client.contexts = Contexts {
        kinds: vec![2, 3, 5, 8],
        ciphers: vec![4, 2, 7],
        compression: vec![1, 5, 0],
        signing: vec![2, 1, 0],
        netname: Some("files".into()),
    };
    telling(facts)
}

fn name(name: &str, suffix: u8) -> NetbiosName {
    NetbiosName { name: name.into(), suffix }
}

fn telling(facts: Facts) -> Flow {
    let mut flow = flow(TCP, "10.0.0.2:139", "8.8.4.4:50000", Side::Remote, Evidence::Data);
    flow.facts = Some(Arc::new(facts));
    flow
}

fn told(flow: &Flow) -> Value {
    let sight = Sight::of(flow, &ServicePorts::default()).unwrap();
    let document = flow_document(&sight, None, &Context::for_tests());
    assert_valid(FLOW, &document);
    document
}

#[test]
fn what_both_ends_said_of_themselves_stands_in_the_document() {
    let document = told(&everything_told());
    let expected = json!({
        "dialect": "3.1.1",
        "versions": [1, 2],
        "client_os": "Windows 5.1",
        "client_lan_manager": "Windows 2000 LAN Manager",
        "client_guid": "01010101-0101-0101-0101-010101010101",
        "client_signing": "enabled",
        "client_ciphers": ["AES-256-GCM", "AES-128-GCM", "0x0007"],
        "client_signing_algorithms": ["AES-GMAC", "AES-CMAC", "HMAC-SHA256"],
        "client_compression_algorithms": ["LZNT1", "LZ4", "NONE"],
        "server_os": "Unix",
        "server_lan_manager": "Samba",
        "server_name": "FILES",
        "server_dns_name": "files.lab.example",
        "server_domain": "LAB",
        "server_dns_domain": "lab.example",
        "server_dns_forest": "example",
        "server_target_name": "LAB",
        "server_called": "files",
        "server_guid": "02020202-0202-0202-0202-020202020202",
        "server_signing": "required",
        "server_ciphers": ["NONE"],
        "server_signing_algorithms": ["0xbeef"],
        "server_compression_algorithms": ["LZ77+Huffman", "Pattern_V1"],
        "signed": true,
        "sessions": 2,
        "logoffs": 1,
    });
    assert_eq!(document["smb_sensor"]["smb"], expected);
}

#[test]
fn the_request_of_a_session_says_who_is_called_and_who_calls() {
    let document = told(&everything_told());
    let expected = json!({
        "session": {
            "called": { "name": "*SMBSERVER", "suffix": "0x20", "role": "file server" },
            "calling": { "name": "DESK", "suffix": "0x00", "role": "workstation" },
        },
    });
    assert_eq!(document["smb_sensor"]["netbios"], expected);
    assert_eq!(document["related"]["hosts"], json!(["FILES", "files.lab.example", "DESK"]));
}

#[test]
fn what_nobody_said_is_not_there() {
    let mut facts = Facts { smb2: true, ..Facts::default() };
    facts.server.target = Some(String::new());
    let document = told(&telling(facts));
    assert_eq!(document["smb_sensor"]["smb"], json!({ "versions": [2] }));
    assert!(document["smb_sensor"].get("netbios").is_none());
    assert!(document["related"].get("hosts").is_none());

    let unsigned = told(&telling(Facts { signing: Some(Signing::Off), ..Facts::default() }));
    assert_eq!(unsigned["smb_sensor"]["smb"], json!({ "server_signing": "off" }));
}
