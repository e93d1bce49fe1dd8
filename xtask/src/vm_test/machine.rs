//! Runs a trial in a virtual machine, and reads the output of its parts.

use std::{collections::BTreeMap, process::Command};

use anyhow::bail;

use super::{
    image::Image,
    kernel::Kernel,
    trial::{MARK, Trial},
};
use crate::{qemu, steps::Steps};

/// Longest time of a machine, in seconds.
const LIMIT: u32 = 3_600;

/// What came of the parts on one kernel.
pub(super) struct Tried {
    pub(super) version: &'static str,
    pub(super) release: String,
    pub(super) parts: Vec<(&'static str, Outcome)>,
}

/// What came of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Exit code; `None` if it did not end.
    pub(super) code: Option<i32>,
    pub(super) seconds: u64,
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// Why tests skipped themselves.
    pub(super) skipped: Vec<String>,
    /// What `check` says of a capability: its state, and the rest.
    pub(super) checked: BTreeMap<String, String>,
}

impl Tried {
    /// Whether every part ended well.
    pub(super) fn passed(&self) -> bool {
        self.parts.iter().all(|(_, outcome)| outcome.code == Some(0) && outcome.failed == 0)
    }
}

/// Boots a kernel and runs the trial in it.
pub(super) fn run(steps: &Steps, kernel: &Kernel, image: &Image, trial: &Trial) -> anyhow::Result<Tried> {
    let mut reader = Reader::default();
    steps.run(&format!("Try Linux {} in a virtual machine", image.release), |step| {
        let status = step.lines(&mut machine(image, trial), |line| {
            reader.line(line.trim_end_matches('\r'));
            true
        })?;
        if !status.success() {
            bail!("the virtual machine ended with {status}; {} has its console", steps.log_path().display());
        }
        Ok(())
    })?;
    let parts =
        trial.parts.iter().map(|name| (*name, reader.parts.remove(*name).unwrap_or_default())).collect();
    Ok(Tried { version: kernel.version, release: image.release.clone(), parts })
}

/// The machine, with the host's files to read.
fn machine(image: &Image, trial: &Trial) -> Command {
    let mut command = qemu::machine(LIMIT, 1, 2048, &image.kernel, &image.initrd);
    command.arg("-no-reboot");
    command.args(["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"]);
    command.args(["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"]);
    command
        .arg("-append")
        .arg(format!("console=ttyS0 quiet panic=-1 random.trust_cpu=on vm_trial={}", trial.script.display()));
    command
}

/// Reads the console.
#[derive(Default)]
struct Reader {
    parts: BTreeMap<String, Outcome>,
    current: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // The part's name may be of several words.
        match words.as_slice() {
            [MARK, "begin", name @ ..] => self.current = Some(name.join(" ")),
            [MARK, "end", name @ .., code, seconds] => {
                let outcome = self.parts.entry(name.join(" ")).or_default();
                outcome.code = code.parse().ok();
                outcome.seconds = seconds.parse().unwrap_or_default();
                self.current = None;
            }
            _ => {
                if let Some(name) = &self.current {
                    self.parts.entry(name.clone()).or_default().read(&words);
                }
            }
        }
    }
}

impl Outcome {
    fn read(&mut self, words: &[&str]) {
        match words {
            ["test", "result:", _, passed, "passed;", failed, "failed;", ..] => {
                self.passed += passed.parse::<u64>().unwrap_or_default();
                self.failed += failed.parse::<u64>().unwrap_or_default();
            }
            ["SKIP", test, reason @ ..] => {
                self.skipped.push(format!("{} {}", test, reason.join(" ")));
            }
            [state @ ("ok" | "limited" | "missing"), what, rest @ ..] => {
                self.checked
                    .entry((*what).to_owned())
                    .or_insert_with(|| format!("{state}: {}", rest.join(" ")));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_gives_the_outcome_of_each_part() {
        let console = "vm-test: begin check\nok      program       accepted by the verifier\nvm-test: end check 0 30\n\
                       vm-test: begin random frames\ntest result: ok. 9 passed; 0 failed; 0 ignored\n\
                       SKIP attach::tcx: no TCX before Linux 6.6\nvm-test: end random frames 101 4\n\
                       vm-test: begin tun\n";
        let mut reader = Reader::default();
        console.lines().for_each(|line| reader.line(line));
        let check = &reader.parts["check"];
        assert_eq!((check.code, check.seconds), (Some(0), 30));
        assert_eq!(check.checked["program"], "ok: accepted by the verifier");
        let frames = &reader.parts["random frames"];
        assert_eq!((frames.code, frames.passed, frames.skipped.len()), (Some(101), 9, 1));
        assert!(!reader.parts.contains_key("tun"), "it did not end");
    }
}
