//! Completion in bash, by the script that the program writes for it.

use sensor_lab::{Namespace, Topology, require_lab};
use sensor_tests::Agent;

/// Completes the last of the words after the program's path as bash does, and writes one candidate a line.
const BASH: &str = r#"
eval "$(COMPLETE=bash "$0")"
COMP_WORDS=(smb-sensor "$@")
COMP_CWORD=$#
COMP_TYPE=9
registered=$(complete -p smb-sensor)
registered=${registered#*-F }
"${registered%% *}" smb-sensor "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// Candidates for the last of these words, in the order of their names.
fn candidates(namespace: &Namespace, words: &[&str]) -> Vec<String> {
    let mut bash = namespace.command("bash");
    bash.args(["--norc", "--noprofile", "-c", BASH]).arg(Agent::program().unwrap()).args(words);
    let output = bash.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    found.sort();
    found
}

#[test]
fn bash_completes_interface_names_wherever_one_is_named() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    for command in ["run", "check", "init", "detach"] {
        for option in ["--iface", "-i"] {
            assert_eq!(candidates(gateway, &[command, option, ""]), ["lan0", "wan0"], "{command} {option}");
            assert_eq!(candidates(gateway, &[command, option, "w"]), ["wan0"], "{command} {option}");
            assert_eq!(candidates(gateway, &[command, option, "x"]), [""; 0], "{command} {option}");
        }
        let listed = candidates(gateway, &[command, "--iface", "lan0,w"]);
        assert_eq!(listed, ["lan0,wan0"], "{command}: a list separated by commas");
    }
    // The names are those of the moment.
    gateway.ip("link set wan0 name wan7").unwrap();
    assert_eq!(candidates(gateway, &["run", "--iface", "w"]), ["wan7"]);
}
