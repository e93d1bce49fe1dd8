//! Autonomous system and country of addresses, from MMDB files (MaxMind DB File Format 2.0) with the fields of GeoLite2 and DB-IP.
//!
//! A file is read into memory as a whole, so that a later truncation does no harm. It is read again when it changed. If it is
//! damaged then, the earlier content stays in use.

#[cfg(test)]
mod fixture;

use std::{net::IpAddr, path::PathBuf};

use maxminddb::{MaxMindDbError, Reader};
use sensor_core::enrichment::AutonomousSystem;
use sensor_dissect::escape::shown;
use serde::Deserialize;
use tracing::{info, warn};

use super::stamp::Stamp;
use crate::parse::{ListFileError, bytes};

/// Most bytes of a file.
const MAX_BYTES: u64 = 512 << 20;

/// Most characters of the name of an organisation.
const MAX_NAME: usize = 255;

/// What the files say of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) autonomous_system: Option<AutonomousSystem>,
    /// Two letters (ISO 3166-1).
    pub(super) country: Option<String>,
}

/// All files.
pub(super) struct Databases(Vec<Known>);

struct Known {
    file: PathBuf,
    reader: Option<Reader<Vec<u8>>>,
    read: Option<Stamp>,
    /// A record could not be read, and that was logged.
    is_doubtful: bool,
}

/// The fields that are of interest.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(default)]
    autonomous_system_number: Option<u32>,
    #[serde(default, borrow)]
    autonomous_system_organization: Option<&'a str>,
    #[serde(default, borrow)]
    country: Option<Country<'a>>,
}

#[derive(Deserialize)]
struct Country<'a> {
    #[serde(default, borrow)]
    iso_code: Option<&'a str>,
}

impl Databases {
    pub(super) fn of(files: &[PathBuf]) -> Self {
        let known =
            |file: &PathBuf| Known { file: file.clone(), reader: None, read: None, is_doubtful: false };
        Self(files.iter().map(known).collect())
    }

    /// Reads the files that changed; returns whether there was one.
    pub(super) fn refresh(&mut self) -> bool {
        self.0.iter_mut().fold(false, |changed, known| known.refresh() | changed)
    }

    /// What is known of an address; the first file that knows something counts.
    pub(super) fn of_address(&mut self, address: IpAddr) -> Origin {
        let mut origin = Origin::default();
        for found in self.0.iter_mut().filter_map(|known| known.origin(address)) {
            origin.autonomous_system = origin.autonomous_system.or(found.autonomous_system);
            origin.country = origin.country.or(found.country);
        }
        origin
    }
}

impl Known {
    fn refresh(&mut self) -> bool {
        let stamp = Stamp::of(&self.file);
        if stamp == self.read && (stamp.is_some() || self.is_doubtful) {
            return false;
        }
        let before = std::mem::replace(&mut self.read, stamp);
        self.is_doubtful = stamp.is_none();
        match open(&self.file) {
            Ok(reader) => {
                let kind = shown(reader.metadata().database_type.as_bytes());
                info!("{}: a database of type {kind} is in use", self.file.display());
                self.reader = Some(reader);
                true
            }
            Err(wrong) => {
                let instead = if self.reader.is_some() { "; the one before stays in use" } else { "" };
                warn!("{} is not used: {wrong}{instead}", self.file.display());
                // Somebody may still be writing it.
                if Stamp::of(&self.file) != stamp {
                    self.read = before;
                }
                false
            }
        }
    }

    fn origin(&mut self, address: IpAddr) -> Option<Origin> {
        match look_up(self.reader.as_ref()?, address) {
            Ok(origin) => origin,
            Err(wrong) => {
                if !std::mem::replace(&mut self.is_doubtful, true) {
                    warn!("{}: the record of {address} cannot be read: {wrong}", self.file.display());
                }
                None
            }
        }
    }
}

fn open(file: &std::path::Path) -> Result<Reader<Vec<u8>>, String> {
    let bytes = bytes(file, MAX_BYTES).map_err(|error| match error {
        ListFileError::TooLarge { most, .. } => format!("it has more than {most} bytes"),
        other => other.to_string(),
    })?;
    let damaged = |error: MaxMindDbError| {
        format!("it is damaged or no MMDB file, get it again: {}", shown(error.to_string().as_bytes()))
    };
    let reader = Reader::from_source(bytes).map_err(damaged)?;
    reader.verify().map_err(damaged)?;
    Ok(reader)
}

fn look_up(reader: &Reader<Vec<u8>>, address: IpAddr) -> Result<Option<Origin>, String> {
    if address.is_ipv6() && reader.metadata().ip_version == 4 {
        return Ok(None);
    }
    let wrong = |error: MaxMindDbError| shown(error.to_string().as_bytes());
    let record: Option<Record<'_>> =
        reader.lookup(address).and_then(|found| found.decode()).map_err(wrong)?;
    Ok(record.map(|record| Origin {
        autonomous_system: record.autonomous_system_number.map(|number| AutonomousSystem {
            number,
            organisation: record.autonomous_system_organization.and_then(organisation),
        }),
        country: record
            .country
            .and_then(|country| country.iso_code)
            .filter(|code| is_country(code))
            .map(Into::into),
    }))
}

