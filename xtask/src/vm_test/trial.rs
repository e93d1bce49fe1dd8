//! The parts of the trial in the virtual machine, and the script that runs them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    build::build_debug,
    cargo::{cargo, target_dir, workspace_root},
    steps::Steps,
};

/// How much longer than on the host a test may wait: the processor is emulated.
const PATIENCE_FACTOR: u32 = 12;

/// Seconds after which a part is ended.
const LIMIT: u32 = 900;

/// Random frames.
const FRAMES: u32 = 20_000;

/// A part of the trial.
pub(super) struct Part {
    /// Heading of its column.
    pub(super) name: &'static str,
    work: Work,
    /// Whether a short trial has it.
    short: bool,
}

/// What a part runs.
enum Work {
    /// The agent's own check.
    Check,
    /// Random frames.
    Frames,
    /// A suite of the tests, and tests in it.
    Tests(&'static str, &'static [&'static str]),
    /// A suite of the tests, and those in it that only a virtual machine runs.
    Ignored(&'static str, &'static [&'static str]),
}

/// The parts, in their order.
const PARTS: [Part; 8] = [
    Part { name: "check", work: Work::Check, short: true },
    Part {
        name: "fixtures",
        work: Work::Tests(
            "kernel_path",
            &[
                "classification::",
                "exemptions::counts_packets_for_their_exemption",
                "flow_slots::settled_record_holds_every_byte_of_both_directions",
                "fragments::keeps_the_first_ipv6_fragment_and_counts_later_ones",
                "headers::keeps_a_watched_packet_under_up_to_two_tags",
                "payload::place::messages_are_reported_wherever_in_a_segment_they_begin",
                "quic::initial_packets_across_the_border_are_handed_up",
                "smb::marks_each_smb_identifier_behind_a_session_header",
                "tunnels::keeps_and_marks_a_tunnelled_session_by_its_inner_addresses",
            ],
        ),
        short: true,
    },
    Part { name: "random frames", work: Work::Frames, short: true },
    Part {
        name: "attachment",
        work: Work::Tests(
            "attach",
            &[
                "auto_takes_native_xdp_and_tcx",
                "generic_xdp_sees_a_session",
                "tcx_alone_sees_a_session",
                "clsact_filters_alone_see_a_session",
                "native_xdp_watches_jumbo_frames",
            ],
        ),
        short: false,
    },
    Part {
        name: "sessions",
        work: Work::Tests(
            "outbound",
            &[
                "real_session_is_one_incident_with_evidence_times_and_technique",
                "session_over_ipv6_alerts",
                "closed_port_is_a_refusal_without_a_technique",
            ],
        ),
        short: false,
    },
    Part {
        name: "tun",
        work: Work::Tests("point_to_point", &["session_over_tun_is_reported_with_user_and_share"]),
        short: false,
    },
    Part { name: "links", work: Work::Ignored("point_to_point", &["ip_tunnels::"]), short: false },
    Part {
        name: "enforcement",
        work: Work::Tests("enforcement", &["hung_or_killed_agent_lets_everything_pass"]),
        short: false,
    },
];

/// The parts with these names; all of them if none is named, or those of a short trial.
pub(super) fn chosen(names: &[String], short: bool) -> anyhow::Result<Vec<&'static Part>> {
    if names.is_empty() {
        return Ok(PARTS.iter().filter(|part| part.short || !short).collect());
    }
    let find = |name: &String| {
        PARTS.iter().find(|part| part.name == name).with_context(|| {
            let known: Vec<_> = PARTS.iter().map(|part| part.name).collect();
            format!("{name} is not a part of the trial: {}", known.join(", "))
        })
    };
    names.iter().map(find).collect()
}

/// The script, and where it is.
pub(super) struct Trial {
    pub(super) script: PathBuf,
    pub(super) parts: Vec<&'static str>,
}

/// The mark of a line with which a part begins or ends.
pub(super) const MARK: &str = "vm-test:";

impl Trial {
    /// Builds the tests and writes the script.
    pub(super) fn build(steps: &Steps, agent: &Path, parts: &[&'static Part]) -> anyhow::Result<Self> {
        let frames = build_debug(steps, "sensor-tests", "fuzz")?;
        let mut script = format!(
            "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TMPDIR=/tmp\n\
             export SMB_SENSOR_PATIENCE_FACTOR={PATIENCE_FACTOR} SMB_SENSOR_BIN={}\ncd {}\n",
            quoted(agent),
            quoted(&workspace_root())
        );
        for part in parts {
            let command = match part.work {
                Work::Tests(suite, names) => {
                    format!("{} --test-threads 1 {}", quoted(&build_tests(steps, suite)?), names.join(" "))
                }
                Work::Ignored(suite, names) => {
                    let program = quoted(&build_tests(steps, suite)?);
                    format!("{program} --test-threads 1 --ignored {}", names.join(" "))
                }
                Work::Check => format!("{} check --iface lo", quoted(agent)),
                Work::Frames => format!(
                    "{} --count {FRAMES} --seed 1 --captures {}",
                    quoted(&frames),
                    quoted(&workspace_root().join("tests/captures"))
                ),
            };
            script.push_str(&part_script(part.name, &command));
        }
        let path = target_dir()?.join("vm/trial.sh");
        fs::create_dir_all(target_dir()?.join("vm"))
            .context("creating the folder of the virtual machines")?;
        fs::write(&path, script).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { script: path, parts: parts.iter().map(|part| part.name).collect() })
    }
}

/// Runs a command between two marks; the second has its exit code and its seconds. Tests write down why they skip themselves.
fn part_script(name: &str, command: &str) -> String {
    format!(
        "echo '{MARK} begin {name}'\nexport SMB_SENSOR_SKIP_LOG=/tmp/skipped; : > /tmp/skipped; began=$(date +%s)\n\
         timeout {LIMIT} {command} 2>&1; code=$?\ncat /tmp/skipped\n\
         echo \"{MARK} end {name} $code $(($(date +%s) - began))\"\n"
    )
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Builds a suite of the tests and returns its path.
fn build_tests(steps: &Steps, suite: &str) -> anyhow::Result<PathBuf> {
    steps.run(&format!("Build the tests of {suite}"), |step| {
        let mut command = cargo();
        command.args(["test", "--no-run", "--package", "sensor-tests", "--test", suite]);
        command.args(["--message-format", "json-render-diagnostics"]);
        let mut executable = None;
        step.command_with(&mut command, |line| {
            let message: Option<Value> =
                line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten();
            if let Some(message) = &message
                && message["target"]["name"] == suite
                && let Some(path) = message["executable"].as_str()
            {
                executable = Some(PathBuf::from(path));
            }
            message.is_none()
        })?;
        executable.with_context(|| format!("cargo did not name the tests of {suite}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_chosen_by_name_or_by_length() {
        let names = |parts: Vec<&Part>| parts.iter().map(|part| part.name).collect::<Vec<_>>();
        assert_eq!(names(chosen(&["links".to_owned()], false).unwrap()), ["links"]);
        assert_eq!(chosen(&[], false).unwrap().len(), PARTS.len());
        assert_eq!(names(chosen(&[], true).unwrap()), ["check", "fixtures", "random frames"]);
        let Err(error) = chosen(&["wires".to_owned()], false) else { panic!("there is no such part") };
        assert!(error.to_string().contains("wires is not a part") && error.to_string().contains("links"));
    }
}
