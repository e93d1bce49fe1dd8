//! Files of prefixes: plain, one per line, or columns.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use nix::fcntl::OFlag;
use sensor_core::threat::Entry;
use thiserror::Error;

use crate::{
    names::is_name,
    parse::{NOT_UTF8, UTF16, is_utf16, network},
};

/// The format of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain, or columns if the first line with content has a comma.
    Detect,
    /// A prefix or address per line; text after `#` or `;` describes it.
    Plain,
    /// Columns separated by commas, semicolons or tabs, quoted if necessary.
    Csv {
        /// Column of the prefix, from 0; by default the first that is one.
        prefix: Option<usize>,
        /// Column of the description; by default the one after the prefix.
        description: Option<usize>,
    },
}

/// Most lines that an error lists.
const MAX_LISTED: usize = 5;

/// Most bytes of a file. The agent reads files while packets wait.
const MAX_BYTES: u64 = 64 << 20;

/// Most DNS names of a file: each is looked up again and again.
const MAX_NAMES: usize = 1_000;

/// Most bytes of a description.
const MAX_DESCRIPTION_LEN: usize = 512;

/// Why a file is not used.
#[derive(Debug, Error)]
pub enum ThreatFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// It is a pipe, a device or a folder: reading those may never end.
    #[error("{} is not a regular file: write its content into one, and name that", path.display())]
    NotAFile {
        /// Path.
        path: PathBuf,
    },
    /// It is too large.
    #[error("{} has more than {most} bytes: remove unneeded lines, or merge its networks", path.display())]
    TooLarge {
        /// File.
        path: PathBuf,
        /// Bytes at most.
        most: u64,
    },
    /// It has lines without a valid prefix.
    #[error("{}", invalid_lines(path, mistakes))]
    Invalid {
        /// File.
        path: PathBuf,
        /// Line, and what is wrong with it.
        mistakes: Mistakes,
    },
}

fn invalid_lines(path: &Path, mistakes: &[(u32, String)]) -> String {
    let mut text = String::new();
    for (at, (line, wrong)) in mistakes.iter().take(MAX_LISTED).enumerate() {
        let between = if at == 0 { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(text, "{between}{}, line {line}: {wrong}", path.display());
    }
    if mistakes.len() > MAX_LISTED {
        let _ = write!(text, "; and {} lines more", mistakes.len() - MAX_LISTED);
    }
    text
}

/// Reads a file.
///
/// # Errors
/// [`ThreatFileError`], with every line without a valid prefix.
pub fn read(path: &Path, format: &Format) -> Result<Vec<Entry>, ThreatFileError> {
    read_lines(path, |text| parse(text, format))
}

/// Reads a plain file of networks and DNS names, one on each line.
///
/// # Errors
/// [`ThreatFileError`], with every line that holds neither.
pub fn read_with_names(path: &Path) -> Result<(Vec<IpNet>, Vec<String>), ThreatFileError> {
    read_lines(path, |text| {
        let (mut networks, mut names, mut mistakes) = (Vec::new(), Vec::new(), Vec::new());
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| says_something(line)) {
            let word = line.split(['#', ';']).next().unwrap_or_default().trim();
            if is_name(word) {
                names.push(word.to_owned());
                continue;
            }
            match plain(line) {
                Ok((net, _)) => networks.push(net),
                Err(wrong) => mistakes.push((number, described_mistake(line, wrong))),
            }
        }
        if names.len() > MAX_NAMES {
            let wrong = format!("{} DNS names: a list may hold {MAX_NAMES}", names.len());
            mistakes.push((1, wrong));
        }
        if mistakes.is_empty() { Ok((networks, names)) } else { Err(mistakes) }
    })
}

/// A line, and what is wrong with it.
type Mistakes = Vec<(u32, String)>;

