//! The kernel's program and the host's code give the same for every capture.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use sensor_common::counter::Counter;
use sensor_core::time::Timestamp;
use sensor_tests::{ByteOrder, Recording, captures_below, link, privileged, replayed};
use sensor_user::{config::Config, exempt::Exemption, replay::EngineChoice};

use crate::session;

/// Environment variable with a folder of further captures.
const FOLDER: &str = "SMB_SENSOR_CAPTURES";

#[track_caller]
pub(crate) fn assert_engines_agree(path: &Path, config: &Config) -> usize {
    let host = replayed(path, EngineChoice::Host, config).unwrap();
    let kernel = replayed(path, EngineChoice::Kernel, config).unwrap();
    assert_eq!(host.documents, kernel.documents, "{}", path.display());
    assert_eq!(host.damage, kernel.damage);
    let counts = |played: &sensor_user::replay::player::Played| played.statistics.to_string();
    assert_eq!(counts(&host.played), counts(&kernel.played), "{}", path.display());
    assert!(host.played.statistics.adds_up(), "{}", path.display());
    host.documents.len()
}

#[test]
fn both_engines_agree_on_every_capture() {
    if !privileged("both_engines_agree_on_every_capture") {
        return;
    }
    let mut captures = captures_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")).unwrap();
    if let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) {
        captures.extend(captures_below(&folder).unwrap());
    }
    assert!(captures.len() > 40, "{captures:?}");
    let total: usize = captures.iter().map(|path| assert_engines_agree(path, &Config::default())).sum();
    assert!(total > 80, "{total} documents");
}

#[test]
fn both_engines_agree_on_broken_frames() {
    if !privileged("both_engines_agree_on_broken_frames") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 42_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize
    };
    for round in 0..6 {
        let mut session = session();
        for (_, frame) in &mut session.frames {
            // Some are cut, some have a changed byte, some are long enough for several buffers.
            match random() % 4 {
                0 => frame.truncate(random() % frame.len()),
                1 => {
                    let at = random() % frame.len();
                    frame[at] = random() as u8;
                }
                2 => frame.resize(frame.len() + random() % 70_000, 0x5A),
                _ => {}
            }
        }
        let path = folder.path().join(format!("{round}.pcap"));
        fs::write(&path, session.pcap(ByteOrder::Little, false, link::ETHERNET)).unwrap();
        assert_engines_agree(&path, &Config::default());
    }
}

/// The kernel engine passes no frame on that the fast path knows to be of no interest: which those are changes with the first message
/// on a port, whatever the frame is like in which that came.
#[test]
fn both_engines_agree_on_a_session_at_another_port() {
    if !privileged("both_engines_agree_on_a_session_at_another_port") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut session = session();
    let is_of_server = |frame: &[u8], at: usize| frame[at..at + 2] == 445_u16.to_be_bytes();
    for (_, frame) in &mut session.frames {
        for at in [34, 36] {
            if is_of_server(frame, at) {
                frame[at..at + 2].copy_from_slice(&8_445_u16.to_be_bytes());
            }
        }
    }
    let path = folder.path().join("other-port.pcap");
    let assert_agreed = |session: &Recording| {
        fs::write(&path, session.pcap(ByteOrder::Little, false, link::ETHERNET)).unwrap();
        assert_engines_agree(&path, &Config::default());
        replayed(&path, EngineChoice::Kernel, &Config::default()).unwrap().played.statistics
    };
    let plain = assert_agreed(&session).kernel.get(Counter::Kept);
    assert!(
        plain > 20 && plain < session.frames.len() as u64,
        "{plain}: those before the first message are not"
    );
    let first = session.frames.len() as u64 - plain;
    let (_, frame) = &mut session.frames[first as usize];
    frame.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
    assert_eq!(assert_agreed(&session).kernel.get(Counter::Kept), plain);
}

/// Frames as segmentation offload leaves them: without a length of the IP packet, and longer than one buffer.
#[test]
fn both_engines_count_offloaded_frames_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session();
    let data = session.frames.iter_mut().filter(|(_, frame)| frame[12..14] == [8, 0] && frame.len() > 200);
    let mut offloaded = 0;
    for (_, frame) in data {
        frame[16..18].fill(0);
        frame.resize(9_000, 0);
        offloaded += frame.len() as u64;
    }
    let path = folder.path().join("offloaded.pcap");
    fs::write(&path, session.pcap(ByteOrder::Little, false, link::ETHERNET)).unwrap();
    let host = replayed(&path, EngineChoice::Host, &Config::default()).unwrap();
    let counted: u64 = host
        .documents
        .iter()
        .filter(|document| document.pointer("/event/action") == Some(&"network_flow".into()))
        .filter_map(|document| document.pointer("/network/bytes")?.as_u64())
        .sum();
    assert!(offloaded > 40_000 && counted > offloaded * 9 / 10, "{counted} of {offloaded}");
    if privileged("both_engines_count_offloaded_frames_whole") {
        assert_engines_agree(&path, &Config::default());
    }
}

#[test]
fn exemption_ends_in_the_middle_of_a_capture_in_both_engines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.pcap");
    let session = session();
    fs::write(&path, session.pcap(ByteOrder::Little, false, link::ETHERNET)).unwrap();
    let before = session.frames.len() / 2;
    let (middle, _) = session.frames[before];
    let exemption = Exemption {
        expires: Some(Timestamp::from_unix_nanos(middle as i64)),
        ..Exemption::between("10.0.0.0/8".parse().ok(), None, "test")
    };
    let config = Config { exemptions: vec![exemption], ..Config::default() };
    let result = replayed(&path, EngineChoice::Host, &config).unwrap();
    let kernel = &result.played.statistics.kernel;
    assert_eq!(kernel.get(Counter::ExemptSource), before as u64, "{}", result.played.statistics);
    assert!(!result.documents.is_empty(), "what came later is judged");
    if privileged("exemption_ends_in_the_middle_of_a_capture_in_both_engines") {
        assert_engines_agree(&path, &config);
    }
}
