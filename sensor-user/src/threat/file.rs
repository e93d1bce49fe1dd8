//! Files of prefixes: plain, one a line, or columns.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use thiserror::Error;

use crate::config::network;

/// How a file is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain, or columns where the first line that says something has a comma.
    Detect,
    /// A prefix or address a line; what follows behind `#` or `;` describes it.
    Plain,
    /// Columns between commas, semicolons or tabulators, in quotes where they need to be.
    Csv {
        /// Column of the prefix, from 0; without it the first that is one.
        prefix: Option<usize>,
        /// Column of the description; without it the one behind the prefix.
        description: Option<usize>,
    },
}

/// A prefix of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Prefix.
    pub net: IpNet,
    /// Line it stands in, from 1.
    pub line: u32,
    /// What the file says of it.
    pub description: Option<Box<str>>,
}

/// Lines told at most when a file has mistakes.
const MOST_TOLD: usize = 5;

/// Bytes of a description that are kept.
const LONGEST: usize = 512;

/// A file that is not used.
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
    /// It has lines that are no prefix.
    #[error("{}", told(path, mistakes))]
    Invalid {
        /// File.
        path: PathBuf,
        /// Line, and what is wrong with it.
        mistakes: Vec<(u32, String)>,
    },
}

fn told(path: &Path, mistakes: &[(u32, String)]) -> String {
    let mut told = String::new();
    for (at, (line, wrong)) in mistakes.iter().take(MOST_TOLD).enumerate() {
        let between = if at == 0 { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(told, "{between}{}, line {line}: {wrong}", path.display());
    }
    if mistakes.len() > MOST_TOLD {
        let _ = write!(told, "; and {} lines more", mistakes.len() - MOST_TOLD);
    }
    told
}

/// Reads a file.
///
/// # Errors
/// [`ThreatFileError`], with every line that is no prefix.
pub fn read(path: &Path, format: &Format) -> Result<Vec<Entry>, ThreatFileError> {
    let bytes =
        fs::read(path).map_err(|source| ThreatFileError::Unreadable { path: path.to_owned(), source })?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    parse(text, format).map_err(|mistakes| ThreatFileError::Invalid { path: path.to_owned(), mistakes })
}

fn parse(text: &str, format: &Format) -> Result<Vec<Entry>, Vec<(u32, String)>> {
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
            Err(wrong) => mistakes.push((number, wrong)),
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
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST).last().unwrap_or(0);
    let text = if text.len() > LONGEST { &text[..end] } else { text };
    (!text.is_empty()).then(|| crate::shown::shown(text.as_bytes()).into())
}

/// Which columns of a file are which; told by the first line that has a prefix, where nobody said.
struct Columns {
    prefix: Option<usize>,
    description: Option<usize>,
    between: Option<char>,
    /// Whether a line was read already: only the first may be a heading.
    begun: bool,
}

impl Columns {
    const fn new(prefix: Option<usize>, description: Option<usize>) -> Self {
        Self { prefix, description, between: None, begun: false }
    }

    /// What a line says; nothing, if it is the heading.
    fn line(&mut self, line: &str) -> Result<Option<Read>, String> {
        let first = !std::mem::replace(&mut self.begun, true);
        let between = *self.between.get_or_insert_with(|| {
            [',', ';', '\t'].into_iter().find(|between| line.contains(*between)).unwrap_or(',')
        });
        let columns = split(line, between);
        let is_prefix = |column: &String| network(column.trim()).is_ok();
        let Some(at) = self.prefix.or_else(|| columns.iter().position(is_prefix)) else {
            return if first { Ok(None) } else { Err(format!("{line:?} has no column with a network")) };
        };
        let column = columns.get(at).ok_or_else(|| format!("{line:?} has no column {}", at + 1))?;
        let net = match network(column.trim()) {
            Ok(net) => net,
            // A heading has letters; a prefix that is written wrong has not, and must not pass for one.
            Err(_) if first && !column.contains(['.', ':', '/']) => return Ok(None),
            Err(wrong) => return Err(wrong),
        };
        self.prefix = Some(at);
        let description = columns.get(self.description.unwrap_or(at + 1));
        Ok(Some((net, description.and_then(|text| described(text)))))
    }
}

/// The columns of a line (RFC 4180 2, but for line breaks inside quotes).
fn split(line: &str, between: char) -> Vec<String> {
    let mut columns = vec![String::new()];
    let (mut quoted, mut characters) = (false, line.chars().peekable());
    while let Some(character) = characters.next() {
        let Some(column) = columns.last_mut() else { break };
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                column.push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            _ if character == between && !quoted => columns.push(String::new()),
            _ => column.push(character),
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, format: &Format) -> Vec<(String, u32, String)> {
        let entries = parse(text, format).unwrap();
        entries
            .into_iter()
            .map(|one| (one.net.to_string(), one.line, one.description.unwrap_or_default().into()))
            .collect()
    }

    fn entry(net: &str, line: u32, description: &str) -> (String, u32, String) {
        (net.into(), line, description.into())
    }

    #[test]
    fn plain_files_have_comments_that_describe() {
        let text = "; a list, of 2020\n\n8.8.4.0/24 ; SBL1, spam\r\n 2001:db8::1 # host\n9.9.9.9\n";
        let expected = [
            entry("8.8.4.0/24", 3, "SBL1, spam"),
            entry("2001:db8::1/128", 4, "host"),
            entry("9.9.9.9/32", 5, ""),
        ];
        assert_eq!(told(text, &Format::Detect), expected);
    }

    #[test]
    fn columns_are_found_behind_a_heading() {
        let text = "seen,ip,what\n2024,8.8.4.4,\"one, \"\"two\"\"\"\n2024,9.9.9.0/24,b\n";
        let expected = [entry("8.8.4.4/32", 2, "one, \"two\""), entry("9.9.9.0/24", 3, "b")];
        assert_eq!(told(text, &Format::Detect), expected);
        let named = Format::Csv { prefix: Some(1), description: Some(0) };
        assert_eq!(told(text, &named)[0], entry("8.8.4.4/32", 2, "2024"));
        assert_eq!(
            told("8.8.4.4;a;b\n", &Format::Csv { prefix: None, description: Some(2) }),
            [entry("8.8.4.4/32", 1, "b")]
        );
    }

    #[test]
    fn every_line_that_is_no_prefix_is_told() {
        let mistakes = parse("8.8.4.4\nx\n8.8.4.4/24\n", &Format::Plain).unwrap_err();
        assert_eq!(mistakes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
        assert!(mistakes[1].1.contains("8.8.4.0/24"));
        let csv = Format::Csv { prefix: Some(0), description: None };
        assert_eq!(parse("8.8.4.444,a\n", &csv).unwrap_err()[0].0, 1, "that is no heading");
        assert_eq!(parse("a,b\n8.8.4.4,b\nc,d\n", &Format::Detect).unwrap_err()[0].0, 3);
        let many: String = (0..9).map(|_| "x\n").collect();
        let mistakes = parse(&many, &Format::Plain).unwrap_err();
        assert!(super::told(Path::new("f"), &mistakes).ends_with("and 4 lines more"));
    }

    #[test]
    fn a_description_cannot_steer_a_terminal() {
        assert_eq!(told("8.8.4.4 # a\u{1b}[2Jb\n", &Format::Plain)[0].2, "a\\u{1b}[2Jb");
    }
}
