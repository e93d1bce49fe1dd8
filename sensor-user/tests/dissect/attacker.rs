//! Connections with hostile peers.

use sensor_dissect::{
    Dissector, FingerprintKey, Framing, Problem, Sender,
    facts::{MAX_CREDENTIALS, MAX_SHARES},
    smb2::Smb2Error,
};

fn dissector() -> Dissector {
    Dissector::new(FingerprintKey::new([3; 32]), Framing::NetBios)
}

fn packet(smb: &[u8]) -> Vec<u8> {
    [&(smb.len() as u32).to_be_bytes(), smb].concat()
}

/// An SMB2 message with the header's fields that matter here.
fn smb2(command: u16, response: bool, status: u32, message: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xFESMB\x40\0\0\0".to_vec();
    bytes.extend(status.to_le_bytes());
    bytes.extend(command.to_le_bytes());
    bytes.extend([1, 0]);
    bytes.extend(u32::from(response).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(message.to_le_bytes());
    bytes.resize(64, 0);
    bytes.extend(body);
    packet(&bytes)
}

fn tree_connect(path: &str, message: u64) -> Vec<u8> {
    let path: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut body = vec![9, 0, 0, 0, 72, 0];
    body.extend((path.len() as u16).to_le_bytes());
    body.extend(path);
    smb2(3, false, 0, message, &body)
}

#[test]
fn client_cannot_grant_itself_a_session_or_share() {
    let mut dissector = dissector();
    let setup = smb2(1, true, 0, 1, &[9, 0, 0, 0, 72, 0, 0, 0]);
    let share = smb2(3, true, 0, 2, &[16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for message in [setup, share] {
        let reading = dissector.message(Sender::Client, &message);
        assert!(
            matches!(reading.problem, Some(Problem::Smb2(Smb2Error::StructureSize { .. }))),
            "{reading:?}"
        );
        assert_eq!(reading.new, []);
    }
    let facts = dissector.facts();
    assert!(!facts.smb_spoken() && !facts.session() && !facts.share());
}

#[test]
fn answer_without_its_request_is_still_a_session() {
    let mut dissector = dissector();
    let reading = dissector.message(Sender::Server, &smb2(1, true, 0, 1, &[9, 0, 0, 0, 72, 0, 0, 0]));
    assert_eq!(reading.problem, None);
    assert!(dissector.facts().session() && dissector.facts().credentials.is_empty());
}

#[test]
fn answer_to_another_request_decides_nothing() {
    let mut dissector = dissector();
    dissector.message(Sender::Client, &tree_connect(r"\\h\s", 5));
    dissector.message(Sender::Server, &smb2(3, true, 0xC000_00CC, 6, &[9, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(dissector.facts().shares[0].outcome, None);
    dissector.message(Sender::Server, &smb2(3, true, 0xC000_00CC, 5, &[9, 0, 0, 0, 0, 0, 0, 0]));
    assert!(dissector.facts().shares[0].outcome.is_some());
}

#[test]
fn endless_requests_only_fill_their_lists() {
    let mut dissector = dissector();
    for number in 0..5000u64 {
        dissector.message(Sender::Client, &tree_connect(&format!(r"\\h\{number}"), number));
    }
    let facts = dissector.facts();
    assert_eq!(facts.shares.len(), MAX_SHARES);
    assert_eq!(facts.left_out, 5000 - MAX_SHARES as u32);
    assert!(facts.credentials.len() <= MAX_CREDENTIALS);
}

#[test]
fn written_file_contents_are_not_read_as_dce_rpc() {
    let mut dissector = dissector();
    // TREE_CONNECT of a disk, tree 0.
    dissector.message(Sender::Client, &tree_connect(r"\\h\files", 1));
    let disk = [16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    dissector.message(Sender::Server, &smb2(3, true, 0, 1, &disk));
    // A WRITE whose bytes are a bind to srvsvc.
    let mut bind = vec![5, 0, 11, 3, 0x10, 0, 0, 0, 52, 0, 0, 0, 1, 0, 0, 0];
    bind.extend([0xB8, 0x10, 0xB8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    bind.extend(0x4b324fc8u32.to_le_bytes());
    bind.extend([0x70, 0x16, 0xD3, 0x01, 0x12, 0x78, 0x5A, 0x47, 0xBF, 0x6E, 0xE1, 0x88, 3, 0, 0, 0]);
    let mut write = vec![49, 0, 112, 0];
    write.extend((bind.len() as u32).to_le_bytes());
    write.resize(48, 0);
    write.extend(&bind);
    let write = smb2(9, false, 0, 2, &write);
    dissector.message(Sender::Client, &write);
    assert!(dissector.facts().interfaces.is_empty());
    // In a connection whose trees are unknown, the same bytes belong to a pipe.
    let mut unknown = self::dissector();
    unknown.message(Sender::Client, &write);
    assert_eq!(unknown.facts().interfaces[0].name, Some("srvsvc"));
}
