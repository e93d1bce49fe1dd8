//! `[enrichment]` and `[[lease_file]]`: the sources of facts about hosts.

use std::path::{Path, PathBuf};

use toml_span::de_helpers::TableHelper;

use super::{
    reader::Reader,
    value::{non_empty, one_of},
};
use crate::hosts::{HostSources, LeaseFile, LeaseFormat};

/// Reads both.
pub(super) fn read(reader: &mut Reader, table: &mut TableHelper<'_>, folder: &Path) -> HostSources {
    let mut sources = HostSources::default();
    reader.section(table, "enrichment", |reader, table| {
        reader.value(table, "neighbours", &mut sources.neighbours, Ok);
        reader.value(table, "reverse_dns", &mut sources.reverse_dns, Ok);
        reader.list(table, "mmdb", &mut sources.databases, |path: String| {
            non_empty(&path, "an MMDB file").map(|()| folder.join(path))
        });
    });
    sources.lease_files = reader.tables(table, "lease_file", |reader, table, span| {
        let before = reader.errors.len();
        let (mut file, mut format) = (PathBuf::new(), None);
        reader.value(table, "file", &mut file, |path: String| {
            non_empty(&path, "a file path").map(|()| folder.join(path))
        });
        reader.value(table, "format", &mut format, |name: String| {
            let known =
                [("dnsmasq", LeaseFormat::Dnsmasq), ("isc", LeaseFormat::Isc), ("kea", LeaseFormat::Kea)];
            one_of(&name, &known).map(Some)
        });
        if reader.errors.len() == before {
            if file.as_os_str().is_empty() {
                reader.mistake(span, "this lease file has no `file`: say where the DHCP server writes it");
            } else if format.is_none() {
                reader.mistake(span, "this lease file has no `format`: \"dnsmasq\", \"isc\" or \"kea\"");
            }
        }
        LeaseFile { file, format: format.unwrap_or(LeaseFormat::Dnsmasq) }
    });
    sources
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BadThreatList, file};

    #[test]
    fn reads_lease_files_and_names_what_is_missing() {
        let parse = |text: &str| file::parse(text, Path::new("/etc/smb-sensor"), BadThreatList::Refused);
        let text = "[enrichment]\nneighbours = false\nmmdb = [\"as.mmdb\"]\nreverse_dns = true\n[[lease_file]]\nfile = \"/var/lib/misc/dnsmasq.leases\"\n\
                    format = \"dnsmasq\"\n[[lease_file]]\nfile = \"kea.csv\"\nformat = \"kea\"\n";
        let hosts = parse(text).unwrap().hosts;
        assert!(!hosts.neighbours && HostSources::default().neighbours);
        assert!(hosts.reverse_dns && !HostSources::default().reverse_dns);
        assert_eq!(hosts.databases, [PathBuf::from("/etc/smb-sensor/as.mmdb")]);
        let files: Vec<_> =
            hosts.lease_files.iter().map(|one| (one.file.to_str().unwrap(), one.format)).collect();
        assert_eq!(
            files,
            [
                ("/var/lib/misc/dnsmasq.leases", LeaseFormat::Dnsmasq),
                ("/etc/smb-sensor/kea.csv", LeaseFormat::Kea)
            ]
        );
        let wrong = |text: &str| parse(text).unwrap_err().remove(0).message;
        assert!(wrong("[[lease_file]]\nformat = \"isc\"\n").contains("no `file`"));
        assert!(wrong("[[lease_file]]\nfile = \"a\"\n").contains("no `format`"));
        assert!(wrong("[[lease_file]]\nfile = \"a\"\nformat = \"udhcpd\"\n").contains("dnsmasq"));
    }
}