fn organisation(name: &str) -> Option<String> {
    let name: String = name.chars().take(MAX_NAME).collect();
    (!name.is_empty()).then(|| shown(name.as_bytes()))
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::{fixture::Database, *};

    /// Set to rewrite the fixture: `SMB_SENSOR_WRITE_GOLDEN=1 cargo test -p sensor-user mmdb`.
    const WRITE: &str = "SMB_SENSOR_WRITE_GOLDEN";

    fn example() -> Vec<u8> {
        Database::default()
            .network("8.8.4.0/24", 64_500, "ExampleNet", "US")
            .network("203.0.112.0/24", 64_501, "Hoster\u{1b}[2J", "de")
            .network("2001:4860::/32", 64_500, "ExampleNet", "US")
            .bytes()
    }

    fn origins(bytes: &[u8]) -> Databases {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("as.mmdb");
        fs::write(&file, bytes).unwrap();
        let mut all = Databases::of(&[file]);
        all.refresh();
        all
    }

    #[test]
    fn committed_fixture_is_what_the_writer_makes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/mmdb/example.mmdb");
        if std::env::var_os(WRITE).is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, example()).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap_or_default(), example(), "set {WRITE} to rewrite it");
    }

    #[test]
    fn names_the_system_and_the_country_of_both_families() {
        let mut all = origins(&example());
        let mut of = |address: &str| all.of_address(address.parse().unwrap());
        let google = Origin {
            autonomous_system: Some(AutonomousSystem {
                number: 64_500,
                organisation: Some("ExampleNet".into()),
            }),
            country: Some("US".into()),
        };
        assert_eq!((of("8.8.4.4"), of("2001:4860:4860::8844")), (google.clone(), google));
        let hostile = of("203.0.112.9");
        assert_eq!(hostile.autonomous_system.unwrap().organisation.as_deref(), Some("Hoster\\u{1b}[2J"));
        assert_eq!(hostile.country, None, "a country has two capital letters");
        assert_eq!(of("9.9.9.9"), Origin::default());
    }

    /// Written by `tests/fixtures/mmdb/write.py`: pointers, nested networks, each size of records, and a tree of IPv4 alone.
    #[test]
    fn files_of_another_writer_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/mmdb");
        let known = |system: Option<(u32, &str)>, country: Option<&str>| Origin {
            autonomous_system: system.map(|(number, organisation)| AutonomousSystem {
                number,
                organisation: Some(organisation.into()),
            }),
            country: country.map(Into::into),
        };
        let layout = |name: &str| {
            let reader = open(&folder.join(name)).unwrap();
            (reader.metadata().record_size, reader.metadata().ip_version)
        };
        assert_eq!(["asn.mmdb", "country.mmdb", "asn-ipv4.mmdb"].map(layout), [(28, 6), (32, 6), (24, 4)]);
        let mut both = Databases::of(&["asn.mmdb", "country.mmdb"].map(|name| folder.join(name)));
        assert!(both.refresh());
        for (address, system, country) in [
            ("8.8.4.4", Some((64_500, "ExampleNet")), Some("US")),
            ("2001:4860:4860::8844", Some((64_500, "ExampleNet")), Some("US")),
            ("203.0.112.9", Some((64_501, "Hoster")), Some("DE")),
            ("203.0.113.9", Some((64_502, "Carrier")), None),
            ("9.9.9.9", None, None),
            ("2001:db8::1", None, None),
        ] {
            assert_eq!(both.of_address(address.parse().unwrap()), known(system, country), "{address}");
        }
        let mut of_ipv4 = Databases::of(&[folder.join("asn-ipv4.mmdb")]);
        assert!(of_ipv4.refresh());
        for (address, system) in [
            ("203.0.112.9", Some((64_501, "Hoster"))),
            ("203.0.113.9", Some((64_502, "Carrier"))),
            ("2001:4860:4860::8844", None),
        ] {
            assert_eq!(of_ipv4.of_address(address.parse().unwrap()), known(system, None), "{address}");
        }
    }

    #[test]
    fn damaged_file_is_refused_and_the_one_before_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("as.mmdb");
        let whole = example();
        fs::write(&file, &whole).unwrap();
        let mut all = Databases::of(std::slice::from_ref(&file));
        assert!(all.refresh() && !all.refresh());
        let address = "8.8.4.4".parse().unwrap();
        let before = all.of_address(address);
        let mut no_metadata = whole.clone();
        let marker = whole.windows(3).rposition(|bytes| bytes == [0xAB, 0xCD, 0xEF]).unwrap();
        no_metadata.truncate(marker);
        let mut cut = whole[whole.len() / 3..].to_vec();
        cut.truncate(cut.len() - 1);
        for damaged in [&no_metadata[..], &cut, b"", b"not a database"] {
            fs::write(&file, damaged).unwrap();
            let wrong = open(&file).err().unwrap();
            assert!(wrong.contains("damaged or no MMDB file, get it again"), "{wrong}");
            assert!(!all.refresh());
            assert_eq!(all.of_address(address), before);
        }
        fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
        assert!(open(&file).err().unwrap().contains("more than 536870912 bytes"));
        fs::remove_file(&file).unwrap();
        assert!(!all.refresh() && !all.refresh());
        assert_eq!(all.of_address(address), before);
        fs::write(&file, &whole).unwrap();
        assert!(all.refresh());
    }

    /// Whatever a byte becomes: an answer, none, or a refusal; never a panic and never a long wait.
    #[test]
    fn changed_bytes_do_no_harm() {
        let whole = example();
        for place in 0..whole.len() {
            for value in [0x00, 0x1F, 0x20, 0xE0, 0xFF] {
                let mut changed = whole.clone();
                changed[place] = value;
                if let Ok(reader) = Reader::from_source(changed) {
                    let _ = reader.verify();
                    for address in ["8.8.4.4", "2001:4860::1", "255.255.255.255"] {
                        let _ = look_up(&reader, address.parse().unwrap());
                    }
                }
            }
        }
    }
}
