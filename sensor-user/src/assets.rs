//! Reads the inventory of own hosts, a CSV file. [`sensor_core::asset`] looks addresses up.

use std::path::Path;

use ipnet::IpNet;
use sensor_core::asset::{Asset, Assets};
use sensor_dissect::escape::misleads;

use crate::parse::{ListFileError, Mistakes, described_mistake, network, read_lines, says_something, split};

/// Most entries: each is kept in memory.
const MAX_ENTRIES: usize = 250_000;

/// Most characters of a name, an owner or a role.
const MAX_LEN: usize = 255;

/// The columns, in order.
const COLUMNS: &str = "address,name,owner,role";

/// Reads an inventory.
///
/// # Errors
/// [`ListFileError`], with every line that is wrong.
pub fn read(path: &Path) -> Result<Assets, ListFileError> {
    read_lines(path, parse)
}

fn parse(text: &str) -> Result<Assets, Mistakes> {
    let (mut assets, mut mistakes) = (Assets::default(), Vec::new());
    let mut is_first = true;
    for (line, number) in text.lines().zip(1u32..).filter(|(line, _)| says_something(line)) {
        let is_heading = std::mem::take(&mut is_first) && is_heading(line);
        if is_heading {
            continue;
        }
        if assets.len() == MAX_ENTRIES {
            let wrong =
                format!("more than {MAX_ENTRIES} entries: write networks instead of single addresses");
            mistakes.push((number, wrong));
            break;
        }
        match entry(line) {
            Ok((net, asset)) => {
                if let Some(before) = assets.put(net, asset) {
                    let wrong = format!("{net} is {:?} in a line above: remove one of the two", before.name);
                    mistakes.push((number, wrong));
                }
            }
            Err(wrong) => mistakes.push((number, described_mistake(line, wrong))),
        }
    }
    if mistakes.is_empty() { Ok(assets) } else { Err(mistakes) }
}

/// Whether a line names the columns. A misspelled address has a dot or a colon, and is none.
fn is_heading(line: &str) -> bool {
    split(line, ',').is_ok_and(|columns| !columns[0].contains(['.', ':', '/']))
}

/// The network and the host of a line.
fn entry(line: &str) -> Result<(IpNet, Asset), String> {
    let columns = split(line, ',')?;
    let mut columns = columns.iter().map(|column| column.trim());
    let net = network(columns.next().unwrap_or_default())?;
    let mut column = |what: &str| match columns.next().filter(|text| !text.is_empty()) {
        Some(text) => checked(what, text).map(Some),
        None => Ok(None),
    };
    let (name, owner, role) = (column("name")?, column("owner")?, column("role")?);
    let name = name.ok_or_else(|| format!("{net} has no name: the columns are {COLUMNS}"))?;
    if columns.any(|rest| !rest.is_empty()) {
        return Err(format!(
            "{net} has more than 4 columns: they are {COLUMNS}; quote text that has a comma"
        ));
    }
    Ok((net, Asset { name, owner, role: role.map(Into::into) }))
}

/// Text that may be shown as it is.
fn checked(what: &str, text: &str) -> Result<String, String> {
    if text.chars().any(misleads) {
        return Err(format!("the {what} {text:?} has control or invisible characters: remove them"));
    }
    if text.chars().count() > MAX_LEN {
        return Err(format!("the {what} is longer than {MAX_LEN} characters: shorten it"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn mistake(text: &str) -> (u32, String) {
        parse(text).unwrap_err().remove(0)
    }

    #[test]
    fn reads_addresses_networks_and_missing_columns() {
        let text = "address,name,owner,role\n# servers\n10.0.1.2,fs01,Ann Example,file-server\n\
                    10.0.2.0/24,\"printers, 2nd floor\"\nfd00::7, bk01 ,,Backup\n";
        let assets = parse(text).unwrap();
        let of = |address: &str| assets.of(address.parse().unwrap()).unwrap().clone();
        let server = of("10.0.1.2");
        assert_eq!((server.name.as_str(), server.owner.as_deref()), ("fs01", Some("Ann Example")));
        assert_eq!(server.role.unwrap().name(), "file-server");
        assert_eq!(of("10.0.2.9").name, "printers, 2nd floor");
        let backup = of("fd00::7");
        assert_eq!((backup.name.as_str(), backup.owner), ("bk01", None));
        assert_eq!(backup.role.unwrap().name(), "backup");
        assert_eq!(assets.len(), 3);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn names_the_line_and_what_to_do() {
        for (text, line, words) in [
            ("address,name\n10.0.0.300,a\n", 2, "\"10.0.0.300\" is not a network"),
            ("10.0.0.300,a\n", 1, "\"10.0.0.300\" is not a network"),
            ("10.0.0.1\n", 1, "10.0.0.1/32 has no name: the columns are address,name,owner,role"),
            ("10.0.0.1,a,b,c,d\n", 1, "more than 4 columns"),
            ("10.0.0.1,a\n\n10.0.0.1,b\n", 3, "10.0.0.1/32 is \"a\" in a line above"),
            ("10.0.0.1,a\u{1b}[2J\n", 1, "the name \"a\\u{1b}[2J\" has control or invisible characters"),
            ("10.0.0.1,a,Ann\u{202e}nnA\n", 1, "the owner"),
            ("10.0.0.1,\"a\n", 1, "a quote that is not closed"),
        ] {
            let (found, wrong) = mistake(text);
            assert!(found == line && wrong.contains(words), "{text:?}: {found}: {wrong}");
        }
        let long = format!("10.0.0.1,{}\n", "x".repeat(256));
        assert!(mistake(&long).1.contains("longer than 255"));
    }

    #[test]
    fn refuses_too_many_entries() {
        let mut text = String::new();
        for number in 0..=MAX_ENTRIES as u32 {
            let _ = writeln!(text, "{},host", std::net::Ipv4Addr::from(0x0A00_0000 + number));
        }
        assert!(mistake(&text).1.contains("write networks instead"));
        let fewer = &text[..text.trim_end().rfind('\n').unwrap()];
        assert_eq!(parse(fewer).unwrap().len(), MAX_ENTRIES);
    }

    #[test]
    fn refuses_a_huge_file_and_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let huge = folder.path().join("inventory.csv");
        // A gibibyte without blocks on the disk.
        std::fs::File::create(&huge).unwrap().set_len(1 << 30).unwrap();
        let refused = read(&huge).unwrap_err().to_string();
        assert!(refused.contains("inventory.csv has more than 67108864 bytes"), "{refused}");
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read(&pipe).unwrap_err().to_string().contains("not a regular file"));
    }
}
