//! Damage in a capture is reported with its place, and the part before it counts.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use sensor_tests::{ByteOrder, Recording, link};

use crate::{documents, file, recorded, replay, session, stderr};

/// The capture of the first `frames` frames, as pcap.
/// Said of a broken file of which frames were read.
const KEPT: &str = "the part before was replayed";

fn first(session: &Recording, frames: usize) -> Vec<u8> {
    Recording { frames: session.frames[..frames].to_vec() }.pcap(ByteOrder::Little, false, link::ETHERNET)
}

#[track_caller]
fn reports(bytes: &[u8], words: &[&str]) -> std::process::Output {
    let (_folder, path) = file("broken.pcap", bytes);
    let output = replay(&[&path]);
    let log = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{log}");
    for word in words.iter().chain(&["broken.pcap"]) {
        assert!(log.contains(word), "no {word:?} in {log}");
    }
    output
}

#[test]
fn cut_capture_reports_its_whole_frames_and_where_it_stops() {
    let session = session();
    let whole = first(&session, session.frames.len());
    let mut end = 24;
    for (number, (_, frame)) in session.frames.iter().enumerate().step_by(9) {
        let begin: usize =
            24 + session.frames[..number].iter().map(|(_, frame)| 16 + frame.len()).sum::<usize>();
        let place = format!("at byte {begin}, after {number} frames");
        for cut in [begin + 1, begin + 15, begin + 16 + frame.len() / 2] {
            let output = reports(&whole[..cut], &[&place, "stops within a frame"]);
            let (_folder, path) = file("first.pcap", &first(&session, number));
            assert_eq!(documents(&output), documents(&replay(&[&path])), "{cut}");
        }
        end = begin;
    }
    assert!(end > 24);
}

#[test]
fn absurd_lengths_are_damage() {
    let session = session();
    for absurd in [262_145_u32, 0x7FFF_FFFF, u32::MAX] {
        let mut bytes = first(&session, 20);
        let place = bytes.len();
        let mut head = [[0; 4], [0; 4], absurd.to_le_bytes(), absurd.to_le_bytes()].concat();
        head.resize(600_000, 0xAA);
        bytes.extend(head);
        let output = reports(&bytes, &[&format!("at byte {place}, after 20 frames"), "frame"]);
        assert!(!output.stdout.is_empty());
    }
    let mut bytes = session.pcapng(ByteOrder::Little, false);
    let place = bytes.len();
    bytes.extend([6, 0, 0, 0, 0xF0, 0xFF, 0xFF, 0x7F]);
    bytes.resize(place + 700_000, 0);
    reports(&bytes, &[&format!("at byte {place}")]);
}

#[test]
fn frame_of_an_undescribed_interface_is_damage() {
    let mut session = session();
    session.frames.truncate(1);
    let mut bytes = session.pcapng(ByteOrder::Little, false);
    let place = 28 + 20;
    bytes[place + 8] = 9;
    reports(&bytes, &[&format!("at byte {place}, after 0 frames"), "interface"]);
}

#[test]
fn names_a_file_that_is_no_capture() {
    let empty = reports(&[], &["it is empty"]);
    assert!(!stderr(&empty).contains(KEPT), "{}", stderr(&empty));
    reports(&[0xD4, 0xC3, 0xB2, 0xA1, 2], &["ends within its header"]);
    reports(
        b"#!/bin/sh\necho this is no capture at all\n",
        &["begins with something else", "pcap or pcapng"],
    );
    let missing = replay(&["/nonexistent/x.pcap"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("/nonexistent/x.pcap"), "{}", stderr(&missing));
}

#[test]
fn cut_packed_capture_reports_its_readable_part() {
    let whole = first(&session(), session().frames.len());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&whole).unwrap();
    let packed = encoder.finish().unwrap();
    let output = reports(&packed[..packed.len() * 3 / 4], &["damaged at byte"]);
    assert!(!documents(&output).is_empty());
    assert!(stderr(&output).contains(KEPT), "{}", stderr(&output));
}

#[test]
fn broken_file_does_not_stop_the_others() {
    let (_folder, broken) = file("broken.pcap", b"nothing");
    let good = recorded("smb3_00.pcap");
    let good = good.to_str().unwrap();
    for files in [[broken.as_str(), good], [good, "/nonexistent/x.pcap"]] {
        let output = replay(&files);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(documents(&output), documents(&replay(&[good])));
        assert!(!stderr(&output).contains(KEPT), "nothing of the broken file was read: {}", stderr(&output));
    }
}

#[test]
fn noise_behind_a_good_beginning_never_hangs_or_panics() {
    let session = session();
    let good = session.pcapng(ByteOrder::Little, false);
    let mut seed = 0x1234_5678_u64;
    for _ in 0..24 {
        let mut bytes = good.clone();
        for _ in 0..20 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = 28 + (seed >> 33) as usize % (bytes.len() - 28);
            bytes[at] = (seed >> 25) as u8;
        }
        let (_folder, path) = file("noise.pcapng", &bytes);
        let output = replay(&[&path]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
        let _ = documents(&output);
    }
}

#[test]
fn capture_at_the_last_possible_timestamp_ends() {
    let mut session = session();
    let count = session.frames.len();
    for (time, _) in session.frames.iter_mut().skip(count / 2) {
        *time = u64::MAX;
    }
    let (_folder, path) = file("late.pcapng", &session.pcapng(ByteOrder::Little, false));
    let output = replay(&[&path]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
    assert!(!documents(&output).is_empty());
}
