//! Messages, byte for byte as far as the path reads them.

use sensor_common::smb::{SMB1, SMB2};

use super::SECRET;

/// Commands of SMB2 (MS-SMB2 2.2.1.2).
pub(crate) mod smb2 {
    pub(crate) const NEGOTIATE: u8 = 0;
    pub(crate) const SESSION_SETUP: u8 = 1;
    pub(crate) const LOGOFF: u8 = 2;
    pub(crate) const TREE_CONNECT: u8 = 3;
    pub(crate) const TREE_DISCONNECT: u8 = 4;
    pub(crate) const READ: u8 = 8;
    pub(crate) const WRITE: u8 = 9;
    pub(crate) const IOCTL: u8 = 11;
}

/// Commands of SMB1 (MS-CIFS 2.2.2.1).
pub(crate) mod smb1 {
    pub(crate) const READ: u8 = 0x0A;
    pub(crate) const WRITE: u8 = 0x0B;
    pub(crate) const TRANSACTION: u8 = 0x25;
    pub(crate) const READ_ANDX: u8 = 0x2E;
    pub(crate) const WRITE_ANDX: u8 = 0x2F;
    pub(crate) const TRANSACTION2: u8 = 0x32;
    pub(crate) const TREE_CONNECT: u8 = 0x70;
    pub(crate) const TREE_DISCONNECT: u8 = 0x71;
    pub(crate) const NEGOTIATE: u8 = 0x72;
    pub(crate) const SESSION_SETUP_ANDX: u8 = 0x73;
    pub(crate) const LOGOFF_ANDX: u8 = 0x74;
    pub(crate) const TREE_CONNECT_ANDX: u8 = 0x75;
    pub(crate) const NT_TRANSACT: u8 = 0xA0;
    pub(crate) const NT_CREATE_ANDX: u8 = 0xA2;
}

/// Types of DCE-RPC PDUs (C706 12.6.4).
pub(crate) mod rpc {
    pub(crate) const REQUEST: u8 = 0;
    pub(crate) const RESPONSE: u8 = 2;
    pub(crate) const FAULT: u8 = 3;
    pub(crate) const BIND: u8 = 11;
    pub(crate) const BIND_ACK: u8 = 12;
    pub(crate) const BIND_NAK: u8 = 13;
    pub(crate) const ALTER_CONTEXT: u8 = 14;
    pub(crate) const ALTER_CONTEXT_RESP: u8 = 15;
    pub(crate) const AUTH3: u8 = 16;
}

/// The sender.
pub(crate) const REQUEST: bool = false;
pub(crate) const REPLY: bool = true;

/// A session message (RFC 1002 4.3.1) of `length` bytes in all that begins with these; the rest counts up, so that no two
/// places look the same.
pub(crate) fn session_message(beginning: &[u8], length: usize) -> Vec<u8> {
    let [_, a, b, c] = ((length - 4) as u32).to_be_bytes();
    let mut message = vec![0, a, b, c];
    message.extend(beginning);
    assert!(message.len() <= length, "{length} bytes are too few");
    while message.len() < length {
        message.push((message.len() * 7 + message.len() / 256) as u8);
    }
    message
}

/// An SMB2 header (MS-SMB2 2.2.1.2).
pub(crate) fn smb2_header(command: u8, reply: bool) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..5].copy_from_slice(&[SMB2, b'S', b'M', b'B', 64]);
    header[12] = command;
    header[16] = u8::from(reply);
    header
}

/// An SMB2 message of `length` bytes in all.
pub(crate) fn of_smb2(command: u8, reply: bool, length: usize) -> Vec<u8> {
    session_message(&smb2_header(command, reply), length)
}

/// An SMB1 header (MS-CIFS 2.2.3.1).
pub(crate) fn smb1_header(command: u8, reply: bool) -> Vec<u8> {
    let mut header = vec![0; 32];
    header[..5].copy_from_slice(&[SMB1, b'S', b'M', b'B', command]);
    header[9] = if reply { 0x80 } else { 0x18 };
    header
}

/// An SMB1 message of `length` bytes in all.
pub(crate) fn of_smb1(command: u8, reply: bool, length: usize) -> Vec<u8> {
    session_message(&smb1_header(command, reply), length)
}

/// A message with `data` at `at`, counted from the session header.
fn with_data(header: Vec<u8>, at: usize, data: &[u8]) -> Vec<u8> {
    let mut beginning = header;
    beginning.resize(at - 4, 0);
    beginning.extend(data);
    let length = beginning.len() + 4;
    session_message(&beginning, length)
}

/// An SMB2 message with `data` at `at`.
pub(crate) fn smb2_with(command: u8, reply: bool, at: usize, data: &[u8]) -> Vec<u8> {
    with_data(smb2_header(command, reply), at, data)
}

/// An SMB1 message with `data` at `at`.
pub(crate) fn smb1_with(command: u8, reply: bool, at: usize, data: &[u8]) -> Vec<u8> {
    with_data(smb1_header(command, reply), at, data)
}

/// An SMB1 message with `data` at `at`, the offset of which from the SMB header is at `field`.
pub(crate) fn smb1_naming(command: u8, reply: bool, field: usize, at: usize, data: &[u8]) -> Vec<u8> {
    let mut message = smb1_with(command, reply, at, data);
    message[field..field + 2].copy_from_slice(&((at - 4) as u16).to_le_bytes());
    message
}

/// A DCE-RPC PDU of `length` bytes (C706 12.6.3.1). Bytes behind 24 of a request or an answer are secret.
pub(crate) fn pdu(kind: u8, length: usize) -> Vec<u8> {
    let [low, high] = (length as u16).to_le_bytes();
    let mut pdu = vec![5, 0, kind, 3, 0x10, 0, 0, 0, low, high, 0, 0, 1, 0, 0, 0];
    pdu.resize(length.min(24), 0x77);
    let carries_data = matches!(kind, rpc::REQUEST | rpc::RESPONSE | rpc::FAULT);
    let rest: Vec<u8> = if carries_data { contents(length) } else { vec![0x99; length] };
    pdu.extend(&rest[..length - pdu.len()]);
    pdu
}

/// This many bytes of a file.
pub(crate) fn contents(length: usize) -> Vec<u8> {
    SECRET.iter().copied().cycle().take(length).collect()
}
