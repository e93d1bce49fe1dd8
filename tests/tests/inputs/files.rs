//! Invalid files and directories.

use std::fs;

use sensor_tests::{ByteOrder, Recording, link};

use super::{run, says, text};

/// A capture of the workspace.
const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/samba/wrongpw.pcap");

#[test]
fn reports_invalid_utf8_in_a_configuration_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let explain = |words: &[&str]| says(&["explain", "10.0.0.1", "--config", text(&path)], 1, words);
    fs::write(&path, b"flow_documents = true\noutput = \"/tmp/\xff\"\n").unwrap();
    explain(&["c.toml", "line 2, column 16", "not UTF-8", "save it as UTF-8"]);
    fs::write(&path, b"\xff\xfea\x00").unwrap();
    explain(&["c.toml", "UTF-16", "save it as UTF-8"]);
    fs::write(&path, "[lists]\nsites = \"sites.txt\"\n").unwrap();
    fs::write(folder.path().join("sites.txt"), b"10.0.0.0/8 # B\xfcro\n10.1.\xff\n").unwrap();
    explain(&["sites.txt, line 2", "not UTF-8", "save it as UTF-8"]);
    fs::write(folder.path().join("sites.txt"), b"\xff\xfe1\x000\x00").unwrap();
    explain(&["sites.txt", "UTF-16", "save it as UTF-8"]);
    fs::remove_file(&path).unwrap();
    fs::write(folder.path().join("exemptions.toml"), b"# \xff\n").unwrap();
    says(
        &["exempt", "--state-dir", text(folder.path()), "list"],
        1,
        &["exemptions.toml", "line 1", "not UTF-8"],
    );
}

#[test]
fn explains_a_damaged_packed_capture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    let packed = |bytes: &[u8], words: &[&str]| {
        fs::write(&path, bytes).unwrap();
        let (code, output) = run(&["replay", text(&path)]);
        assert!(code == 1 && words.iter().all(|word| output.contains(word)), "{words:?}: {output}");
        for raw in ["Error(", "Error {", "deflate", "to fill whole"] {
            assert!(!output.contains(raw), "{output}");
        }
    };
    let magic = [0x28, 0xB5, 0x2F, 0xFD];
    // A compressed block without its content (RFC 8878 3.1.1.2).
    packed(
        &[&magic[..], &[0x20, 0x40, 0x05, 0x01, 0x00]].concat(),
        &["zstd", "ends too early", "pack it again"],
    );
    // One with invalid literals.
    let mut nonsense = [&magic[..], &[0x20, 0x40, 0x85, 0x01, 0x00]].concat();
    nonsense.resize(80, 0xFF);
    packed(&nonsense, &["zstd", "damaged", "pack it again"]);
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &fs::read(CAPTURE).unwrap()).unwrap();
    let gzip = gzip.finish().unwrap();
    packed(&gzip[..gzip.len() / 2], &["gzip", "ends too early", "pack it again"]);
    let mut flipped = gzip;
    let last = flipped.len() - 6;
    flipped[last] ^= 0xFF;
    packed(&flipped, &["gzip", "damaged", "pack it again"]);
}

#[test]
fn capture_without_a_readable_frame_is_a_failure() {
    let session = Recording::of(CAPTURE.as_ref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wifi.pcap");
    fs::write(&path, session.pcap(ByteOrder::Little, false, 105)).unwrap();
    let words = ["wifi.pcap", "none of its 14 frames", "link type 105", "was not analysed"];
    says(&["replay", text(&path)], 1, &words);
    says(&["replay", CAPTURE, text(&path)], 1, &["smb-to-internet", "none of its 14 frames"]);
    // Beside an interface with readable frames, it is only reported.
    let mut mixed = session.pcapng(ByteOrder::Little, false);
    let interface = [1u32, 20, 105, 0, 20].map(u32::to_le_bytes).concat();
    let head = [6u32, 36, 1, 0, 0, 4, 4].map(u32::to_le_bytes).concat();
    mixed.extend([interface, head, vec![0; 4], 36u32.to_le_bytes().to_vec()].concat());
    fs::write(&path, mixed).unwrap();
    says(&["replay", text(&path)], 0, &["smb-to-internet", "link type 105", "1 frame left out"]);
    fs::write(&path, Recording { frames: vec![] }.pcap(ByteOrder::Little, false, link::RAW)).unwrap();
    says(&["replay", text(&path)], 0, &["replayed 0 frames"]);
}

#[test]
fn every_command_names_a_state_directory_that_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for command in [
        "run --iface nope",
        "alerts",
        "enforce status",
        "explain 10.0.0.1",
        "exempt list",
        "exempt add --source 10.0.0.1 --reason x",
    ] {
        let mut arguments: Vec<_> = command.split(' ').collect();
        arguments.extend(["--state-dir", text(&file)]);
        says(&arguments, 2, &["--state-dir", text(&file), "is no directory", "name a directory"]);
    }
    says(&["replay", CAPTURE, "--state-dir", text(&file)], 2, &["is no directory"]);
    let config = folder.path().join("c.toml");
    fs::write(&config, format!("state_dir = \"{}\"\n", text(&file))).unwrap();
    says(
        &["explain", "10.0.0.1", "--config", text(&config)],
        1,
        &["line 1", "`state_dir`", "is no directory"],
    );
}

#[test]
fn names_an_empty_or_foreign_database_and_leaves_it_alone() {
    let state = tempfile::tempdir().unwrap();
    let database = state.path().join("smb-sensor.db");
    let alerts = ["alerts", "--state-dir", text(state.path())];
    says(&alerts, 1, &["there is no database in", text(state.path())]);
    fs::write(&database, "").unwrap();
    says(&alerts, 1, &["smb-sensor.db"]);
    assert_eq!(fs::metadata(&database).unwrap().len(), 0);
    fs::write(&database, "this is no database at all").unwrap();
    says(&alerts, 1, &["smb-sensor.db", "not a database"]);
    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    says(&alerts, 1, &["smb-sensor.db"]);
}

#[test]
fn reports_an_unclosed_quote_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    fs::write(&path, "[[threat_list]]\nname = \"feed\"\nfile = \"feed.csv\"\nformat = \"csv\"\n").unwrap();
    let explain = |words: &[&str], code| {
        says(&["check", "--config", text(&path)], code, words);
    };
    fs::write(folder.path().join("feed.csv"), "8.8.4.0/24,fine\n9.9.9.9,\"open\n1.1.1.1,other\n").unwrap();
    explain(&["feed.csv, line 2", "quote", "not closed"], 1);
}
