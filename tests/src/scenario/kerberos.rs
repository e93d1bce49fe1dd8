//! A Kerberos ticket as a client presents it: AP-REQ in a GSS-API token (RFC 4120 5.5.1, RFC 4121 4.1), with encrypted parts that
//! are made up.

/// 1.2.840.113554.1.2.2, as it is encoded.
const KERBEROS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02];
/// Bytes of the encrypted parts: tickets of Windows have a few thousand in all.
const ENCRYPTED: usize = 1_500;

const INTEGER: u8 = 2;
const BIT_STRING: u8 = 3;
const OCTETS: u8 = 4;
const IDENTIFIER: u8 = 6;
const GENERAL_STRING: u8 = 0x1B;
const SEQUENCE: u8 = 0x30;

/// The token of a client for a file service.
pub(super) fn token(server: &str) -> Vec<u8> {
    let names = ["cifs", server].map(|part| element(GENERAL_STRING, part.as_bytes())).concat();
    let service = [numbered(0, &integer(2)), numbered(1, &element(SEQUENCE, &names))].concat();
    let ticket = [
        numbered(0, &integer(5)),
        numbered(1, &element(GENERAL_STRING, b"LAB.EXAMPLE")),
        numbered(2, &element(SEQUENCE, &service)),
        numbered(3, &encrypted()),
    ]
    .concat();
    let request = [
        numbered(0, &integer(5)),
        numbered(1, &integer(14)),
        numbered(2, &element(BIT_STRING, &[0, 0x20, 0, 0, 0])),
        numbered(3, &element(0x61, &element(SEQUENCE, &ticket))),
        numbered(4, &encrypted()),
    ]
    .concat();
    let request = element(0x6E, &element(SEQUENCE, &request));
    element(0x60, &[element(IDENTIFIER, KERBEROS), vec![1, 0], request].concat())
}

/// EncryptedData (RFC 4120 5.2.9), of AES.
fn encrypted() -> Vec<u8> {
    let parts = [numbered(0, &integer(18)), numbered(2, &element(OCTETS, &[0xEC; ENCRYPTED]))];
    element(SEQUENCE, &parts.concat())
}

fn integer(value: u8) -> Vec<u8> {
    element(INTEGER, &[value])
}

/// A numbered field.
fn numbered(number: u8, content: &[u8]) -> Vec<u8> {
    element(0xA0 + number, content)
}

/// An element of DER, its length in one byte, two or three (X.690 10.1).
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    let head = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head[..], content].concat()
}
