//! The TOML file: read whole, every mistake with its place.

use std::{fmt::Display, path::PathBuf};

use ipnet::IpNet;
use toml_span::{Deserialize, ErrorKind, Span, Value, de_helpers::TableHelper, value::ValueInner};

use super::{AttributionChoice, Config, Problem, destination};
use crate::{
    exempt::Exemption,
    kernel::attach::{IngressChoice, TcChoice},
};

/// Reads a configuration file's text over the defaults.
///
/// # Errors
/// Every mistake, in the order of the file.
pub(super) fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let mut root = match toml_span::parse(text) {
        Ok(root) => root,
        Err(error) => {
            return Err(vec![Problem::at(text, error.span.start, format!("not TOML: {}", describe(&error)))]);
        }
    };
    let mut reader = Reader { errors: vec![] };
    let mut config = Config::default();
    reader.table(&mut root, |reader, table| {
        reader.value(table, "profile", &mut config.profile, |name: String| name.parse());
        reader.list(table, "interfaces", &mut config.interfaces, |name: String| match name.as_str() {
            "" => Err("an interface name is empty".to_owned()),
            _ => Ok(name),
        });
        reader.value(table, "output", &mut config.output, |path: String| {
            non_empty(&path, "a file path, or \"-\" for standard output")
                .map(|()| destination(&PathBuf::from(path)))
        });
        reader.value(table, "state_dir", &mut config.state_dir, |path: String| {
            non_empty(&path, "a directory path").map(|()| PathBuf::from(path))
        });
        reader.value(table, "statistics_interval", &mut config.statistics_interval, |n| within(n, 1, 86_400));
        reader.section(table, "networks", |reader, table| {
            reader.value(table, "defaults", &mut config.default_networks, Ok);
            reader.list(table, "internal", &mut config.internal, |net: String| network(&net));
        });
        reader.section(table, "services", |reader, table| {
            let services = &mut config.services;
            reader.list(table, "smb_tcp", &mut services.smb_tcp, port);
            reader.list(table, "rpc_tcp", &mut services.rpc_tcp, port);
            reader.list(table, "netbios_udp", &mut services.netbios_udp, port);
            reader.value(table, "smb_any_port", &mut services.smb_any_port, Ok);
        });
        reader.section(table, "kernel", |reader, table| {
            let kernel = &mut config.kernel;
            reader.value(table, "ingress", &mut kernel.ingress, |name: String| {
                one_of(
                    &name,
                    &[
                        ("auto", IngressChoice::Auto),
                        ("xdp-native", IngressChoice::XdpNative),
                        ("xdp-generic", IngressChoice::XdpGeneric),
                        ("tc", IngressChoice::Tc),
                    ],
                )
            });
            reader.value(table, "tc", &mut kernel.tc, |name: String| {
                one_of(
                    &name,
                    &[("auto", TcChoice::Auto), ("tcx", TcChoice::Tcx), ("clsact", TcChoice::Clsact)],
                )
            });
            reader.value(table, "flow_slots", &mut kernel.flow_slots, |n| power_of_two(n, 64, 1 << 20));
            reader.value(table, "flow_idle", &mut kernel.flow_idle, |n| within(n, 10, 86_400));
            reader.value(table, "ring_bytes", &mut kernel.ring_bytes, |n| power_of_two(n, 65_536, 1 << 30));
            reader
                .value(table, "max_prefixes", &mut kernel.max_prefixes, |n| power_of_two(n, 1_024, 1 << 21));
            reader.value(table, "tunnels", &mut kernel.tunnels, Ok);
            reader.value(table, "debug", &mut kernel.debug, Ok);
        });
        reader.section(table, "detection", |reader, table| {
            let detection = &mut config.detection;
            reader.value(table, "rare_window_days", &mut detection.rare_window_days, |n| within(n, 1, 365));
            reader.value(table, "attempt_settle", &mut detection.attempt_settle, |n| within(n, 1, 60));
            reader.value(table, "learning_hours", &mut detection.learning_hours, |n| within(n, 0, 8_760));
            let departures = &mut detection.limits.departures;
            reader.value(table, "data_leaving_bytes", &mut departures.bytes, |n| within(n, 4_096, 1 << 50));
            reader.value(table, "data_leaving_window", &mut departures.window, |n| within(n, 60, 86_400));
            reader.value(table, "data_leaving_rate", &mut departures.rate, |n| within(n, 1_024, 1 << 40));
            let sweep = &mut detection.limits.sweep;
            reader.value(table, "sweep_targets", &mut sweep.targets, |n| {
                within(n, 2, 1_000).map(|n| n as usize)
            });
            reader.value(table, "sweep_window", &mut sweep.window, |n| within(n, 60, 86_400));
        });
        reader.section(table, "process", |reader, table| {
            let process = &mut config.process;
            reader.value(table, "attribution", &mut process.attribution, |name: String| {
                one_of(&name, &[("auto", AttributionChoice::Auto), ("off", AttributionChoice::Off)])
            });
            reader.value(table, "cgroup", &mut process.cgroup, |path: String| {
                non_empty(&path, "the folder of a cgroup").map(|()| Some(PathBuf::from(path)))
            });
        });
        reader.value(table, "flow_documents", &mut config.flow_documents, Ok);
        reader.section(table, "journal", |reader, table| {
            let journal = &mut config.journal;
            reader.value(table, "max_bytes", &mut journal.bytes, |n| within(n, 1 << 20, 1 << 40));
            reader.value(table, "max_age_days", &mut journal.days, |n| within(n, 1, 3_650));
        });
        reader.section(table, "enforcement", |reader, table| {
            let enforcement = &mut config.enforcement;
            reader.value(table, "active", &mut enforcement.active, Ok);
            reader.value(table, "expire_after", &mut enforcement.expire_after, |n| within(n, 0, 31_536_000));
        });
        reader.section(table, "record", |reader, table| {
            let record = &mut config.record;
            reader.value(table, "file", &mut record.file, |path: String| {
                non_empty(&path, "a file path").map(|()| Some(PathBuf::from(path)))
            });
            reader.value(table, "snap_length", &mut record.snap_length, |n| {
                within(n, 64, 65_535).map(|n| n as u32)
            });
            reader.value(table, "max_mib", &mut record.max_mib, |n| within(n, 1, 1 << 20));
        });
        reader.exemptions(table, &mut config.exemptions);
    });
    if reader.errors.is_empty() {
        return Ok(config);
    }
    reader.errors.sort_by_key(|(span, _)| span.start);
    Err(reader.errors.into_iter().map(|(span, message)| Problem::at(text, span.start, message)).collect())
}

