//! Completion in shells: `COMPLETE=bash smb-sensor` writes the script for the shell. The script runs this program to get
//! candidates.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::{ArgValueCandidates, CompletionCandidate};

use crate::{
    cli::Cli,
    config::DEFAULT_STATE_DIR,
    kernel::interface::Interface,
    storage::{IncidentQuery, Reader},
};

/// Most incidents that are candidates: the worst, and of these the latest.
const MAX_INCIDENTS: usize = 200;

/// The command line, with candidates for values that only this machine knows.
#[must_use]
pub fn command() -> Command {
    let interfaces = |command: Command| {
        command.mut_arg("interfaces", |argument| argument.add(ArgValueCandidates::new(interfaces)))
    };
    let mut all = Cli::command();
    for name in ["run", "check", "init", "detach"] {
        all = all.mut_subcommand(name, interfaces);
    }
    all.mut_subcommand("alerts", |command| {
        let incidents = || incidents(&state_dir(std::env::args_os()));
        let with_incidents = |argument: Arg| argument.add(ArgValueCandidates::new(incidents));
        command.mut_arg("id", with_incidents).mut_arg("related_to", with_incidents)
    })
}

/// The state directory that a command line names, which is being completed; else the default.
fn state_dir(words: impl Iterator<Item = OsString>) -> PathBuf {
    let mut words = words.map(|word| word.to_string_lossy().into_owned());
    let mut named = None;
    while let Some(word) = words.next() {
        if word == "--state-dir" {
            named = words.next();
        } else if let Some(directory) = word.strip_prefix("--state-dir=") {
            named = Some(directory.to_owned());
        }
    }
    named.filter(|directory| !directory.is_empty()).unwrap_or_else(|| DEFAULT_STATE_DIR.to_owned()).into()
}

fn interfaces() -> Vec<CompletionCandidate> {
    Interface::names().into_iter().map(CompletionCandidate::new).collect()
}

/// Incidents in the store, if it can be read.
fn incidents(state_dir: &Path) -> Vec<CompletionCandidate> {
    let all = Reader::open(state_dir).and_then(|reader| reader.incidents(&IncidentQuery::default()));
    all.unwrap_or_default()
        .into_iter()
        .take(MAX_INCIDENTS)
        .map(|row| CompletionCandidate::new(row.id))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Bounds, IncidentRow, Opened, RowBatch, Writer};

    #[test]
    fn arguments_with_candidates_exist() {
        command().debug_assert();
    }

    #[test]
    fn interfaces_of_the_machine_are_candidates_wherever_one_is_named() {
        let names = Interface::names();
        for name in ["run", "check", "init", "detach"] {
            let line = ["smb-sensor", name, "--iface", ""].map(OsString::from).to_vec();
            let found = clap_complete::engine::complete(&mut command(), line, 3, None).unwrap();
            let found: Vec<_> =
                found.iter().map(|one| one.get_value().to_string_lossy().into_owned()).collect();
            assert_eq!(found, names, "{name}");
        }
    }

    #[test]
    fn state_directory_is_the_one_on_the_command_line() {
        let of = |line: &str| state_dir(line.split(' ').map(OsString::from)).display().to_string();
        assert_eq!(of("smb-sensor -- smb-sensor alerts --state-dir /a 7f"), "/a");
        assert_eq!(of("smb-sensor -- smb-sensor alerts --state-dir=/a "), "/a");
        assert_eq!(of("smb-sensor -- smb-sensor alerts 7f"), DEFAULT_STATE_DIR);
    }

    #[test]
    fn incidents_are_read_from_the_store_and_none_without_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(incidents(folder.path()).is_empty());
        let Opened { writer, handle, .. } = Writer::open(folder.path(), Bounds::default(), 0).unwrap();
        let row = IncidentRow {
            id: "7f3a91c05be2d846".into(),
            severity: sensor_core::level::Severity::Critical,
            last: 1,
            open: true,
            state: vec![],
        };
        assert!(handle.submit(RowBatch { incidents: vec![row], ..RowBatch::default() }).is_ok());
        drop(handle);
        writer.run().unwrap();
        let found = incidents(folder.path());
        assert_eq!(found, [CompletionCandidate::new("7f3a91c05be2d846")]);
    }
}
