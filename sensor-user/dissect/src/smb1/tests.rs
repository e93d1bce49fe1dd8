use super::*;

/// A message; the blocks follow the header as they are.
pub(super) fn message(command: u8, response: bool, flags_2: u16, blocks: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xFFSMB".to_vec();
    bytes.extend([command, 0, 0, 0, 0, if response { 0x80 } else { 0 }]);
    bytes.extend(flags_2.to_le_bytes());
    bytes.resize(HEADER_LEN, 0);
    bytes.extend(blocks);
    bytes
}

/// The sender by the reply flag.
pub(super) const fn flagged(message: &[u8]) -> Sender {
    if message[9] & 0x80 == 0 { Sender::Client } else { Sender::Server }
}

#[test]
fn follows_a_chain_to_its_end() {
    // LOGOFF_ANDX followed by another one.
    let bytes = message(0x74, false, 0, &[2, 0x74, 0, 39, 0, 0, 0, 2, 0xFF, 0, 0, 0, 0, 0]);
    let read = read(&bytes, Sender::Client).unwrap();
    assert_eq!((read.commands.len(), read.broken), (2, None));
}

#[test]
fn ends_a_chain_that_goes_back() {
    let bytes = message(0x74, false, 0, &[2, 0x74, 0, 32, 0, 0, 0]);
    let read = read(&bytes, Sender::Client).unwrap();
    assert_eq!((read.commands.len(), read.broken), (1, Some(Smb1Error::Chain(32))));
}

#[test]
fn ends_a_chain_that_goes_into_an_earlier_command_or_behind_the_message() {
    for next in [33, 38, 60] {
        let bytes = message(0x74, false, 0, &[2, 0x74, 0, next, 0, 0, 0, 2, 0xFF, 0, 0, 0, 0, 0]);
        let read = read(&bytes, Sender::Client).unwrap();
        assert_eq!((read.commands.len(), read.broken), (1, Some(Smb1Error::Chain(next.into()))));
    }
}

#[test]
fn ends_an_endless_chain() {
    let mut blocks = Vec::new();
    for index in 1..100u16 {
        blocks.extend([2, 0x74, 0]);
        blocks.extend((HEADER_LEN as u16 + index * 7).to_le_bytes());
        blocks.extend([0, 0]);
    }
    let bytes = message(0x74, false, 0, &blocks);
    let read = read(&bytes, Sender::Client).unwrap();
    assert_eq!((read.commands.len(), read.broken), (MAX_CHAIN, Some(Smb1Error::TooMany)));
}

#[test]
fn distinguishes_dos_status_from_nt_status() {
    let mut bytes = message(0x73, true, 0, &[0, 0, 0]);
    bytes[5..9].copy_from_slice(&[2, 0, 2, 0]);
    assert_eq!(read(&bytes, Sender::Server).unwrap().status, Status::Dos { class: 2, code: 2 });
    bytes[11] = 0x40;
    assert_eq!(read(&bytes, Sender::Server).unwrap().status, Status::Nt(0x0002_0002));
}

#[test]
fn invalid_command_does_not_end_a_chain() {
    // SESSION_SETUP_ANDX with too few parameter words, then LOGOFF_ANDX.
    let bytes = message(0x73, false, 0, &[2, 0x74, 0, 39, 0, 0, 0, 2, 0xFF, 0, 0, 0, 0, 0]);
    let read = read(&bytes, Sender::Client).unwrap();
    assert_eq!(read.commands, [Body::Other(0x73), Body::Logoff]);
    assert!(matches!(read.broken, Some(Smb1Error::WordCount { words: 2, .. })));
}