/// Walks the document and collects mistakes instead of stopping at the first.
struct Reader {
    errors: Vec<(Span, String)>,
}

impl Reader {
    /// Reads a table's keys with `read` and reports those that nobody asked for.
    fn table<'de>(&mut self, value: &mut Value<'de>, read: impl FnOnce(&mut Self, &mut TableHelper<'de>)) {
        let mut table = match TableHelper::new(value) {
            Ok(table) => table,
            Err(error) => return self.toml_errors(error.errors),
        };
        read(self, &mut table);
        if let Err(error) = table.finalize(None) {
            self.toml_errors(error.errors);
        }
    }

    /// A sub-table, if it is there.
    fn section<'de>(
        &mut self,
        table: &mut TableHelper<'de>,
        name: &'static str,
        read: impl FnOnce(&mut Self, &mut TableHelper<'de>),
    ) {
        if let Some((_, mut value)) = table.take(name) {
            self.table(&mut value, read);
        }
    }

    /// A single value, if it is there: typed by TOML, then checked.
    fn value<'de, T: Deserialize<'de>, R>(
        &mut self,
        table: &mut TableHelper<'de>,
        name: &'static str,
        into: &mut R,
        check: impl FnOnce(T) -> Result<R, String>,
    ) {
        if let Some((_, mut value)) = table.take(name)
            && let Some(checked) = self.checked(name, &mut value, check)
        {
            *into = checked;
        }
    }

