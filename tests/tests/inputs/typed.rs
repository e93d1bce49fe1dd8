//! Options: networks, ports, times, names.

use std::path::Path;

use sensor_tests::{ByteOrder, Recording, link};

use super::{run, says, text};

/// The exit code of an invalid command line.
const USAGE: i32 = 2;

/// `exempt add` with a reason.
#[track_caller]
fn add(state: &Path, entry: &str, code: i32, words: &[&str]) {
    let mut arguments = vec!["exempt", "--state-dir", text(state), "add", "--reason", "nightly copies"];
    arguments.extend(entry.split_whitespace());
    says(&arguments, code, words);
}

#[track_caller]
fn trial(state: &Path, question: &str, code: i32, words: &[&str]) {
    let mut arguments = vec!["exempt", "--state-dir", text(state), "test"];
    arguments.extend(question.split_whitespace());
    says(&arguments, code, words);
}

#[test]
fn refuses_an_exemption_of_everything_until_narrowed() {
    let state = tempfile::tempdir().unwrap();
    let advice = ["covers everything", "--service", "nothing was changed"];
    for everything in [
        "--source 0.0.0.0/0",
        "--source ::/0",
        "--destination 0.0.0.0/0",
        "--source 0.0.0.0/1,128.0.0.0/1",
        "--source 0.0.0.0/0 --destination 0.0.0.0/0,::/0",
        "",
    ] {
        add(state.path(), everything, 1, &advice);
    }
    for narrowed in [
        "--source 0.0.0.0/0 --destination 8.8.4.4",
        "--source 0.0.0.0/0 --service 4445",
        "--source ::/0 --process backupd",
    ] {
        add(state.path(), narrowed, 0, &["exempt "]);
    }
    let config = state.path().join("c.toml");
    std::fs::write(&config, "[[exempt]]\nsource = \"::/0\"\nreason = \"x\"\n").unwrap();
    says(&["explain", "10.0.0.1", "--config", text(&config)], 1, &["c.toml", "line 1", "covers everything"]);
}

#[test]
fn every_option_reads_networks_alike() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("empty.pcap");
    std::fs::write(&capture, Recording { frames: vec![] }.pcap(ByteOrder::Little, false, link::ETHERNET))
        .unwrap();
    let state = text(folder.path());
    says(&["replay", "--internal", "9.9.9.9", text(&capture)], 0, &[]);
    for (arguments, code) in [
        (["replay", "--internal", "10.0.0.5/8", text(&capture)].as_slice(), USAGE),
        (&["run", "--internal", "10.0.0.5/8", "--iface", "nope"], USAGE),
        (&["replay", "--rewrite", "10.0.0.5/8=11.0.0.0/8", text(&capture)], USAGE),
        (&["alerts", "--internal", "10.0.0.5/8", "--state-dir", state], USAGE),
        (&["exempt", "--state-dir", state, "add", "--source", "10.0.0.5/8", "--reason", "x"], 1),
    ] {
        says(arguments, code, &["10.0.0.5/8", "did you mean 10.0.0.0/8?"]);
    }
}

#[test]
fn trial_accepts_a_port_with_its_transport() {
    let state = tempfile::tempdir().unwrap();
    add(state.path(), "--source 10.0.0.0/8 --service netbios --id names", 0, &[]);
    trial(state.path(), "10.0.0.1 8.8.4.4 --port 137/udp", 0, &["exempt by names"]);
    trial(state.path(), "10.0.0.1 8.8.4.4 --port 137", 0, &["exempt by names"]);
    trial(
        state.path(),
        "10.0.0.1 8.8.4.4 --port 137/tcp",
        1,
        &["port 137/tcp", "smb on port 137 is not netbios"],
    );
    trial(state.path(), "10.0.0.1 8.8.4.4 --port 445/udp", 1, &["445/udp", "not watched"]);
    trial(state.path(), "10.0.0.1 8.8.4.4 --port x", USAGE, &["--port", "1 to 65535"]);
}

#[test]
fn listing_starts_at_a_duration_a_date_or_a_time() {
    let nothing = tempfile::tempdir().unwrap();
    let since = |when| run(&["alerts", "--state-dir", text(nothing.path()), "--since", when]);
    for when in ["2h", "2026-11-20", "2026-11-20T08:00:00Z", "2026-11-20T08:00:00+01:00"] {
        let (code, output) = since(when);
        assert!(code == 1 && output.contains("there is no database"), "{when}: {output}");
    }
    let (code, output) = since("yesterday");
    assert_eq!(code, USAGE);
    assert!(
        ["24h", "2026-01-31", "2026-01-31T08:00:00Z"].iter().all(|form| output.contains(form)),
        "{output}"
    );
}

