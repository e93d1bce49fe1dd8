mod build;

use rustls::quic;

use self::build::{ID, Initial, crypto, hello, hex, sample_hello};
use super::*;

fn read_all(datagrams: &[Vec<u8>]) -> Option<ClientHello> {
    let mut initials = ClientInitials::default();
    datagrams.iter().find_map(|datagram| match initials.read(datagram) {
        Reading::Hello(hello) => Some(hello),
        _ => None,
    })
}

/// Whether the datagram offers SMB.
fn offers_smb(datagrams: &[Vec<u8>]) -> bool {
    read_all(datagrams).is_some_and(|hello| hello.offers_smb())
}

/// RFC 9001 A.2 and RFC 9369 A.2: the same ClientHello in both versions. Its header and its tag, which seals all the rest, are
/// those of the samples.
#[test]
fn reads_the_sample_packets_of_both_versions() {
    let samples = [
        (
            (quic::Version::V1, Version::V1),
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
            "e221af44860018ab0856972e194cd934",
        ),
        (
            (quic::Version::V2, Version::V2),
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
            "a18b2faa745b6fe189cf772a9f84cbfc",
        ),
    ];
    for ((wire, version), beginning, end) in samples {
        let sample =
            Initial { version: wire, number: 2, ..Initial::new() }.build(&crypto(0, &sample_hello()));
        assert_eq!(sample.len(), 1_200);
        assert!(sample.starts_with(&hex(beginning)) && sample.ends_with(&hex(end)), "{version:?}");
        let hello = read_all(&[sample]).unwrap();
        let expected =
            ClientHello { version, server_name: Some("example.com".into()), protocols: vec!["alpn".into()] };
        assert_eq!(hello, expected);
        assert!(!hello.offers_smb());
    }
}

#[test]
fn smb_is_found_among_other_protocols_wherever_it_stands() {
    let one = |protocols: &[&str]| Initial::new().build(&crypto(0, &hello(protocols)));
    assert!(offers_smb(&[one(&["smb"])]));
    assert!(offers_smb(&[one(&["h3", "smb"])]));
    assert!(offers_smb(&[one(&[&["x"; 100][..], &["smb"]].concat())]));
    assert!(!offers_smb(&[one(&["h3", "smbx", "SMB"])]));
    let many = read_all(&[one(&["x"; 100])]).unwrap();
    assert!(many.protocols.len() < 100, "{many:?}");
}

#[test]
fn name_of_a_server_that_is_none_hides_nothing() {
    let mut message = hello(&["smb"]);
    let at = message.windows(11).position(|bytes| bytes == b"example.com").unwrap();
    message[at..at + 11].copy_from_slice(b"a\x1b[31m \"; b");
    let read = read_all(&[Initial::new().build(&crypto(0, &message))]).unwrap();
    assert_eq!((read.offers_smb(), read.server_name), (true, None));
}

#[test]
fn hello_in_several_packets_is_put_together_in_any_order() {
    let long = hello(&[&["a-long-name-of-a-protocol"; 80][..], &["smb"]].concat());
    let parts: Vec<_> = [0..700, 700..1_400, 1_400..long.len()]
        .into_iter()
        .enumerate()
        .map(|(number, range)| {
            Initial { number: number as u32, ..Initial::new() }.build(&crypto(range.start, &long[range]))
        })
        .collect();
    assert!(offers_smb(&parts));
    assert!(offers_smb(&[parts[2].clone(), parts[0].clone(), parts[1].clone()]));
    assert!(!offers_smb(&parts[..2]), "the last part has it");
    // Behind the server's answer, packets carry an ID of the server.
    let late = Initial { number: 2, id: vec![9; 8], ..Initial::new() }.build(&crypto(1_400, &long[1_400..]));
    assert!(offers_smb(&[parts[0].clone(), parts[1].clone(), late]));
}