    /// A list, if it is there; every element is checked.
    fn list<'de, T: Deserialize<'de>, R>(
        &mut self,
        table: &mut TableHelper<'de>,
        name: &'static str,
        into: &mut Vec<R>,
        check: impl Fn(T) -> Result<R, String>,
    ) {
        let Some((_, mut value)) = table.take(name) else {
            return;
        };
        let span = value.span;
        match value.take() {
            ValueInner::Array(items) => {
                into.clear();
                for mut item in items {
                    into.extend(self.checked(name, &mut item, &check));
                }
            }
            other => {
                self.errors.push((span, format!("`{name}` is {}; write a list: [ … ]", other.type_str())));
            }
        }
    }

    fn checked<'de, T: Deserialize<'de>, R>(
        &mut self,
        name: &str,
        value: &mut Value<'de>,
        check: impl FnOnce(T) -> Result<R, String>,
    ) -> Option<R> {
        let span = value.span;
        match T::deserialize(value) {
            Ok(typed) => match check(typed) {
                Ok(checked) => return Some(checked),
                Err(message) => self.errors.push((span, format!("`{name}`: {message}"))),
            },
            Err(error) => {
                for error in error.errors {
                    self.errors.push((span, format!("`{name}`: {}", describe(&error))));
                }
            }
        }
        None
    }

    fn exemptions(&mut self, table: &mut TableHelper<'_>, into: &mut Vec<Exemption>) {
        let Some((_, mut value)) = table.take("exempt") else {
            return;
        };
        let span = value.span;
        let ValueInner::Array(items) = value.take() else {
            self.errors.push((span, "`exempt` is not a list; write [[exempt]] above each entry".to_owned()));
            return;
        };
        for mut item in items {
            let span = item.span;
            let before = self.errors.len();
            let mut exemption = Exemption { source: None, destination: None, reason: String::new() };
            self.table(&mut item, |reader, table| {
                reader.value(table, "source", &mut exemption.source, |net: String| network(&net).map(Some));
                reader.value(table, "destination", &mut exemption.destination, |net: String| {
                    network(&net).map(Some)
                });
                reader.value(table, "reason", &mut exemption.reason, |reason: String| {
                    non_empty(reason.trim(), "why this traffic is safe").map(|()| reason)
                });
            });
            if self.errors.len() > before {
                continue;
            }
            if exemption.source.is_none() && exemption.destination.is_none() {
                self.errors.push((
                    span,
                    "this exemption has neither `source` nor `destination`: give one or both".into(),
                ));
            } else if exemption.reason.is_empty() {
                self.errors
                    .push((span, "this exemption has no `reason`: say why the traffic is safe".into()));
            } else {
                into.push(exemption);
            }
        }
    }

    fn toml_errors(&mut self, errors: Vec<toml_span::Error>) {
        for error in errors {
            if let ErrorKind::UnexpectedKeys { keys, expected } = &error.kind {
                for (key, span) in keys {
                    self.errors
                        .push((*span, format!("unknown key `{key}`; known here: {}", expected.join(", "))));
                }
            } else {
                self.errors.push((error.span, describe(&error)));
            }
        }
    }
}

/// An error of the TOML reader without its place, which the caller adds.
fn describe(error: &toml_span::Error) -> String {
    match &error.kind {
        ErrorKind::Wanted { expected, found } => format!("{expected} expected, {found} found"),
        kind => kind.to_string(),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let net: IpNet = text
        .parse()
        .or_else(|_| text.parse().map(|address: std::net::IpAddr| IpNet::from(address)))
        .map_err(|_| {
            format!("{text:?} is not a network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7")
        })?;
    if net.trunc() == net {
        Ok(net)
    } else {
        Err(format!("{text:?} has bits set after its prefix length; did you mean {}?", net.trunc()))
    }
}

fn port(number: i64) -> Result<u16, String> {
    match u16::try_from(number) {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(format!("{number} is not a port; ports are 1 to 65535")),
    }
}

fn within(number: i64, least: u64, most: u64) -> Result<u64, String> {
    u64::try_from(number)
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("{number} is out of range; use {least} to {most}"))
}

