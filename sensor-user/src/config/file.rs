//! The TOML file: reads it completely, and reports every mistake with its place.

use std::path::{Path, PathBuf};

use toml_span::{Span, de_helpers::TableHelper};

use super::{
    AttributionChoice, BadThreatList, Config, Problem, assets, exemptions, hosts, http, lists, outputs,
    reader::{Reader, describe},
    response, restart, threats,
    value::{directory, internal_network, non_empty, one_of, port, power_of_two, seconds, within},
};
use crate::kernel::attach::{IngressChoice, TcChoice};

/// Reads a configuration file's text over the defaults. Relative names of files in it are relative to `folder`.
/// Unreadable threat lists are no mistake if they may be left out.
///
/// # Errors
/// Every mistake, in the order of the file.
pub(super) fn parse(
    text: &str,
    folder: &Path,
    bad_threat_list: BadThreatList,
) -> Result<Config, Vec<Problem>> {
    let mut config = Config::default();
    let (mut unread, mut unread_assets) = (vec![], vec![]);
    read(text, |reader, table| {
        settings(reader, table, &mut config, folder);
        match bad_threat_list {
            BadThreatList::Refused => {
                reader.errors.append(&mut reader.unread_lists);
                reader.errors.append(&mut reader.unread_assets);
            }
            BadThreatList::LeftOut => {
                unread.append(&mut reader.unread_lists);
                unread_assets.append(&mut reader.unread_assets);
            }
        }
    })?;
    config.unread_threat_lists = problems(text, unread);
    config.unread_assets = problems(text, unread_assets);
    Ok(config)
}

/// Why a text is no TOML document.
fn not_toml(error: &toml_span::Error) -> String {
    use toml_span::ErrorKind::{DuplicateKey, DuplicateTable, RedefineAsArray};
    match error.kind {
        // Each of the two is valid by itself.
        DuplicateKey { .. } | DuplicateTable { .. } | RedefineAsArray => describe(error),
        _ => format!("not TOML: {}", describe(error)),
    }
}

