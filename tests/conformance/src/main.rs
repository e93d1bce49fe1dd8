//! Compares the dissector with tshark: both read every capture under the given folders, and their results
//! must agree.
//!
//! Fails on a difference that is not listed with its reason in [`accepted`].
#![expect(clippy::print_stdout, reason = "a comparison reports to the person who runs it")]

mod accepted;
mod compare;
mod fact;
mod layers;
mod netbios;
mod ours;
mod table;
mod tshark;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use crate::compare::{Comparison, compare};

/// Compare the dissector of smb-sensor with tshark.
#[derive(Parser)]
struct Arguments {
    /// Folders of captures, or captures
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Compares every capture; returns whether all differences are accepted.
fn run(arguments: &Arguments) -> Result<bool> {
    let mut captures = Vec::new();
    for path in &arguments.paths {
        collect(path, &mut captures)?;
    }
    captures.sort();
    if captures.is_empty() {
        bail!("no capture (*.pcap, *.pcapng, *.cap) is under the given folders");
    }
    println!("{}", tshark::version()?);
    let (comparisons, unreadable) = examine_all(&captures, examine);
    println!("{}", table::render(&comparisons));
    let unexplained = table::differences(&comparisons);
    let agreeing: usize = comparisons.iter().map(Comparison::agreeing).sum();
    if agreeing == 0 {
        bail!("the two agree on nothing: nothing was compared");
    }
    println!(
        "{} captures, {agreeing} facts agree, {unexplained} differ without a reason; {} captures could not be read",
        comparisons.len(),
        unreadable.len()
    );
    Ok(unexplained == 0 && unreadable.is_empty())
}

/// Examines every capture. Prints why one cannot be read, and returns those beside the comparisons.
fn examine_all(
    captures: &[PathBuf],
    examine: impl Fn(&Path) -> Result<Comparison>,
) -> (Vec<Comparison>, Vec<&Path>) {
    let (mut comparisons, mut unreadable) = (Vec::new(), Vec::new());
    for capture in captures {
        match examine(capture) {
            Ok(comparison) => comparisons.push(comparison),
            Err(error) => {
                println!("{} could not be read: {error:#}", capture.display());
                unreadable.push(capture.as_path());
            }
        }
    }
    (comparisons, unreadable)
}

fn examine(capture: &Path) -> Result<Comparison> {
    let ours = ours::read(capture)?;
    let theirs = tshark::read(capture, &ours.other_ports)?;
    let name = capture.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(compare(name, &ours.seen, &theirs))
}

/// Finds captures under a folder, or takes a file as one.
fn collect(path: &Path, captures: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        captures.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("listing {}", path.display()))? {
        let path = entry.with_context(|| format!("listing {}", path.display()))?.path();
        let is_capture = path.extension().is_some_and(|end| end == "pcap" || end == "pcapng" || end == "cap");
        if path.is_dir() || is_capture {
            collect(&path, captures)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_capture_does_not_stop_the_others() {
        let captures = ["a.pcap", "broken.pcap", "c.pcap"].map(PathBuf::from);
        let (comparisons, unreadable) = examine_all(&captures, |path| {
            let name = path.display().to_string();
            if name == "broken.pcap" {
                bail!("no capture");
            }
            Ok(Comparison { capture: name, rows: Vec::new() })
        });
        assert_eq!(
            comparisons.iter().map(|one| one.capture.as_str()).collect::<Vec<_>>(),
            ["a.pcap", "c.pcap"]
        );
        assert_eq!(unreadable, [Path::new("broken.pcap")]);
    }

    #[test]
    fn both_see_the_same_in_the_recorded_captures() {
        if !tshark::is_installed() {
            let reason = "tshark is not installed; cargo xtask conformance installs it";
            return sensor_lab::skip("both_see_the_same_in_the_recorded_captures", reason);
        }
        let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures");
        let agree = run(&Arguments { paths: vec![captures] }).unwrap_or_else(|error| panic!("{error:#}"));
        assert!(agree, "they differ, see above");
    }
}
