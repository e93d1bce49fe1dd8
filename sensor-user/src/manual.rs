//! Manual pages, generated from the command line. The packages install them.

use std::{fs, io, io::Write, path::Path};

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_mangen::{
    Man,
    roff::{Roff, bold, italic, roman},
};

use sensor_core::time::Timestamp;

use crate::{cli::Cli, rfc3339::rfc3339, wall_clock};

/// Section of commands for administrators.
const SECTION: &str = "8";

/// The manual that the pages belong to.
const TITLE: &str = "smb-sensor manual";

/// Writes a page for the program and one for each command into a directory, which is made if it is missing.
///
/// # Errors
/// If a page cannot be written.
pub fn write(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    pages(&program, &date(), directory)
}

/// The day of SOURCE_DATE_EPOCH, so that the same sources give the same pages; today without it.
fn date() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let at = epoch.map_or_else(wall_clock::now, Timestamp::from_unix_seconds);
    rfc3339(at).split('T').next().unwrap_or_default().to_owned()
}

fn pages(command: &Command, date: &str, directory: &Path) -> Result<()> {
    let man = Man::new(command.clone())
        .section(SECTION)
        .manual(TITLE)
        .source(concat!("smb-sensor ", env!("CARGO_PKG_VERSION")))
        .date(date.to_owned());
    let path = directory.join(man.get_filename());
    let mut page = Vec::new();
    render(&man, command, &mut page)
        .and_then(|()| fs::write(&path, &page))
        .with_context(|| format!("cannot write {}", path.display()))?;
    command.get_subcommands().filter(|one| !one.is_hide_set()).try_for_each(|one| pages(one, date, directory))
}

fn render(man: &Man, command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    man.render_title(page)?;
    man.render_name_section(page)?;
    synopsis(command, page)?;
    man.render_description_section(page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(page)?;
    }
    if command.get_subcommands().any(|one| !one.is_hide_set()) {
        man.render_subcommands_section(page)?;
    }
    if let Some(help) = command.get_after_help() {
        after_help(&help.to_string(), page)?;
    }
    man.render_version_section(page)
}

/// The command with its flags, each with its values; optional ones in brackets.
fn synopsis(command: &Command, page: &mut impl Write) -> io::Result<()> {
    let mut line = vec![bold(command.get_bin_name().unwrap_or_else(|| command.get_name()))];
    let (positional, flags): (Vec<_>, Vec<_>) =
        command.get_arguments().filter(|one| !one.is_hide_set()).partition(|one| one.is_positional());
    for one in flags.into_iter().chain(positional) {
        let (open, close) = if one.is_required_set() { (" ", "") } else { (" [", "]") };
        line.push(roman(open));
        let short = one.get_short().map(|short| format!("-{short}"));
        let long = one.get_long().map(|long| format!("--{long}"));
        let names: Vec<_> = short.into_iter().chain(long).collect();
        line.push(bold(names.join("|")));
        if one.is_positional() || one.get_action().takes_values() {
            line.push(roman(if names.is_empty() { "" } else { " " }));
            let values: Vec<_> =
                one.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
            line.push(italic(values.join(" ")));
        }
        line.push(roman(close));
        let is_repeated =
            one.is_positional() && one.get_num_args().is_some_and(|count| count.max_values() > 1);
        line.push(roman(if is_repeated { "…" } else { "" }));
    }
    if command.has_subcommands() {
        let (open, close) = if command.is_subcommand_required_set() { (" ", "") } else { (" [", "]") };
        line.extend([roman(open), italic("COMMAND"), roman(close)]);
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).text(line);
    roff.to_writer(&mut *page)
}

/// What is below a head in capitals as it is, such as examples, up to an empty line; and notes as paragraphs.
fn after_help(help: &str, page: &mut impl Write) -> io::Result<()> {
    let mut roff = Roff::new();
    let mut notes = help;
    if let Some((head, rest)) = help.split_once('\n').filter(|(head, _)| is_head(head)) {
        let (verbatim, rest) = rest.split_once("\n\n").unwrap_or((rest, ""));
        roff.control("SH", [head]).control("nf", []);
        for line in verbatim.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
        notes = rest;
    }
    if !notes.is_empty() {
        roff.control("SH", ["NOTES"]);
        for line in notes.lines() {
            roff.control("PP", []).text([roman(line)]);
        }
    }
    roff.to_writer(&mut *page)
}

fn is_head(line: &str) -> bool {
    line.chars().all(|character| character.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_examples() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        for command in Cli::command().get_subcommands().filter(|one| !one.is_hide_set()) {
            let page = read(&format!("smb-sensor-{}.8", command.get_name()));
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for head in ["EXAMPLES", "KEYS"] {
                assert_eq!(page.contains(&format!(".SH {head}\n.nf\n")), help.starts_with(head), "{page}");
            }
        }
        let run = read("smb-sensor-run.8");
        assert!(run.contains("[\\fB\\-i|\\-\\-iface\\fR \\fIIF\\fR]"), "{run}");
        assert!(read("smb-sensor-replay.8").contains("\\fIFILE\\fR…"), "files can be repeated");
        let status = read("smb-sensor-status.8");
        assert!(status.contains("smb\\-sensor status\n"), "{status}");
        assert!(status.contains(".SH NOTES\n.PP\nThe exit code is 0"), "{status}");
        assert!(read("smb-sensor.8").contains("smb\\-sensor\\-status(8)"));
        assert!(!folder.path().join("smb-sensor-manual.8").exists(), "it is for packagers");
    }
}
