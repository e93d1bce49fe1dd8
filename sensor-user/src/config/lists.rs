//! Named lists of networks and DNS names, `[lists]`: inline, or in a file.

use std::{collections::BTreeMap, path::Path};

use ipnet::IpNet;
use toml_span::{Span, Value, de_helpers::TableHelper, value::ValueInner};

use super::reader::Reader;
use crate::{names::is_name, parse::network, threat};

/// Named lists.
pub type Lists = BTreeMap<String, List>;

/// What a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Networks.
    pub networks: Vec<IpNet>,
    /// DNS names.
    pub names: Vec<String>,
}

/// Reads the section, if there is one.
pub(super) fn read(reader: &mut Reader, table: &mut TableHelper<'_>, folder: &Path) -> Lists {
    let mut lists = Lists::new();
    let Some((_, mut value)) = table.take("lists") else { return lists };
    let span = value.span;
    let ValueInner::Table(entries) = value.take() else {
        reader.mistake(span, "`lists` is no section; write [lists] and below it name = [\"192.0.2.0/24\"]");
        return lists;
    };
    for (key, value) in entries {
        // In an exemption, a list must look different from a network.
        if network(&key.name).is_ok() || !key.name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            reader.mistake(key.span, format!("{:?} names no list: begin with a letter", key.name));
        }
        lists.insert(key.name.to_string(), list(reader, value, folder));
    }
    lists
}

fn list(reader: &mut Reader, mut value: Value<'_>, folder: &Path) -> List {
    let span = value.span;
    let mut list = List::default();
    match value.take() {
        ValueInner::String(file) => list = from_file(reader, span, &folder.join(&*file)),
        ValueInner::Array(items) => {
            for mut item in items {
                let span = item.span;
                match item.take() {
                    ValueInner::String(name) if is_name(&name) => list.names.push(name.into_owned()),
                    ValueInner::String(text) => match network(&text) {
                        Ok(net) => list.networks.push(net),
                        Err(wrong) => {
                            reader.mistake(span, format!("{wrong}; or write a DNS name with a dot"));
                        }
                    },
                    _ => reader.mistake(span, "a list holds networks and DNS names, each in quotes"),
                }
            }
        }
        other => {
            let wrong = format!(
                "a list is [ … ] of networks and DNS names or the name of a file, not {}",
                other.type_str()
            );
            reader.mistake(span, wrong);
        }
    }
    list
}

fn from_file(reader: &mut Reader, span: Span, path: &Path) -> List {
    match threat::read_with_names(path) {
        Ok((networks, names)) => List { networks, names },
        Err(wrong) => {
            reader.mistake(span, format!("{wrong}; or write a DNS name with a dot"));
            List::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BadThreatList, Config, Problem, file};

    fn parse(text: &str, folder: &Path) -> Result<Config, Vec<Problem>> {
        file::parse(text, folder, BadThreatList::Refused)
    }

    #[test]
    fn reads_a_list_inline_or_from_a_file_beside_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ours.txt"), "# ours\n198.51.100.0/24\n2001:db8::/32\n").unwrap();
        let text = "[lists]\nsites = [\"192.0.2.0/24\", \"192.0.2.7\"]\nours = \"ours.txt\"\n";
        let lists = parse(text, folder.path()).unwrap().lists;
        assert_eq!((lists["sites"].networks.len(), lists["ours"].networks.len()), (2, 2));
        std::fs::write(folder.path().join("ours.txt"), "198.51.100.0/24\nnonsense\n").unwrap();
        let problem = parse(text, folder.path()).unwrap_err().remove(0);
        assert_eq!(problem.line, 3);
        assert!(problem.message.contains("ours.txt, line 2: \"nonsense\""), "{problem}");
    }

    #[test]
    fn reads_dns_names_in_an_inline_list() {
        let text = "[lists]\ncloud = [\"account.file.example\", \"192.0.2.7\"]\n";
        let list = parse(text, Path::new(".")).unwrap().lists.remove("cloud").unwrap();
        assert_eq!((list.names, list.networks.len()), (vec!["account.file.example".to_owned()], 1));
        let problem = parse("[lists]\ncloud = [\"account\"]\n", Path::new(".")).unwrap_err().remove(0);
        assert!(problem.line == 2 && problem.message.contains("DNS name with a dot"), "{problem}");
    }

    #[test]
    fn reads_dns_names_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[lists]\ncloud = \"cloud.txt\"\n";
        let write = |lines: &str| std::fs::write(folder.path().join("cloud.txt"), lines).unwrap();
        write("account.file.example # theirs\n192.0.2.0/24\n\n; others\nfiles.example.\n");
        let list = parse(text, folder.path()).unwrap().lists.remove("cloud").unwrap();
        assert_eq!(
            (list.names, list.networks.len()),
            (vec!["account.file.example".to_owned(), "files.example.".to_owned()], 1)
        );
        write("account\n");
        let problem = parse(text, folder.path()).unwrap_err().remove(0);
        assert!(
            problem.message.contains("cloud.txt, line 1") && problem.message.contains("DNS name with a dot"),
            "{problem}"
        );
        write(&(0..1_001).map(|number| format!("n{number}.example\n")).collect::<String>());
        let problem = parse(text, folder.path()).unwrap_err().remove(0);
        assert!(problem.message.contains("1001 DNS names"), "{problem}");
    }

    #[test]
    fn refuses_a_list_named_like_a_network() {
        let problem = parse("[lists]\n\"10.0.0.1\" = []\n", Path::new(".")).unwrap_err().remove(0);
        assert!(problem.message.contains("names no list"), "{problem}");
    }
}
