//! The text of `--help` fits the terminal, and its commands can be copied.

use std::process::Command;

use sensor_tests::Agent;

const COMMANDS: [&str; 17] = [
    "",
    "run",
    "check",
    "replay",
    "block",
    "unblock",
    "enforce",
    "alerts",
    "detach",
    "explain",
    "exposure",
    "report",
    "exempt",
    "exempt add",
    "exempt list",
    "exempt remove",
    "exempt test",
];

fn help(command: &str, columns: &str) -> String {
    let mut program = Command::new(Agent::program().unwrap());
    let output =
        program.args(command.split_whitespace()).arg("--help").env("COLUMNS", columns).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_lines_fit_the_terminal_and_keep_examples_whole() {
    for command in COMMANDS {
        for (columns, width) in [("80", 80), ("100", 100)] {
            let text = help(command, columns);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{command}: {line}");
            }
            let examples: Vec<_> = text.lines().skip_while(|line| *line != "EXAMPLES").skip(1).collect();
            let of_examples = examples.iter().take_while(|line| !line.is_empty());
            for (number, line) in of_examples.enumerate() {
                let indented = if number % 2 == 0 { "  " } else { "    " };
                let deep = line.len() - line.trim_start().len();
                assert_eq!(deep, indented.len(), "{command}: a title, then its command: {line}");
            }
        }
    }
}

#[test]
fn every_numeric_option_states_unit_and_default() {
    for (command, option, words) in [
        ("run", "--learning-hours", ["Hours", "24"]),
        ("run", "--enforce-for", ["seconds", "86400"]),
        ("run", "--profile", ["elastic-v105", "or sensor"]),
        ("run", "--output", ["standard output", "Default"]),
        ("run", "--state-dir", ["/var/lib/smb-sensor", "Default"]),
        ("run", "--ingress", ["or auto", "Default"]),
        ("run", "--tc", ["or auto", "Default"]),
        ("run", "--attribution", ["or auto", "Default"]),
        ("alerts", "--limit", ["200", "--json"]),
        ("alerts", "--since", ["2026-01-31", "24h"]),
        ("replay", "--speed", ["multiple", "max"]),
        ("enforce", "--for", ["seconds", "86400"]),
        ("explain", "--state-dir", ["/var/lib/smb-sensor", "--config"]),
        ("exempt add", "--expires", ["30d", "Default"]),
        ("exempt test", "--port", ["137/udp", "445"]),
    ] {
        let text = help(command, "100");
        let about = text.split_once(&format!("{option} <")).map(|(_, rest)| rest).unwrap_or_default();
        let end = about.find("\n      --").unwrap_or(about.len());
        for word in words {
            assert!(about[..end].contains(word), "{command} {option}: no {word:?} in {}", &about[..end]);
        }
    }
}
