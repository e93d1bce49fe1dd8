use super::*;

/// An AUTHENTICATE with the given payload fields, in the order LM, NT, domain, user, workstation.
fn authenticate_message(fields: [&[u8]; 5], flags: u32) -> Vec<u8> {
    let mut message = [SIGNATURE.as_slice(), &3u32.to_le_bytes()].concat();
    let mut payload: Vec<u8> = Vec::new();
    for field in fields {
        let length = (field.len() as u16).to_le_bytes();
        message.extend([length, length].concat());
        message.extend((72 + payload.len() as u32).to_le_bytes());
        payload.extend(field);
    }
    message.extend([0; 8]);
    message.extend(flags.to_le_bytes());
    message.extend([10, 0, 0x61, 0x4A, 0, 0, 0, 15]);
    message.extend(payload);
    message
}

fn read_authenticate(message: &[u8]) -> Authenticate<'_> {
    match read(message).unwrap() {
        Message::Authenticate(authenticate) => authenticate,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_names_version_and_protocol() {
    let message = authenticate_message(
        [&[0; 24], &[7; 24], b"E\0Q\0", b"u\0", b"W\0S\0"],
        flag::UNICODE | flag::VERSION,
    );
    let seen = read_authenticate(&message);
    assert_eq!(seen.domain.as_deref(), Some("EQ"));
    assert_eq!(seen.user.as_deref(), Some("u"));
    assert_eq!(seen.workstation.as_deref(), Some("WS"));
    assert_eq!(seen.version.unwrap().to_string(), "10.0.19041");
    assert_eq!((seen.kind, seen.response), (ResponseKind::V1, Some([7; 24].as_slice())));
}

#[test]
fn no_response_is_anonymous_and_a_long_one_is_version_2() {
    let anonymous = authenticate_message([&[0], &[], &[], &[], &[]], flag::UNICODE);
    assert_eq!(read_authenticate(&anonymous).kind, ResponseKind::Anonymous);
    let mut response = vec![1; NTLMV2_ATTRIBUTES];
    response.extend([9, 0, 4, 0, b'h', 0, b'i', 0, 0, 0, 0, 0]);
    let version_2 = authenticate_message([&[0; 24], &response, &[], b"u\0", &[]], flag::UNICODE);
    let seen = read_authenticate(&version_2);
    assert_eq!((seen.kind, seen.target.as_deref()), (ResponseKind::V2, Some("hi")));
}

#[test]
fn cut_message_gives_its_complete_fields() {
    let whole = authenticate_message([&[0; 24], &[7; 90], b"D\0", b"u\0", b"w\0"], flag::UNICODE);
    for length in 0..whole.len() {
        match read(&whole[..length]) {
            Ok(Message::Authenticate(seen)) => {
                assert!(length >= 52 && seen.user.is_none_or(|user| user == "u"));
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert!(length < 52, "{length}: {error}"),
        }
    }
}

#[test]
fn false_offsets_give_no_names() {
    let mut message = authenticate_message([&[0; 24], &[7; 24], b"D\0", b"u\0", b"w\0"], flag::UNICODE);
    // The user's offset points beyond the end; the domain's length covers the whole message.
    message[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    message[28..30].copy_from_slice(&u16::MAX.to_le_bytes());
    let seen = read_authenticate(&message);
    assert_eq!((seen.user, seen.domain), (None, None));
    assert_eq!(seen.workstation.as_deref(), Some("w"));
}

#[test]
fn reads_unterminated_attributes_as_far_as_possible() {
    let names = attributes(&[1, 0, 2, 0, b'A', 0, 2, 0, 200, 0, b'B', 0]);
    assert_eq!(names.netbios_computer.as_deref(), Some("A"));
    assert_eq!(names.netbios_domain, None);
}

#[test]
fn refuses_a_broken_message_by_name() {
    assert_eq!(read(b"NTLMSSP\0\x09\0\0\0"), Err(NtlmError::Kind(9)));
    assert_eq!(read(b"NTLMSSQ\0\x01\0\0\0"), Err(NtlmError::Signature));
}

#[test]
fn response_outside_the_message_is_of_unknown_protocol() {
    let whole = authenticate_message([&[0; 24], &[7; 90], b"D\0", b"u\0", &[]], flag::UNICODE);
    let with = |at: usize, value: &[u8]| {
        let mut message = whole.clone();
        message[at..at + value.len()].copy_from_slice(value);
        let seen = read_authenticate(&message);
        (seen.kind, seen.response.is_some(), seen.user)
    };
    let user = || Some("u".to_owned());
    assert_eq!(with(0, b"N"), (ResponseKind::V2, true, user()));
    // Length, then offset, of the NT response.
    assert_eq!(with(20, &u16::MAX.to_le_bytes()), (ResponseKind::Unknown, false, user()));
    assert_eq!(with(24, &u32::MAX.to_le_bytes()), (ResponseKind::Unknown, false, user()));
    assert_eq!(with(24, &8u32.to_le_bytes()).0, ResponseKind::Unknown, "it would begin in the fixed fields");
    assert_eq!(with(20, &40u16.to_le_bytes()).0, ResponseKind::Unknown, "too short for version 2");
    let mut lm_alone = authenticate_message([&[5; 24], &[], &[], b"u\0", &[]], flag::UNICODE);
    assert_eq!(read_authenticate(&lm_alone).kind, ResponseKind::V1);
    lm_alone[16..20].copy_from_slice(&4000u32.to_le_bytes());
    assert_eq!(read_authenticate(&lm_alone).kind, ResponseKind::Unknown);
}

#[test]
fn version_of_ones_is_none() {
    let mut message = authenticate_message([&[0; 24], &[7; 24], &[], b"u\0", &[]], flag::VERSION);
    assert!(read_authenticate(&message).version.is_some());
    message[64..68].copy_from_slice(&[0xFF; 4]);
    assert_eq!(read_authenticate(&message).version, None);
}
