use super::*;
use crate::{
    FingerprintKey, Framing,
    facts::Method,
    kerberos::tests::{ap_req, offered},
    ntlmssp,
};

/// A PDU for srvsvc with this security trailer (MS-RPCE 2.2.2.4, 2.2.2.11).
fn unit(kind: u8, trailer: &[u8]) -> Vec<u8> {
    let mut body = vec![0xB8, 0x10, 0xB8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0];
    body.extend(uuid::Uuid::from_u128(0x4b324fc8_1670_01d3_1278_5a47bf6ee188).to_bytes_le());
    body.extend([3, 0, 0, 0]);
    body.extend([0; 20]);
    if kind == 16 {
        body = vec![0; 4];
    }
    if !trailer.is_empty() {
        body.extend([9, 5, 0, 0, 1, 0, 0, 0]);
    }
    let length = u16::try_from(16 + body.len() + trailer.len()).unwrap().to_le_bytes();
    let mut unit = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
    unit.extend(length);
    unit.extend(u16::try_from(trailer.len()).unwrap().to_le_bytes());
    unit.extend([1, 0, 0, 0]);
    unit.extend([&body, trailer].concat());
    unit
}

/// A request for operation 15 in context 2.
fn request() -> Vec<u8> {
    let mut unit = vec![5, 0, 0, 3, 0x10, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0];
    unit.extend([0, 0, 0, 0, 2, 0, 15, 0]);
    unit
}

/// NTLM AUTHENTICATE of a user with a response of version 1.
fn authenticate() -> Vec<u8> {
    let mut message = [ntlmssp::SIGNATURE.as_slice(), &3u32.to_le_bytes()].concat();
    for (length, at) in [(0u16, 64u32), (24, 64), (0, 64), (3, 88), (0, 64)] {
        message.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
        message.extend(at.to_le_bytes());
    }
    message.extend([0; 12]);
    message.extend([[7; 24].as_slice(), b"bob"].concat());
    message
}

fn dissector() -> Dissector {
    Dissector::new(FingerprintKey::new([3; 32]), Framing::DceRpc)
}

#[test]
fn finds_credentials_in_every_pdu_that_sets_up_security() {
    let ticket = ap_req("CORP.EXAMPLE", &["host", "dcom.corp.example"]);
    for kind in [11, 14, 16] {
        for (trailer, user, target) in [
            (offered(&ticket), None, Some("host/dcom.corp.example")),
            (ticket.clone(), None, Some("host/dcom.corp.example")),
            (authenticate(), Some("bob"), None),
        ] {
            let mut dissector = dissector();
            assert_eq!(dissector.message(Sender::Client, &unit(kind, &trailer)).problem, None);
            let [seen] = &dissector.facts().credentials[..] else { panic!("of kind {kind}") };
            assert_eq!((seen.user.as_deref(), seen.target.as_deref()), (user, target), "kind {kind}");
            assert_eq!(seen.method == Method::Kerberos, user.is_none());
        }
    }
}

#[test]
fn reads_all_pdus_of_a_message() {
    let mut dissector = dissector();
    let together = [unit(14, &offered(&ap_req("R", &["host", "h"]))), unit(16, &authenticate()), request()];
    assert_eq!(dissector.message(Sender::Client, &together.concat()).problem, None);
    assert_eq!(dissector.facts().credentials.len(), 2);
    assert_eq!(dissector.facts().interfaces[0].operations, [15]);
}

#[test]
fn bind_of_a_related_pipe_counts_for_its_handle() {
    let mut dissector = dissector();
    dissector.piped(Sender::Client, 1, RELATED_FILE, false, &unit(11, &[]));
    dissector.piped(Sender::Client, 1, 0x1234, false, &request());
    assert_eq!(dissector.facts().interfaces[0].operations, [15]);
}