/// Reads a TOML document with `read`.
///
/// # Errors
/// Every mistake, in the order of the file.
pub(super) fn read(
    text: &str,
    read: impl FnOnce(&mut Reader, &mut TableHelper<'_>),
) -> Result<(), Vec<Problem>> {
    let mut root = match toml_span::parse(text) {
        Ok(root) => root,
        Err(error) => {
            return Err(vec![Problem::at(text, error.span.start, not_toml(&error))]);
        }
    };
    let mut reader = Reader { errors: vec![], unread_lists: vec![], unread_assets: vec![] };
    reader.table(&mut root, read);
    if reader.errors.is_empty() {
        return Ok(());
    }
    Err(problems(text, reader.errors))
}

/// Mistakes in the order of the file, each with its place.
fn problems(text: &str, mut mistakes: Vec<(Span, String)>) -> Vec<Problem> {
    mistakes.sort_by_key(|(span, _)| span.start);
    mistakes.into_iter().map(|(span, message)| Problem::at(text, span.start, message)).collect()
}

/// The keys of the configuration.
fn settings(reader: &mut Reader, table: &mut TableHelper<'_>, config: &mut Config, folder: &Path) {
    reader.value(table, "profile", &mut config.profile, |name: String| name.parse());
    reader.list(table, "interfaces", &mut config.interfaces, |name: String| name.parse());
    if let Some(outputs) = outputs::read(reader, table, folder) {
        config.outputs = outputs;
    }
    reader.value(table, "state_dir", &mut config.state_dir, |path: String| {
        non_empty(&path, "a directory path").and_then(|()| directory(path.as_ref()))?;
        Ok(PathBuf::from(path))
    });
    reader.value(table, "statistics_interval", &mut config.statistics_interval, |n| within(n, 1, 86_400));
    reader.section(table, "networks", |reader, table| {
        reader.value(table, "defaults", &mut config.default_networks, Ok);
        reader.list(table, "internal", &mut config.internal, |net: String| internal_network(&net));
    });
    reader.section(table, "services", |reader, table| {
        let services = &mut config.services;
        reader.list(table, "smb_tcp", &mut services.smb_tcp, port);
        reader.list(table, "rpc_tcp", &mut services.rpc_tcp, |n| match port(n)? {
            smb @ (139 | 445) => {
                Err(format!("{smb} is a port of SMB, whose messages are not DCE-RPC: name it in smb_tcp"))
            }
            port => Ok(port),
        });
        reader.list(table, "netbios_udp", &mut services.netbios_udp, port);
        reader.list(table, "quic_udp", &mut services.quic_udp, port);
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
            one_of(&name, &[("auto", TcChoice::Auto), ("tcx", TcChoice::Tcx), ("clsact", TcChoice::Clsact)])
        });
        reader.value(table, "flow_slots", &mut kernel.flow_slots, |n| power_of_two(n, 64, 1 << 20));
        reader.value(table, "flow_idle", &mut kernel.flow_idle, |n| within(n, 10, 86_400));
        reader.value(table, "ring_bytes", &mut kernel.ring_bytes, |n| power_of_two(n, 65_536, 1 << 30));
        reader.value(table, "max_prefixes", &mut kernel.max_prefixes, |n| power_of_two(n, 1_024, 1 << 21));
        reader.value(table, "tunnels", &mut kernel.tunnels, Ok);
        reader.value(table, "debug", &mut kernel.debug, Ok);
    });
    reader.section(table, "dns", |reader, table| {
        reader.list(table, "servers", &mut config.dns_servers, |server: String| {
            server.parse().map_err(|_| format!("{server:?} is not the address of a name server"))
        });
    });
    reader.section(table, "detection", |reader, table| {
        let detection = &mut config.detection;
        reader.section(table, "window_days", |reader, table| {
            for (rule, days) in detection.windows.iter_mut() {
                reader.value(table, rule, days, |n| within(n, 1, 365));
            }
        });
        reader.value(table, "attempt_settle", &mut detection.attempt_settle, |n| within(n, 1, 60));
        reader.value(table, "learning_hours", &mut detection.learning_hours, |n| within(n, 0, 8_760));
        let volume = &mut detection.limits.volume;
        reader.value(table, "data_leaving_bytes", &mut volume.bytes, |n| within(n, 4_096, 1 << 50));
        reader.value(table, "data_leaving_window", &mut volume.window, |n| seconds(n, 60, 86_400));
        reader.value(table, "data_leaving_rate", &mut volume.rate, |n| within(n, 1_024, 1 << 40));
        let sweep = &mut detection.limits.sweep;
        reader.value(table, "sweep_targets", &mut sweep.targets, |n| within(n, 2, 1_000).map(|n| n as usize));
        reader.value(table, "sweep_window", &mut sweep.window, |n| seconds(n, 60, 86_400));
        let incidents = &mut detection.limits.incidents_per_window;
        reader.value(table, "incidents_per_window", incidents, |n| within(n, 1, 1_000_000));
        reader.value(table, "incident_idle", &mut detection.incident_idle, |n| within(n, 60, 86_400));
        let logons = &mut detection.limits.logons;
        reader.value(table, "guessing_refused_logons", &mut logons.refused, |n| within(n, 2, 100_000));
        reader.value(table, "spraying_accounts", &mut logons.accounts, |n| {
            within(n, 2, 1_000).map(|n| n as usize)
        });
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
    response::read(reader, table, &mut config.response);
    restart::read(reader, table, &mut config.restart);
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
    (config.assets_file, config.assets) = assets::read(reader, table, folder);
    config.hosts = hosts::read(reader, table, folder);
    config.http = http::read(reader, table, folder);
    config.lists = lists::read(reader, table, folder);
    config.exemptions = exemptions::read(reader, table, &config.lists);
    (config.threat_lists, config.threats) = threats::read(reader, table, folder);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sensor_core::profile::Windows;

    fn parse_here(text: &str) -> Result<Config, Vec<Problem>> {
        parse(text, Path::new("."), BadThreatList::Refused)
    }

    const EXAMPLE: &str = include_str!("../../../smb-sensor.example.toml");

    #[test]
    fn example_file_is_valid_and_states_the_defaults() {
        let config = parse_here(EXAMPLE).unwrap();
        let defaults = Config::default();
        assert_eq!(config.profile, defaults.profile);
        assert_eq!(config.kernel, defaults.kernel);
        assert_eq!(config.services, defaults.services);
        assert_eq!(config.detection, defaults.detection);
        assert_eq!(config.process, defaults.process);
        assert_eq!(config.hosts, defaults.hosts);
        assert_eq!(config.http, defaults.http);
        assert_eq!(config.enforcement, defaults.enforcement);
        assert_eq!(config.response, defaults.response);
        assert_eq!(config.restart, defaults.restart);
        assert_eq!(config.journal, defaults.journal);
        assert_eq!(config.flow_documents, defaults.flow_documents);
        assert_eq!(config.state_dir, defaults.state_dir);
        assert_eq!(config.statistics_interval, defaults.statistics_interval);
    }

    #[test]
    fn uncommented_example_file_is_valid() {
        let all: String =
            EXAMPLE.lines().map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line))).collect();
        assert_ne!(all, EXAMPLE, "the example shows optional keys behind `#: `");
        // The program must be there.
        let all = all.replace("/usr/local/lib/smb-sensor/isolate", "/bin/true");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("feed.csv"), "203.0.113.0/24,scanner\n").unwrap();
        std::fs::write(folder.path().join("hosts.csv"), "10.0.1.2,fs01\n").unwrap();
        let config = parse(&all, folder.path(), BadThreatList::Refused).unwrap();
        assert_eq!((config.threats.len(), config.assets.len()), (1, 1));
        assert!(!config.exemptions.is_empty() && !config.internal.is_empty());
        assert!(config.process.cgroup.is_some() && config.http.is_some() && config.response.exec.is_some());
    }

    #[test]
    fn reports_every_mistake_with_its_place() {
        let text = "interfaces = [\"eth0\"]\n[networks]\ninternal = [\"10.0.0.0/33\"]\n[kernel]\nflow_slots = 1000\ningres = \"tc\"\n";
        let problems = parse_here(text).unwrap_err();
        let places: Vec<_> = problems.iter().map(|p| (p.line, p.column)).collect();
        assert_eq!(places, [(3, 14), (5, 14), (6, 1)], "{problems:?}");
        assert!(problems[0].message.contains("10.0.0.0/33"));
        assert!(problems[1].message.contains("power of two"));
        assert!(problems[2].message.contains("ingres") && problems[2].message.contains("ingress"));
    }

    #[test]
    fn describes_expected_values_in_terms_of_the_file() {
        for (text, words) in [
            ("statistics_interval = 1.5", "a whole number expected, float found"),
            ("[services]\nsmb_any_port = 1", "true or false expected, integer found"),
            ("[services]\nrpc_tcp = [445]", "445 is a port of SMB"),
        ] {
            let problems = parse_here(text).unwrap_err();
            assert!(problems[0].message.contains(words), "{problems:?}");
        }
    }

    #[test]
    fn each_new_term_rule_has_its_own_window() {
        let windows = |text: &str| parse_here(text).map(|config| config.detection.windows);
        let set = "[detection.window_days]\nrare-smb-destination = 14\nelastic-current-smb-to-internet = 1\n";
        let set = windows(set).unwrap();
        for (rule, days) in Windows::default().iter() {
            let wanted = match rule {
                "rare-smb-destination" => 14,
                "elastic-current-smb-to-internet" => 1,
                _ => days,
            };
            assert_eq!(set.days(rule), Some(wanted), "{rule}");
        }
        for (line, column, words) in [
            ("rare-smb-destination = 0", 24, ["rare-smb-destination", "1"]),
            ("elastic-v105-rare-smb-destination = 366", 37, ["elastic-v105-rare-smb-destination", "365"]),
            (
                "smb-to-internet = 7",
                1,
                ["unknown key `smb-to-internet`", "elastic-current-smb-from-internet"],
            ),
        ] {
            let problems = windows(&format!("[detection.window_days]\n{line}\n")).unwrap_err();
            assert_eq!(
                (problems.len(), problems[0].line, problems[0].column),
                (1, 2, column),
                "{problems:?}"
            );
            assert!(words.iter().all(|word| problems[0].message.contains(word)), "{problems:?}");
        }
    }

    #[test]
    fn escapes_text_from_the_file() {
        let problems = parse_here("\"k\\u001b[31m\" = 1\n").unwrap_err();
        let message = problems[0].to_string();
        assert!(message.contains("\\u{1b}[31m") && !message.contains('\u{1b}'), "{message}");
    }

    #[test]
    fn broken_toml_names_the_line() {
        let problems = parse_here("a = 1\nb = [").unwrap_err();
        assert_eq!(problems[0].line, 2, "{problems:?}");
    }
}