#[test]
fn coalesced_packets_are_read() {
    let smb = hello(&["smb"]);
    let first = Initial { payload: 0, ..Initial::new() }.build(&crypto(0, &smb[..100]));
    let second = Initial { payload: 0, number: 1, ..Initial::new() }.build(&crypto(100, &smb[100..]));
    let zero_rtt = [&[0xD0, 0, 0, 0, 1, 8][..], &ID, &[0, 40], &[7; 40]].concat();
    assert!(offers_smb(&[[&first[..], &second].concat()]));
    assert!(offers_smb(&[[&first[..], &zero_rtt, &second].concat()]));
    let retry = [&[0xF0, 0, 0, 0, 1, 8][..], &ID, &[0; 30]].concat();
    assert!(!offers_smb(&[[&first[..], &retry, &second].concat()]), "the end of a Retry is not known");
    let short = [&first[..], &[0x40; 30], &second].concat();
    assert!(!offers_smb(&[short]), "nor is that of a packet with a short header");
}

#[test]
fn hello_behind_a_retry_has_other_keys() {
    let smb = hello(&["smb"]);
    let before = Initial::new().build(&crypto(0, &smb[..100]));
    let id = vec![5; 12];
    let after = Initial { id: id.clone(), keys_of: id, token: vec![3; 60], ..Initial::new() };
    let after = after.build(&crypto(0, &smb));
    assert!(offers_smb(&[before, after.clone()]));
    assert!(offers_smb(&[after]));
}

#[test]
fn damaged_and_other_packets_are_nothing() {
    let smb = Initial::new().build(&crypto(0, &hello(&["smb"])));
    let mut initials = ClientInitials::default();
    for at in [10, 18, 300, 1_199] {
        let mut damaged = smb.clone();
        damaged[at] ^= 1;
        assert!(matches!(initials.read(&damaged), Reading::Nothing), "{at}");
    }
    for length in [0, 1, 5, 6, 17, 20, 30, 1_199] {
        assert!(matches!(initials.read(&smb[..length]), Reading::Nothing), "{length}");
    }
    let server = Initial::new().build(&crypto(0, &[2, 0, 0, 4, 0, 0, 0, 0]));
    assert!(matches!(ClientInitials::default().read(&server), Reading::Nothing), "no ClientHello");
    let broken = Initial::new().build(&crypto(0, &[1, 0, 0, 4, 0, 0, 0, 0]));
    assert!(matches!(ClientInitials::default().read(&broken), Reading::Nothing), "a broken one");
}

#[test]
fn client_that_never_finishes_is_given_up() {
    let part = |number: u32| {
        let at = 100 + 2 * number as usize;
        Initial { number, ..Initial::new() }.build(&crypto(at, &[0]))
    };
    let mut initials = ClientInitials::default();
    for number in 0..u32::from(MAX_DATAGRAMS) {
        assert!(matches!(initials.read(&part(number)), Reading::Unfinished));
    }
    assert!(matches!(initials.read(&part(99)), Reading::Nothing));
}

/// Set to rewrite the files instead of comparing them.
const WRITE: &str = "SMB_SENSOR_WRITE_GOLDEN";

/// Datagrams for tests of other crates.
#[test]
fn stored_datagrams_are_what_a_client_sends() {
    let smb = hello(&["smb"]);
    let rest = Initial { number: 1, ..Initial::new() }.build(&crypto(100, &smb[100..]));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/quic");
    for (name, datagram) in [
        ("smb", Initial::new().build(&crypto(0, &smb))),
        ("web", Initial::new().build(&crypto(0, &hello(&["h3"])))),
        ("first-part", Initial::new().build(&crypto(0, &smb[..100]))),
        ("second-part", rest),
    ] {
        let path = folder.join(format!("{name}.bin"));
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&path, &datagram).unwrap();
        }
        assert!(std::fs::read(&path).is_ok_and(|kept| kept == datagram), "{name}: set {WRITE} to rewrite it");
    }
}