fn power_of_two(number: i64, least: u32, most: u32) -> Result<u32, String> {
    u32::try_from(number)
        .ok()
        .filter(|n| n.is_power_of_two() && (least..=most).contains(n))
        .ok_or_else(|| format!("{number} does not fit; use a power of two from {least} to {most}"))
}

fn one_of<T: Copy>(name: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = choices.iter().map(|(known, _)| *known).collect();
        format!("{name:?} is none of {}", known.join(", "))
    })
}

fn non_empty(text: &str, what: impl Display) -> Result<(), String> {
    if text.is_empty() { Err(format!("is empty; write {what}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../smb-sensor.example.toml");

    #[test]
    fn the_example_file_is_valid_and_says_the_defaults() {
        let config = parse(EXAMPLE).unwrap();
        let defaults = Config::default();
        assert_eq!(config.profile, defaults.profile);
        assert_eq!(config.kernel, defaults.kernel);
        assert_eq!(config.services, defaults.services);
        assert_eq!(config.detection, defaults.detection);
        assert_eq!(config.process, defaults.process);
        assert_eq!(config.enforcement, defaults.enforcement);
        assert_eq!(config.journal, defaults.journal);
        assert_eq!(config.flow_documents, defaults.flow_documents);
        assert_eq!(config.state_dir, defaults.state_dir);
        assert_eq!(config.statistics_interval, defaults.statistics_interval);
    }

    #[test]
    fn the_example_file_with_everything_uncommented_is_valid() {
        let all: String =
            EXAMPLE.lines().map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line))).collect();
        assert_ne!(all, EXAMPLE, "the example shows optional keys behind `#: `");
        let config = parse(&all).unwrap();
        assert!(!config.exemptions.is_empty() && !config.internal.is_empty());
        assert!(config.process.cgroup.is_some());
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let text = "interfaces = [\"eth0\"]\n[networks]\ninternal = [\"10.0.0.0/33\"]\n[kernel]\nflow_slots = 1000\ningres = \"tc\"\n";
        let problems = parse(text).unwrap_err();
        let places: Vec<_> = problems.iter().map(|p| (p.line, p.column)).collect();
        assert_eq!(places, [(3, 14), (5, 14), (6, 1)], "{problems:?}");
        assert!(problems[0].message.contains("10.0.0.0/33"));
        assert!(problems[1].message.contains("power of two"));
        assert!(problems[2].message.contains("ingres") && problems[2].message.contains("ingress"));
    }

    #[test]
    fn broken_toml_names_the_line() {
        let problems = parse("a = 1\nb = [").unwrap_err();
        assert_eq!(problems[0].line, 2, "{problems:?}");
    }

    #[test]
    fn host_bits_in_a_network_are_a_mistake_with_a_proposal() {
        assert!(network("10.1.2.3/8").unwrap_err().contains("10.0.0.0/8"));
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
    }

    #[test]
    fn an_exemption_needs_a_reason_and_an_end() {
        let wrong = |text: &str| parse(text).unwrap_err().remove(0).message;
        assert!(wrong("[[exempt]]\nsource = \"10.0.0.1\"\n").contains("reason"));
        assert!(wrong("[[exempt]]\nreason = \"x\"\n").contains("source"));
        assert!(wrong("exempt = 3\n").contains("[[exempt]]"));
        let fine =
            parse("[[exempt]]\nsource = \"10.0.0.1\"\ndestination = \"8.8.4.0/24\"\nreason = \"backup\"\n")
                .unwrap();
        assert_eq!(fine.exemptions.len(), 1);
    }
}
