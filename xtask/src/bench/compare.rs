//! Measures another revision and this one in turns, each with its own benchmark.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::{Arguments, benchmark};
use crate::{
    build::build_release,
    cargo::{cargo, target_dir, workspace_root},
    steps::Steps,
};

/// Times that each build is measured.
const TURNS: usize = 3;

/// The programs of one build.
struct Build {
    agent: PathBuf,
    benchmark: PathBuf,
}

/// A row of the result: group and subject. Of rows about the same subject the first one counts.
type Key = (String, String);

/// The figures of one row, one of each turn, and their unit.
type Figures = BTreeMap<Key, (String, Vec<f64>)>;

/// Builds `revision` beside this workspace, measures both in turns, and prints the figures of both.
pub(super) fn run(steps: &Steps, arguments: &Arguments, revision: &str) -> anyhow::Result<ExitCode> {
    let commit = commit_of(revision)?;
    let short = &commit[..12.min(commit.len())];
    let folder = target_dir()?.join("bench-compare").join(short);
    let other = steps.run(&format!("Build {revision} ({short}) for release"), |step| {
        check_out(&folder, &commit)?;
        let mut command = cargo();
        command
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .args(["build", "--release", "--package", "sensor-user", "--package", "sensor-bench"])
            .args(["--bin", "smb-sensor", "--bin", "sensor-bench"]);
        step.command(&mut command)?;
        let release = folder.join("target/release");
        Ok(Build { agent: release.join("smb-sensor"), benchmark: release.join("sensor-bench") })
    })?;
    let own = Build {
        agent: build_release(steps, "sensor-user", "smb-sensor")?,
        benchmark: build_release(steps, "sensor-bench", "sensor-bench")?,
    };
    let (mut before, mut now) = (Figures::new(), Figures::new());
    for turn in 1..=TURNS {
        steps.run(&format!("Measure both, turn {turn} of {TURNS}"), |step| {
            for (build, figures) in [(&other, &mut before), (&own, &mut now)] {
                let output = tempfile::tempdir().context("making a folder for the figures")?;
                step.command(&mut measuring(build, arguments, output.path())?)?;
                add(figures, &output.path().join("results.json"))?;
            }
            Ok(())
        })?;
    }
    print!("{}", table(short, &before, &now));
    Ok(ExitCode::SUCCESS)
}

fn measuring(build: &Build, arguments: &Arguments, output: &Path) -> anyhow::Result<Command> {
    benchmark(&build.benchmark, &build.agent, arguments, output)
}

fn commit_of(revision: &str) -> anyhow::Result<String> {
    let mut git = Command::new("git");
    git.current_dir(workspace_root()).args(["rev-parse", "--verify", "--quiet"]);
    let output = git.arg(format!("{revision}^{{commit}}")).output().context("running git")?;
    ensure!(output.status.success(), "git knows no revision {revision}: name a commit, a tag or a branch");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Puts the files of a commit into a folder, unless an earlier run did.
fn check_out(folder: &Path, commit: &str) -> anyhow::Result<()> {
    if folder.join("Cargo.toml").exists() {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut archive = Command::new("git");
    archive.current_dir(workspace_root()).args(["archive", "--format=tar", commit]);
    let tar = archive.output().context("running git archive")?;
    ensure!(tar.status.success(), "git archive failed: {}", String::from_utf8_lossy(&tar.stderr).trim());
    let file = folder.join("files.tar");
    fs::write(&file, tar.stdout).with_context(|| format!("writing {}", file.display()))?;
    let status = Command::new("tar").current_dir(folder).args(["-xf", "files.tar"]).status();
    if !status.context("running tar")?.success() {
        bail!("tar cannot unpack {}", file.display());
    }
    fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))
}

/// Adds the figures of one turn.
fn add(figures: &mut Figures, results: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(results).with_context(|| format!("reading {}", results.display()))?;
    let results: Value = serde_json::from_str(&text).context("reading the figures")?;
    let mut of_turn = Figures::new();
    for row in results["rows"].as_array().into_iter().flatten() {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        // Benchmarks of before have no figure beside the median.
        let figure = row["figure"]["value"].as_f64().or_else(|| row["measured"]["median"].as_f64());
        if let Some(figure) = figure {
            of_turn.entry((text("group"), text("what"))).or_insert_with(|| (text("unit"), vec![figure]));
        }
    }
    for (key, (unit, values)) in of_turn {
        figures.entry(key).or_insert_with(|| (unit, vec![])).1.extend(values);
    }
    Ok(())
}

/// Both figures of each row that both have, with the ratio and its range over the turns.
fn table(before_name: &str, before: &Figures, now: &Figures) -> String {
    let mut text = format!("{:60} {:>12} {:>12}  {:7} {:>6}  turns\n", "", before_name, "here", "", "ratio");
    let mut group = "";
    for (key, (unit, old)) in before {
        let Some((_, new)) = now.get(key) else { continue };
        if group != key.0 {
            group = &key.0;
            text += &format!("── {group}\n");
        }
        let mut ratios: Vec<f64> = old.iter().zip(new).map(|(old, new)| new / old).collect();
        ratios.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (ratios.first(), ratios.last()) else { continue };
        text += &format!(
            "{:60} {:>12.2} {:>12.2}  {:7} {:>6.2}  {least:.2} to {most:.2}\n",
            key.1,
            middle(old),
            middle(new),
            unit,
            middle(&ratios),
        );
    }
    text
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_figures_of_both_forms_and_shows_rows_that_both_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let figures = |rows: &str| {
            fs::write(&path, format!("{{\"rows\":[{rows}]}}")).unwrap();
            let mut figures = Figures::new();
            for _ in 0..2 {
                add(&mut figures, &path).unwrap();
            }
            figures
        };
        let before = figures(
            r#"{"group":"g","what":"a","unit":"ns","measured":{"median":4}},{"group":"g","what":"gone","unit":"ns","measured":{"median":1}}"#,
        );
        let now = figures(
            r#"{"group":"g","what":"a","unit":"ns","figure":{"value":3},"measured":{"median":9}},
               {"group":"g","what":"a","unit":"ns","figure":{"value":7}},{"group":"g","what":"b","not_measured":"no"}"#,
        );
        let text = table("v1", &before, &now);
        assert!(text.contains("0.75  0.75 to 0.75"), "{text}");
        assert!(!text.contains("gone") && !text.contains("b "), "{text}");
    }

    #[test]
    fn revision_that_does_not_exist_is_named() {
        let error = commit_of("no-such-revision").unwrap_err().to_string();
        assert!(error.contains("no-such-revision"), "{error}");
    }
}
