use super::*;
use crate::{
    negoex::tests::message as negoex_message,
    security::{self, Blob},
    spnego::Mechanism,
};

/// The encrypted part of the ticket and of the authenticator.
pub(crate) const TICKET: &[u8] = b"ENCRYPTED-TICKET";
const AUTHENTICATOR: &[u8] = b"ENCRYPTED-AUTHENTICATOR";

/// Identifiers of mechanisms, as they are encoded.
const KERBEROS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02];
const KERBEROS_WINDOWS_2000: &[u8] = &[0x2A, 0x86, 0x48, 0x82, 0xF7, 0x12, 0x01, 0x02, 0x02];
const IAKERB: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x02, 0x05];
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

#[test]
fn reads_a_ticket_with_long_lengths() {
    /// Writes every length with four bytes.
    fn longer(bytes: &[u8]) -> Vec<u8> {
        let element = element(bytes).unwrap();
        let content = if element.tag & 0x20 != 0 {
            elements(element.content).flat_map(|part| longer(&der(part.tag, &[part.content]))).collect()
        } else {
            element.content.to_vec()
        };
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[element.tag, 0x84], &length[..], &content].concat()
    }
    let request = longer(&files());
    let blob = longer(&in_spnego(&in_gss_api(1, &request)));
    let Ok(Blob::Kerberos(KerberosToken::Request { realm, service, .. })) = security::read(&blob) else {
        panic!("no ticket")
    };
    assert_eq!(
        (realm.as_deref(), service.as_deref()),
        (Some("CORP.EXAMPLE"), Some("cifs/files.corp.example"))
    );
}

/// AS-REQ (RFC 4120 5.4.1) of a user of a realm.
fn as_req(realm: &str, user: &str) -> Vec<u8> {
    let names = der(tag::SEQUENCE, &[&der(tag::GENERAL_STRING, &[user.as_bytes()])]);
    let user = der(tag::SEQUENCE, &[&numbered(0, &integer(1)), &numbered(1, &names)]);
    let realm = der(tag::GENERAL_STRING, &[realm.as_bytes()]);
    let options = numbered(0, &der(3, &[&[0, 0, 0, 0, 0]]));
    let body = der(tag::SEQUENCE, &[&options, &numbered(1, &user), &numbered(2, &realm)]);
    let request = [numbered(1, &integer(5)), numbered(2, &integer(10)), numbered(4, &body)].concat();
    der(0x6A, &[&der(tag::SEQUENCE, &[&request])])
}

/// A message for the KDC in a token of IAKERB.
pub(crate) fn by_way_of_the_server(realm: &str, user: &str) -> Vec<u8> {
    let header = der(tag::SEQUENCE, &[&numbered(1, &der(0x0C, &[realm.as_bytes()]))]);
    der(tag::APPLICATION, &[&der(tag::OID, &[IAKERB]), &[5, 1], &header, &as_req(realm, user)])
}

#[test]
fn iakerb_names_its_client() {
    let asked =
        KerberosToken::Proxied { user: Some("ann".to_owned()), realm: Some("CORP.EXAMPLE".to_owned()) };
    let blob = in_spnego(&by_way_of_the_server("CORP.EXAMPLE", "ann"));
    assert_eq!(security::read(&blob), Ok(Blob::Kerberos(asked)));
    for length in 0..blob.len() {
        if let Ok(Blob::Kerberos(KerberosToken::Proxied { user, realm })) = security::read(&blob[..length]) {
            assert!(
                user.is_none_or(|user| user == "ann") && realm.is_none_or(|realm| realm == "CORP.EXAMPLE")
            );
        }
    }
    let ticket = der(tag::APPLICATION, &[&der(tag::OID, &[IAKERB]), &[1, 0], &files()]);
    assert!(matches!(security::read(&ticket), Ok(Blob::Kerberos(KerberosToken::Request { .. }))));
}

#[test]
fn reads_a_ticket_inside_negoex() {
    let exchange = in_gss_api(1, &files());
    let token = [negoex_message(0, &[0; 32]), negoex_message(5, &exchange)].concat();
    assert!(matches!(
        security::read(&in_spnego(&token)),
        Ok(Blob::Kerberos(KerberosToken::Request { realm: Some(realm), .. })) if realm == "CORP.EXAMPLE"
    ));
    let nothing = in_spnego(&negoex_message(2, b"certificates"));
    assert!(matches!(security::read(&nothing), Ok(Blob::Mechanisms(_))));
}
