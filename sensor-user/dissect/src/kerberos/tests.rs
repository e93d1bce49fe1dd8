use super::*;
use crate::{
    security::{self, Blob},
    spnego::Mechanism,
};

/// The encrypted part of the ticket and of the authenticator.
pub(crate) const TICKET: &[u8] = b"ENCRYPTED-TICKET";
const AUTHENTICATOR: &[u8] = b"ENCRYPTED-AUTHENTICATOR";

/// Identifiers of mechanisms, as they are encoded.
const KERBEROS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02];
const KERBEROS_WINDOWS_2000: &[u8] = &[0x2A, 0x86, 0x48, 0x82, 0xF7, 0x12, 0x01, 0x02, 0x02];
const SPNEGO: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x02];

/// An element of DER, its length in one byte, two or three.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// A numbered field.
fn numbered(number: u8, content: &[u8]) -> Vec<u8> {
    der(tag::CONTEXT + number, &[content])
}

fn integer(value: u8) -> Vec<u8> {
    der(2, &[&[value]])
}

/// EncryptedData (RFC 4120 5.2.9), of AES.
fn encrypted(content: &[u8]) -> Vec<u8> {
    let cipher = der(tag::OCTETS, &[content]);
    der(tag::SEQUENCE, &[&numbered(0, &integer(18)), &numbered(2, &cipher)])
}

/// AP-REQ (RFC 4120 5.5.1) with a ticket of a realm for a service.
pub(crate) fn ap_req(realm: &str, service: &[&str]) -> Vec<u8> {
    let names: Vec<_> = service.iter().map(|part| der(tag::GENERAL_STRING, &[part.as_bytes()])).collect();
    let names = der(tag::SEQUENCE, &[&names.concat()]);
    let service = der(tag::SEQUENCE, &[&numbered(0, &integer(2)), &numbered(1, &names)]);
    let realm = der(tag::GENERAL_STRING, &[realm.as_bytes()]);
    let ticket = der(
        tag::SEQUENCE,
        &[
            &numbered(0, &integer(5)),
            &numbered(1, &realm),
            &numbered(2, &service),
            &numbered(3, &encrypted(TICKET)),
        ],
    );
    let options = der(3, &[&[0, 0x20, 0, 0, 0]]);
    let request = der(
        tag::SEQUENCE,
        &[
            &numbered(0, &integer(5)),
            &numbered(1, &integer(14)),
            &numbered(2, &options),
            &numbered(3, &der(0x61, &[&ticket])),
            &numbered(4, &encrypted(AUTHENTICATOR)),
        ],
    );
    der(0x6E, &[&request])
}

/// A message in a GSS-API token (RFC 4121 4.1).
fn in_gss_api(kind: u8, message: &[u8]) -> Vec<u8> {
    der(tag::APPLICATION, &[&der(tag::OID, &[KERBEROS]), &[kind, 0], message])
}

/// A token in a NegTokenInit that offers Kerberos, as Windows does.
fn in_spnego(token: &[u8]) -> Vec<u8> {
    let offered = [der(tag::OID, &[KERBEROS_WINDOWS_2000]), der(tag::OID, &[KERBEROS])].concat();
    let mechanisms = numbered(0, &der(tag::SEQUENCE, &[&offered]));
    let token = numbered(2, &der(tag::OCTETS, &[token]));
    let negotiation = numbered(0, &der(tag::SEQUENCE, &[&mechanisms, &token]));
    der(tag::APPLICATION, &[&der(tag::OID, &[SPNEGO]), &negotiation])
}

/// An AP-REQ as a client's security blob has it: in GSS-API, in SPNEGO.
pub(crate) fn offered(request: &[u8]) -> Vec<u8> {
    in_spnego(&in_gss_api(1, request))
}

fn files() -> Vec<u8> {
    ap_req("CORP.EXAMPLE", &["cifs", "files.corp.example"])
}

#[test]
fn ticket_names_realm_and_service_in_any_wrapper() {
    let request = files();
    let blobs = [request.clone(), in_gss_api(1, &request), in_spnego(&request), offered(&request)];
    for blob in &blobs {
        let read = security::read(blob).unwrap();
        let Blob::Kerberos(KerberosToken::Request { realm, service, bytes }) = read else {
            panic!("{read:?}")
        };
        assert_eq!(realm.as_deref(), Some("CORP.EXAMPLE"));
        assert_eq!(service.as_deref(), Some("cifs/files.corp.example"));
        assert_eq!(bytes, Some(request.as_slice()), "the same fingerprint, whatever is around it");
    }
}

#[test]
fn cut_ticket_gives_whole_names_or_none_and_no_fingerprint() {
    let whole = offered(&files());
    let mut with_service = 0;
    for length in 0..whole.len() {
        let Ok(Blob::Kerberos(KerberosToken::Request { realm, service, bytes })) =
            security::read(&whole[..length])
        else {
            continue;
        };
        assert!(realm.as_deref().is_none_or(|realm| realm == "CORP.EXAMPLE"), "{realm:?}");
        assert!(service.as_deref().is_none_or(|name| name == "cifs/files.corp.example"), "{service:?}");
        assert_eq!(bytes, None, "{length} of {} bytes", whole.len());
        with_service += usize::from(service.is_some());
    }
    assert!(with_service > TICKET.len(), "a snap length that ends in the ticket leaves its names");
}

#[test]
fn limits_parts_of_a_service_name_and_drops_control_characters() {
    let request = ap_req("R\u{1b}[2J", &["a", "b", "c", "d", "e"]);
    let KerberosToken::Request { realm, service, .. } = read(&[&[1, 0], &*request].concat()) else {
        panic!("no request")
    };
    assert_eq!(service.as_deref(), Some("a/b/c/d"));
    assert!(realm.is_some_and(|realm| !realm.contains(char::is_control)));
}

#[test]
fn distinguishes_replies_and_errors_from_requests() {
    let of = |kind| security::read(&in_gss_api(kind, &[0x30, 0])).map(|blob| format!("{blob:?}"));
    assert_eq!(of(2), Ok("Kerberos(Reply)".to_owned()));
    assert_eq!(of(3), Ok("Kerberos(Error)".to_owned()));
    assert_eq!(of(9), Ok("Kerberos(Other)".to_owned()));
    assert_eq!(security::read(&[0x6F, 0]), Ok(Blob::Kerberos(KerberosToken::Reply)));
}

#[test]
fn spnego_with_kerberos_and_another_token_gives_the_offer() {
    let blob = in_spnego(b"another");
    assert_eq!(security::read(&blob), Ok(Blob::Mechanisms(vec![Mechanism::Kerberos, Mechanism::Kerberos])));
}

#[test]
fn refuses_bytes_that_only_begin_like_a_ticket() {
    assert_eq!(request(b"neither"), KerberosToken::Other);
    assert_eq!(request(&[0x6E, 2, 4, 0]), KerberosToken::Other);
}
