//! Recorded messages with changed bytes: a short run of the fuzz targets in `fuzz/`, with the same numbers every time.

use sensor_dissect::{
    Dissector, Facts, FingerprintKey, Framing, Sender, datagram, dcerpc, facts, http, nbss, netbios_datagram,
    netbios_name, ntlmssp, security, smb1, smb2, spnego,
    stream::{MAX_BUFFERED, Piece, Stream},
};

use crate::corpus::payloads;

/// Inputs that each parser gets.
const INPUTS: usize = 20_000;

/// Pseudo-random numbers (xorshift, Marsaglia 2003) from a fixed seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Changes a few bytes, preferring values that break lengths; sometimes cuts, repeats or joins two inputs.
fn mutate(numbers: &mut Numbers, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(bytes.len());
        match numbers.below(10) {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_slice(&other[numbers.below(other.len())..]),
            2 => {
                let end = at + numbers.below(64).min(bytes.len() - at);
                let repeated = bytes[at..end].to_vec();
                bytes.splice(at..at, repeated);
            }
            3..=5 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF][numbers.below(6)],
            6..=7 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            _ if !bytes.is_empty() => bytes[at] = numbers.next() as u8,
            _ => {}
        }
    }
    bytes.truncate(20_000);
}

/// Gives `parse` mutated messages: from their beginning and from a marker, so that inner parsers get their own.
fn run(marker: &[u8], mut parse: impl FnMut(&[u8])) {
    let messages: Vec<Vec<u8>> = payloads()
        .into_iter()
        .filter_map(|(_, payload)| {
            let at = payload.windows(marker.len().max(1)).position(|window| window.starts_with(marker))?;
            Some(payload[at..].to_vec())
        })
        .collect();
    assert!(messages.len() > 5, "no recorded message holds {marker:02x?}");
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for _ in 0..INPUTS {
        let mut bytes = messages[numbers.below(messages.len())].clone();
        let other = &messages[numbers.below(messages.len())];
        mutate(&mut numbers, &mut bytes, other);
        parse(&bytes);
    }
}

#[test]
fn netbios_session_packets() {
    run(&[0], |bytes| drop(nbss::read(bytes)));
}

#[test]
fn netbios_names() {
    run(&[0, 1, 0, 0], |bytes| drop(netbios_name::read(bytes)));
    run(&[0x20], |bytes| drop(netbios_name::read(&[&[0; 12], bytes].concat())));
}

#[test]
fn netbios_datagrams() {
    run(&[0x11, 0x0A], |bytes| drop(netbios_datagram::read(bytes)));
}

