//! SMB over QUIC in a capture: both engines count the same packets of it.

use std::{fs, path::PathBuf};

use sensor_tests::{ByteOrder, Frame, Recording, last_of_each, link, number, privileged, replayed, text};
use sensor_user::{config::Config, replay::EngineChoice};
use tempfile::TempDir;

use crate::engines::assert_engines_agree;

const SMB: &[u8] = include_bytes!("../../../sensor-user/dissect/fixtures/quic/smb.bin");
const WEB: &[u8] = include_bytes!("../../../sensor-user/dissect/fixtures/quic/web.bin");
const CLIENT: &str = "10.0.0.2:50000";
const SERVER: &str = "8.8.4.4:443";
const MILLISECOND: u64 = 1_000_000;
/// Packets of each side behind the first one.
const PACKETS: u64 = 200;

/// A connection with SMB and one with the web, of the same server and at the same time.
fn capture() -> (TempDir, PathBuf) {
    let short = Frame::udp(CLIENT, SERVER).payload(&[0x40; 1_000]).build();
    let back = Frame::udp(SERVER, CLIENT).payload(&[0x40; 100]).build();
    let web = Frame::udp("10.0.0.2:50001", SERVER).payload(&[0x40; 1_000]).build();
    let mut frames = vec![
        Frame::udp(CLIENT, SERVER).payload(SMB).build(),
        Frame::udp("10.0.0.2:50001", SERVER).payload(WEB).build(),
    ];
    for _ in 0..PACKETS {
        frames.extend([short.clone(), back.clone(), web.clone()]);
    }
    let start = 1_800_000_000_000 * MILLISECOND;
    let timed = frames.into_iter().zip(0..).map(|(frame, number)| (start + number * MILLISECOND, frame));
    let recording = Recording { frames: timed.collect() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quic.pcap");
    fs::write(&path, recording.pcap(ByteOrder::Little, true, link::ETHERNET)).unwrap();
    (folder, path)
}

#[test]
fn replay_counts_every_packet_behind_the_offer_and_none_of_the_web() {
    let (_folder, path) = capture();
    let host = replayed(&path, EngineChoice::Host, &Config::default()).unwrap();
    let [incident] = last_of_each(&host.documents)[..] else { panic!("{:#?}", host.documents) };
    assert_eq!(text(incident, "/rule/id"), "smb-over-quic");
    assert_eq!(number(incident, "/smb_sensor/volume/left_bytes"), PACKETS * 1_000);
    assert_eq!(number(incident, "/smb_sensor/volume/came_bytes"), PACKETS * 100);
    assert_eq!(number(incident, "/network/packets"), 2 * PACKETS);
    let flows = host.documents.iter().filter(|one| text(one, "/event/action") == "network_flow");
    let protocols: Vec<_> = flows.map(|one| text(one, "/network/protocol")).collect();
    assert_eq!(protocols, ["quic"]);
    assert!(host.played.statistics.adds_up());
}

#[test]
fn both_engines_agree_on_quic() {
    if !privileged("both_engines_agree_on_quic") {
        return;
    }
    let (_folder, path) = capture();
    assert!(assert_engines_agree(&path, &Config::default()) >= 3);
}