#[test]
fn refuses_an_unknown_rule_or_level_and_lists_the_known_ones() {
    says(
        &["alerts", "--rule", "nosuch"],
        USAGE,
        &["--rule", "smb-to-internet", "smb-sweep", "netography-external-access"],
    );
    says(&["alerts", "--evidence", "nosuch"], USAGE, &["--evidence", "credential"]);
}

#[test]
fn explains_ipv4_in_another_form() {
    let state = tempfile::tempdir().unwrap();
    add(
        state.path(),
        "--source ::ffff:10.1.2.3 --id mapped",
        0,
        &["10.1.2.3", "::ffff:10.1.2.3 is the IPv4"],
    );
    trial(state.path(), "10.1.2.3 8.8.4.4", 0, &["exempt by mapped"]);
    trial(state.path(), "::ffff:10.1.2.3 8.8.4.4", 0, &["exempt by mapped", "::ffff:10.1.2.3 is the IPv4"]);
    trial(state.path(), "::ffff:10.1.2.4 8.8.4.4", 1, &["::ffff:10.1.2.4 is the IPv4"]);
    let explain = ["explain", "--state-dir", text(state.path()), "::ffff:10.1.2.3"];
    says(&explain, 0, &["10.1.2.3 (IPv4-mapped", "treated as that", "mapped"]);
}

#[test]
fn refuses_a_process_that_can_never_match() {
    let state = tempfile::tempdir().unwrap();
    for (process, reason) in [
        ("bin/backup", "whole path"),
        ("./backup", "whole path"),
        ("/opt/../bin/backup", "as the kernel shows it"),
        ("averyverylongname", "averyverylongna"),
    ] {
        let entry = format!("--source 10.0.0.1 --process {process}");
        add(state.path(), &entry, USAGE, &["--process", process, reason]);
        let config = state.path().join("c.toml");
        let text_of = format!("[[exempt]]\nprocess = \"{process}\"\nreason = \"x\"\n");
        std::fs::write(&config, text_of).unwrap();
        says(&["explain", "10.0.0.1", "--config", text(&config)], 1, &["line 2", "`process`", reason]);
    }
    add(state.path(), "--process exactlyfifteen_", 0, &["exempt"]);
    add(state.path(), "--process /usr/sbin/a-program-with-a-long-name", 0, &["exempt"]);
}

#[test]
fn names_the_option_of_a_wrong_argument() {
    let state = tempfile::tempdir().unwrap();
    let wrong = |entry: &[&str], option: &str, words: &[&str]| {
        let mut arguments = vec!["exempt", "--state-dir", text(state.path()), "add"];
        arguments.extend(entry);
        let (code, output) = run(&arguments);
        assert!(code != 0 && output.contains(option), "{output}");
        assert!(!output.contains("line ") && !output.contains("exemptions.toml"), "{output}");
        assert!(words.iter().all(|word| output.contains(word)), "{output}");
    };
    wrong(&["--source", "10.0.0.0/33", "--reason", "x"], "--source", &["10.0.0.0/33", "not a network"]);
    wrong(&["--destination", "sites", "--reason", "x"], "--destination", &["--config"]);
    wrong(&["--source", "10.0.0.1", "--reason", " "], "--reason", &["why"]);
    wrong(&["--source", "10.0.0.1", "--reason", "a\nb"], "--reason", &["control characters"]);
    wrong(&["--source", "10.0.0.1", "--reason", "x", "--id", "a b"], "--id", &["letters, digits"]);
    wrong(&["--source", "10.0.0.1", "--reason", "x", "--service", "ftp"], "--service", &["netbios"]);
}

#[test]
fn shows_an_existing_entry_with_advice() {
    let state = tempfile::tempdir().unwrap();
    add(state.path(), "--source 10.0.0.1 --id one", 0, &[]);
    let there = ["10.0.0.1 -> any", "nightly copies", "exempt remove one", "--id", "nothing was changed"];
    add(state.path(), "--source 10.0.0.2 --id one", 1, &there);
    add(state.path(), "--source 10.0.0.3", 0, &[]);
    add(state.path(), "--source 10.0.0.3", 1, &["covers the same", "10.0.0.3 -> any", "exempt remove"]);
    let config = state.path().join("c.toml");
    std::fs::write(&config, "[[exempt]]\nid = \"file\"\nsource = \"10.0.0.9\"\nreason = \"x\"\n").unwrap();
    let with_file = format!("--config {} --source 10.0.0.4 --id file", text(&config));
    add(state.path(), &with_file, 1, &["10.0.0.9 -> any", "c.toml:1", "remove it there"]);
}
