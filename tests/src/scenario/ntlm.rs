//! The three messages of NTLM (MS-NLMP 2.2.1), with a response that is made up.

use super::smb2::{utf16, words};

/// Unicode, NTLM, always sign, extended session security, target information, version.
const FLAGS: u32 = 0x0000_0001 | 0x0000_0200 | 0x0000_8000 | 0x0008_0000 | 0x0080_0000 | 0x0200_0000;
/// Windows 10.0 build 19041, NTLM revision 15.
const VERSION: [u8; 8] = [10, 0, 0x61, 0x4A, 0, 0, 0, 15];

fn message(kind: u32) -> Vec<u8> {
    let mut message = b"NTLMSSP\0".to_vec();
    message.extend(kind.to_le_bytes());
    message
}

/// NEGOTIATE_MESSAGE.
pub(super) fn negotiate() -> Vec<u8> {
    let mut message = message(1);
    message.extend(FLAGS.to_le_bytes());
    message.extend([0; 16]);
    message.extend(VERSION);
    message
}

/// CHALLENGE_MESSAGE.
pub(super) fn challenge() -> Vec<u8> {
    let name = utf16("LAB");
    let information = target_information();
    let mut message = message(2);
    message.extend(field(name.len(), 56));
    message.extend(FLAGS.to_le_bytes());
    message.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    message.extend([0; 8]);
    message.extend(field(information.len(), 56 + name.len()));
    message.extend(VERSION);
    message.extend(name);
    message.extend(information);
    message
}

/// AUTHENTICATE_MESSAGE.
pub(super) fn authenticate(user: &str) -> Vec<u8> {
    let response = ntlmv2_response(user);
    let parts = [vec![0; 24], response, utf16("LAB"), utf16(user), utf16("PC-1"), vec![]];
    let mut message = message(3);
    let mut at = 88;
    for part in &parts {
        message.extend(field(part.len(), at));
        at += part.len();
    }
    message.extend(FLAGS.to_le_bytes());
    message.extend(VERSION);
    // No integrity code.
    message.extend([0; 16]);
    message.extend(parts.concat());
    message
}

/// MS-NLMP 2.2.2.8: a proof, made up from the user's name, and what it proves.
fn ntlmv2_response(user: &str) -> Vec<u8> {
    let mut response: Vec<u8> = user.bytes().cycle().take(16).collect();
    response.extend([1, 1, 0, 0, 0, 0, 0, 0]);
    response.extend([0x80; 8]);
    response.extend([0x33; 8]);
    response.extend([0; 4]);
    response.extend(target_information());
    response.extend([0; 4]);
    response
}

/// MS-NLMP 2.2.2.1: the domain's name and the end of the list.
fn target_information() -> Vec<u8> {
    let name = utf16("LAB");
    let mut pairs = words(&[2, name.len() as u16]);
    pairs.extend(name);
    pairs.extend([0; 4]);
    pairs
}

fn field(length: usize, offset: usize) -> Vec<u8> {
    let mut field = words(&[length as u16, length as u16]);
    field.extend((offset as u32).to_le_bytes());
    field
}
