//! `[[threat_list]]`: files of prefixes, and how to read them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use toml_span::{Span, de_helpers::TableHelper};

use super::{
    reader::Reader,
    value::{non_empty, one_of, within},
};
use crate::threat::{Format, ThreatList, ThreatLists};

/// Reads the entries and their files.
pub(super) fn read(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    folder: &Path,
) -> (Vec<ThreatList>, Arc<ThreatLists>) {
    let mut lists: Vec<ThreatList> = Vec::new();
    let mut threats = ThreatLists::default();
    let read = reader.tables(table, "threat_list", |reader, table, span| {
        let before = reader.errors.len();
        let list = entry(reader, table, span, folder);
        if reader.errors.len() == before
            && let Err(wrong) = threats.add(&list)
        {
            reader.unread_lists.push((span, wrong.to_string()));
        }
        (list, span)
    });
    for (list, span) in read {
        if lists.iter().any(|known| known.name == list.name) {
            reader.mistake(span, format!("there is a threat list {} above already", list.name));
        }
        lists.push(list);
    }
    (lists, Arc::new(threats))
}

/// The format of a file, as configured.
#[derive(Clone, Copy, Default)]
enum Layout {
    #[default]
    Detect,
    Plain,
    Csv,
    Misp,
    Stix,
}

fn entry(reader: &mut Reader, table: &mut TableHelper<'_>, span: Span, folder: &Path) -> ThreatList {
    let before = reader.errors.len();
    let (mut name, mut file, mut layout) = (String::new(), PathBuf::new(), Layout::default());
    let (mut prefix, mut description) = (None, None);
    reader.value(table, "name", &mut name, |name: String| {
        non_empty(name.trim(), "the name for alerts").map(|()| name)
    });
    reader.value(table, "file", &mut file, |path: String| {
        non_empty(&path, "a file path").map(|()| folder.join(path))
    });
    reader.value(table, "format", &mut layout, |name: String| {
        one_of(
            &name,
            &[
                ("detect", Layout::Detect),
                ("plain", Layout::Plain),
                ("csv", Layout::Csv),
                ("misp", Layout::Misp),
                ("stix", Layout::Stix),
            ],
        )
    });
    let column = |number| within(number, 1, 1_000).map(|number| Some(number as usize - 1));
    reader.value(table, "prefix_column", &mut prefix, column);
    reader.value(table, "description_column", &mut description, column);
    if reader.errors.len() == before {
        if name.is_empty() {
            reader.mistake(span, "this threat list has no `name`: add the name for alerts");
        } else if file.as_os_str().is_empty() {
            reader.mistake(span, "this threat list has no `file`: say where its prefixes are");
        } else if (prefix.is_some() || description.is_some()) && !matches!(layout, Layout::Csv) {
            reader.mistake(span, "columns are for `format = \"csv\"`");
        }
    }
    let format = match layout {
        Layout::Detect => Format::Detect,
        Layout::Plain => Format::Plain,
        Layout::Misp => Format::Misp,
        Layout::Stix => Format::Stix,
        Layout::Csv => Format::Csv { prefix, description },
    };
    ThreatList { name, file, format }
}

#[cfg(test)]
mod tests {
    use crate::config::{BadThreatList, file};

    #[test]
    fn reads_threat_lists_and_names_a_bad_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bad.csv"), "x,8.8.4.0/24,scanner\ny,9.9.9.9,other\n").unwrap();
        let text =
            "[[threat_list]]\nname = \"feed\"\nfile = \"bad.csv\"\nformat = \"csv\"\nprefix_column = 2\n";
        let config = file::parse(text, folder.path(), BadThreatList::Refused).unwrap();
        assert_eq!(config.threats.len(), 2);
        std::fs::write(folder.path().join("bad.csv"), "x,8.8.4.0/24,scanner\ny,9.9.9.999,other\n").unwrap();
        let problem = file::parse(text, folder.path(), BadThreatList::Refused).unwrap_err().remove(0);
        assert!(problem.message.contains("bad.csv, line 2: \"9.9.9.999\""), "{problem}");
        let spared = file::parse(text, folder.path(), BadThreatList::LeftOut).unwrap();
        assert_eq!(spared.unread_threat_lists, [problem], "whoever has read it before goes on with that");
        assert_eq!((spared.threats.len(), spared.threat_lists.len()), (0, 1));
        let wrong = |text: &str| {
            file::parse(text, folder.path(), BadThreatList::Refused).unwrap_err().remove(0).message
        };
        assert!(wrong("[[threat_list]]\nname = \"a\"\n").contains("`file`"));
        assert!(wrong("[[threat_list]]\nfile = \"a\"\n").contains("`name`"));
        assert!(wrong("[[threat_list]]\nname = \"a\"\nfile = \"gone.txt\"\n").contains("gone.txt"));
        assert!(wrong("[[threat_list]]\nname = \"a\"\nfile = \"a\"\nprefix_column = 1\n").contains("csv"));
    }
}