fn read_lines<T>(path: &Path, parse: impl FnOnce(&str) -> Result<T, Mistakes>) -> Result<T, ThreatFileError> {
    let bytes = bytes(path, MAX_BYTES)?;
    let invalid = |mistakes| ThreatFileError::Invalid { path: path.to_owned(), mistakes };
    if is_utf16(&bytes) {
        return Err(invalid(vec![(1, UTF16.to_owned())]));
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    parse(text).map_err(invalid)
}

/// The mistake of a line, or that the file is not UTF-8.
fn described_mistake(line: &str, wrong: String) -> String {
    if line.contains(char::REPLACEMENT_CHARACTER) { NOT_UTF8.to_owned() } else { wrong }
}

/// The bytes of a regular file, at most `most`.
fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, ThreatFileError> {
    let unreadable = |source| ThreatFileError::Unreadable { path: path.to_owned(), source };
    // Without O_NONBLOCK, opening a pipe without a writer would wait before its type is known.
    let opened = fs::OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let file = opened.map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(ThreatFileError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(ThreatFileError::TooLarge { path: path.to_owned(), most });
    }
    Ok(bytes)
}

fn parse(text: &str, format: &Format) -> Result<Vec<Entry>, Mistakes> {
    let lines = text.lines().zip(1u32..).filter(|(line, _)| says_something(line));
    let (mut entries, mut mistakes) = (Vec::new(), Vec::new());
    let mut columns = match format {
        Format::Plain => None,
        Format::Csv { prefix, description } => Some(Columns::new(*prefix, *description)),
        Format::Detect => lines
            .clone()
            .next()
            .filter(|(line, _)| line.split(['#', ';']).next().is_some_and(|line| line.contains(',')))
            .map(|_| Columns::new(None, None)),
    };
    for (line, number) in lines {
        let read = match &mut columns {
            None => plain(line).map(Some),
            Some(columns) => columns.line(line),
        };
        match read {
            Ok(Some((net, description))) => entries.push(Entry { net, line: number, description }),
            Ok(None) => {}
            Err(wrong) => mistakes.push((number, described_mistake(line, wrong))),
        }
    }
    if mistakes.is_empty() { Ok(entries) } else { Err(mistakes) }
}

fn says_something(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with(['#', ';'])
}

type Read = (IpNet, Option<Box<str>>);

fn plain(line: &str) -> Result<Read, String> {
    let (prefix, rest) = line.split_at(line.find(['#', ';']).unwrap_or(line.len()));
    Ok((network(prefix.trim())?, described(rest.trim_start_matches(['#', ';']))))
}

fn described(text: &str) -> Option<Box<str>> {
    let text = text.trim();
    let end =
        text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_DESCRIPTION_LEN).last().unwrap_or(0);
    let text = if text.len() > MAX_DESCRIPTION_LEN { &text[..end] } else { text };
    (!text.is_empty()).then(|| sensor_dissect::escape::shown(text.as_bytes()).into())
}

/// The columns of a file; by default, the first line with a prefix decides.
struct Columns {
    prefix: Option<usize>,
    description: Option<usize>,
    between: Option<char>,
    /// Whether a line was read already: only the first may be a heading.
    started: bool,
}

impl Columns {
    const fn new(prefix: Option<usize>, description: Option<usize>) -> Self {
        Self { prefix, description, between: None, started: false }
    }

    /// The entry of a line; `None` for the heading.
    fn line(&mut self, line: &str) -> Result<Option<Read>, String> {
        let first = !std::mem::replace(&mut self.started, true);
        let between = *self.between.get_or_insert_with(|| {
            [',', ';', '\t'].into_iter().find(|between| line.contains(*between)).unwrap_or(',')
        });
        let columns = split(line, between)?;
        let is_prefix = |column: &String| network(column.trim()).is_ok();
        let Some(at) = self.prefix.or_else(|| columns.iter().position(is_prefix)) else {
            return if first { Ok(None) } else { Err(format!("{line:?} has no column with a network")) };
        };
        let column = columns.get(at).ok_or_else(|| format!("{line:?} has no column {}", at + 1))?;
        let net = match network(column.trim()) {
            Ok(net) => net,
            // A heading has letters; a misspelled prefix has none, and must not pass for one.
            Err(_) if first && !column.contains(['.', ':', '/']) => return Ok(None),
            Err(wrong) => return Err(wrong),
        };
        self.prefix = Some(at);
        let description = columns.get(self.description.unwrap_or(at + 1));
        Ok(Some((net, description.and_then(|text| described(text)))))
    }
}

/// The columns of a line (RFC 4180 2, without line breaks inside quotes). A quote that is not at the beginning of a column is an
/// ordinary character.
fn split(line: &str, between: char) -> Result<Vec<String>, String> {
    let mut columns = vec![String::new()];
    let (mut quoted, mut characters) = (false, line.chars().peekable());
    while let Some(character) = characters.next() {
        let Some(column) = columns.last_mut() else { break };
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                column.push('"');
                characters.next();
            }
            '"' if quoted => quoted = false,
            '"' if column.trim().is_empty() => quoted = true,
            _ if character == between && !quoted => columns.push(String::new()),
            _ => column.push(character),
        }
    }
    if quoted {
        return Err(format!(
            "{line:?} opens a quote that is not closed in the line: close it, or write \"\" for a quote inside quotes"
        ));
    }
    Ok(columns)
}

#[cfg(test)]
mod tests;
