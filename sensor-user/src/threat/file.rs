//! Files of prefixes: plain, one per line, or columns.

use std::path::Path;

use ipnet::IpNet;
use sensor_core::threat::Entry;

use super::json;
use crate::{
    names::is_name,
    parse::{ListFileError, Mistakes, described_mistake, network, read_lines, says_something, split},
};

/// The format of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// MISP or STIX if the file is JSON; else plain, or columns if the first line with content has a comma.
    Detect,
    /// An event of MISP, or the answer of a search for events or attributes.
    Misp,
    /// A bundle of STIX 2.1.
    Stix,
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

/// Most DNS names of a file: each is looked up again and again.
const MAX_NAMES: usize = 1_000;

/// Most bytes of a description.
const MAX_DESCRIPTION_LEN: usize = 512;

/// Reads a file.
///
/// # Errors
/// [`ListFileError`], with every line without a valid prefix.
pub fn read(path: &Path, format: &Format) -> Result<Vec<Entry>, ListFileError> {
    read_lines(path, |text| parse(text, format))
}

/// Reads a plain file of networks and DNS names, one on each line.
///
/// # Errors
/// [`ListFileError`], with every line that holds neither.
pub fn read_with_names(path: &Path) -> Result<(Vec<IpNet>, Vec<String>), ListFileError> {
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

fn parse(text: &str, format: &Format) -> Result<Vec<Entry>, Mistakes> {
    match format {
        Format::Misp => return json::parse(text, json::Kind::Misp),
        Format::Stix => return json::parse(text, json::Kind::Stix),
        Format::Detect if text.trim_start().starts_with('{') => return json::parse(text, json::detect(text)),
        Format::Detect | Format::Plain | Format::Csv { .. } => {}
    }
    let lines = text.lines().zip(1u32..).filter(|(line, _)| says_something(line));
    let (mut entries, mut mistakes) = (Vec::new(), Vec::new());
    let mut columns = match format {
        Format::Plain | Format::Misp | Format::Stix => None,
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

type Read = (IpNet, Option<Box<str>>);

fn plain(line: &str) -> Result<Read, String> {
    let (prefix, rest) = line.split_at(line.find(['#', ';']).unwrap_or(line.len()));
    Ok((network(prefix.trim())?, described(rest.trim_start_matches(['#', ';']))))
}

pub(super) fn described(text: &str) -> Option<Box<str>> {
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

#[cfg(test)]
mod tests;