#[test]
fn answers_of_the_name_service_after_their_questions() {
    const QUESTION: [u8; 12] = [0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    const ANSWER: [u8; 12] = [0, 7, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    run(&[0x20], |bytes| {
        let mut known = facts::Datagrams::default();
        for (from, head) in [(Sender::Client, QUESTION), (Sender::Server, ANSWER)] {
            datagram::read(&mut known, from, &[&head, bytes].concat());
        }
        assert!(known.exchanges.len() <= 1, "one question and its answer");
    });
}

#[test]
fn smb1_messages() {
    run(b"\xFFSMB", |bytes| {
        for from in [Sender::Client, Sender::Server] {
            if let Ok(message) = smb1::read(bytes, from) {
                assert!(message.commands.len() <= smb1::MAX_CHAIN);
            }
        }
    });
}

#[test]
fn smb2_messages() {
    run(b"\xFESMB", |bytes| {
        for from in [Sender::Client, Sender::Server] {
            let mut count = 0;
            let _ = smb2::read(bytes, from, |_| count += 1);
            assert!(count <= smb2::MAX_COMPOUND);
        }
        let _ = smb2::hidden(bytes);
    });
}

#[test]
fn ntlm_messages() {
    run(ntlmssp::SIGNATURE, |bytes| drop(ntlmssp::read(bytes)));
}

#[test]
fn spnego_tokens() {
    for marker in [[0x60, 0x48].as_slice(), &[0xA1, 0x81], &[0xA1, 0x82], &[0x60]] {
        if payloads()
            .iter()
            .filter(|(_, payload)| payload.windows(2).any(|two| two.starts_with(marker)))
            .count()
            > 5
        {
            run(marker, |bytes| {
                let _ = spnego::read(bytes);
                let _ = security::read(bytes);
            });
        }
    }
}

#[test]
fn dce_rpc_units() {
    run(&[5, 0], |bytes| drop(dcerpc::read(bytes)));
}

#[test]
fn streams_keep_within_their_bounds() {
    let mut numbers = Numbers(7);
    for framing in [Framing::NetBios, Framing::DceRpc, Framing::Http] {
        let mut stream = Stream::new(framing);
        run(&[0], |bytes| {
            let piece = Piece {
                sequence: numbers.below(60_000) as u32,
                bytes,
                missing: if numbers.below(8) == 0 { numbers.below(70_000) as u32 } else { 0 },
                starts_message: numbers.below(3) == 0,
                last: numbers.below(16) == 0,
                ..Piece::default()
            };
            for joined in stream.piece(piece) {
                assert!(joined.bytes.len() <= MAX_BUFFERED);
            }
            assert!(stream.held() <= MAX_BUFFERED, "{}", stream.held());
        });
    }
}

#[test]
fn connections_keep_within_their_bounds() {
    let fresh = || Dissector::new(FingerprintKey::new([0; 32]), Framing::NetBios);
    let (mut dissector, mut numbers, mut count) = (fresh(), Numbers(11), 0);
    run(&[0, 0], |bytes| {
        let from = if numbers.below(2) == 0 { Sender::Client } else { Sender::Server };
        let reading = dissector.message(from, bytes);
        assert!(reading.new.len() < 600, "{}", reading.new.len());
        count += 1;
        if count % 500 == 0 {
            check(dissector.facts());
            dissector = fresh();
        }
    });
}

/// Checks that lists keep their bounds and text has no control characters.
fn check(facts: &Facts) {
    assert!(facts.credentials.len() <= facts::MAX_CREDENTIALS);
    assert!(facts.shares.len() <= facts::MAX_SHARES);
    assert!(facts.interfaces.len() <= facts::MAX_INTERFACES);
    assert!(facts.session_statuses.len() <= facts::MAX_STATUSES);
    for contexts in [&facts.client.contexts, &facts.server.contexts] {
        for list in [&contexts.kinds, &contexts.ciphers, &contexts.compression, &contexts.signing] {
            assert!(list.len() <= 16, "{}", list.len());
        }
    }
    let texts =
        facts.credentials.iter().flat_map(|one| [&one.user, &one.domain, &one.workstation, &one.target]);
    let (client, server) = (&facts.client, &facts.server);
    let names = &server.names;
    let of_the_ends = [
        &client.native_os,
        &client.native_lan_manager,
        &client.contexts.netname,
        &server.native_os,
        &server.native_lan_manager,
        &server.target,
        &names.netbios_computer,
        &names.netbios_domain,
        &names.dns_computer,
        &names.dns_domain,
        &names.dns_forest,
    ];
    let netbios = facts.netbios.iter().flat_map(|(called, calling)| [&called.name, &calling.name]);
    let shares = facts.shares.iter().map(|share| &share.path);
    for text in texts.chain(of_the_ends).flatten().chain(shares).chain(netbios) {
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(text.len() < 2000, "{}", text.len());
    }
}

#[test]
fn heads_of_http() {
    let head = b"HTTP/1.1 401 U\r\nWWW-Authenticate: NTLM TlRMTVNTUAACAAAA\r\nUser-Agent: DavClnt\r\n\r\n";
    let (mut numbers, mut read) = (Numbers(13), 0);
    for _ in 0..INPUTS {
        let mut bytes = head.to_vec();
        for _ in 0..numbers.below(4) {
            let at = numbers.below(bytes.len());
            bytes[at] = numbers.next() as u8;
        }
        bytes.truncate(1 + numbers.below(2 * head.len()));
        read += usize::from(http::read(&bytes).is_ok());
    }
    assert!(read > INPUTS / 10, "{read}");
}
