//! `output`: one destination, or `[[output]]` tables.

mod http;
mod nats;
mod syslog;
mod tls;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sensor_core::level::Severity;
use toml_span::{Span, Value, de_helpers::TableHelper, value::ValueInner};

use crate::config::{
    destination,
    reader::Reader,
    value::{non_empty, one_of, seconds, within},
};
use crate::sinks::{Destination, FileOptions, OutputOptions, Take};

/// Most characters of a name.
const MAX_NAME: usize = 32;

/// Reads the outputs, if there are any.
pub(super) fn read(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    folder: &Path,
) -> Option<Vec<OutputOptions>> {
    let is_list = matches!(table.table.get("output").map(Value::as_ref), Some(ValueInner::Array(_)));
    if is_list {
        return Some(tables(reader, table, folder));
    }
    let mut single = None;
    reader.value(table, "output", &mut single, |path: String| {
        non_empty(&path, "a file path, or \"-\" for standard output")?;
        Ok(Some(vec![OutputOptions::single(destination(Path::new(&path)))]))
    });
    single
}

fn tables(reader: &mut Reader, table: &mut TableHelper<'_>, folder: &Path) -> Vec<OutputOptions> {
    let read =
        reader.tables(table, "output", |reader, table, span| (entry(reader, table, (span, folder)), span));
    let mut outputs: Vec<OutputOptions> = Vec::new();
    for (output, span) in read {
        let Some(output) = output else { continue };
        if outputs.iter().any(|known| known.name == output.name) {
            let name = &output.name;
            reader.mistake(
                span,
                format!("there is an output {name:?} above already; give each its own `name`"),
            );
        }
        let is_stdout = |one: &OutputOptions| one.destination == Destination::Stdout;
        if is_stdout(&output) && outputs.iter().any(is_stdout) {
            reader.mistake(span, "an output above writes to standard output already");
        }
        if let Some(path) = file(&output)
            && outputs.iter().filter_map(file).any(|known| known == path)
        {
            reader.mistake(span, format!("an output above writes to {} already", path.display()));
        }
        if shares_terms(&output) && outputs.iter().any(shares_terms) {
            reader.mistake(
                span,
                "an output above has `fleet_terms` already; only one can share known destinations",
            );
        }
        outputs.push(output);
    }
    outputs
}

/// Whether an output shares known destinations with other sensors.
pub(super) fn shares_terms(output: &OutputOptions) -> bool {
    matches!(&output.destination, Destination::Nats(options) if options.terms)
}

fn file(output: &OutputOptions) -> Option<&Path> {
    match &output.destination {
        Destination::File(options) => Some(&options.path),
        _ => None,
    }
}

/// The type of an output.
#[derive(Clone, Copy)]
enum Type {
    Stdout,
    File,
    Syslog,
    Elasticsearch,
    Nats,
    Otlp,
    Webhook,
}

const TYPES: [(&str, Type); 7] = [
    ("stdout", Type::Stdout),
    ("file", Type::File),
    ("syslog", Type::Syslog),
    ("elasticsearch", Type::Elasticsearch),
    ("nats", Type::Nats),
    ("otlp", Type::Otlp),
    ("webhook", Type::Webhook),
];

fn entry(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    (span, folder): (Span, &Path),
) -> Option<OutputOptions> {
    let (mut kind, mut name, mut take, mut min_severity) = (None, String::new(), None, Severity::Low);
    let has_type = table.contains("type");
    reader.value(table, "type", &mut kind, |text: String| {
        name.clone_from(&text);
        one_of(&text, &TYPES).map(Some)
    });
    reader.value(table, "name", &mut name, is_name);
    reader.value(table, "take", &mut take, |text: String| {
        let choices = [("incidents", Take::Incidents), ("flows", Take::Flows), ("both", Take::Both)];
        one_of(&text, &choices).map(Some)
    });
    reader.value(table, "min_severity", &mut min_severity, |text: String| {
        one_of(&text, &Severity::ALL.map(|severity| (severity.name(), severity)))
    });
    let destination = match kind {
        Some(Type::Stdout) => Some(Destination::Stdout),
        Some(Type::File) => file_options(reader, table, span).map(Destination::File),
        Some(Type::Syslog) => syslog::options(reader, table, (span, folder)).map(Destination::Syslog),
        Some(Type::Elasticsearch) => {
            http::elasticsearch(reader, table, (span, folder)).map(Destination::Elasticsearch)
        }
        Some(Type::Nats) => nats::options(reader, table, (span, folder)).map(Destination::Nats),
        Some(Type::Otlp) => http::otlp(reader, table, (span, folder)).map(Destination::Otlp),
        Some(Type::Webhook) => http::webhook(reader, table, (span, folder)).map(Destination::Webhook),
        None => {
            // Which other keys there are depends on the type.
            table.table.clear();
            if !has_type {
                let known = TYPES.map(|(name, _)| name).join(", ");
                reader.mistake(span, format!("this output has no `type`: write one of {known}"));
            }
            None
        }
    };
    Some(OutputOptions { name, take, min_severity, destination: destination? })
}

/// A name for a cursor, a file name and a column of a log line.
fn is_name(name: String) -> Result<String, String> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(fits) {
        return Err(format!("{name:?} is no name; use 1 to {MAX_NAME} letters, digits, - and _"));
    }
    Ok(name)
}

/// Whether a key is there that an output must have.
fn required(reader: &mut Reader, table: &TableHelper<'_>, name: &str, (what, span): (&str, Span)) -> bool {
    let is_there = table.contains(name);
    if !is_there {
        reader.mistake(span, format!("this output has no `{name}`: write the {what}"));
    }
    is_there
}

fn file_options(reader: &mut Reader, table: &mut TableHelper<'_>, span: Span) -> Option<FileOptions> {
    let mut options = FileOptions::at(PathBuf::new());
    let has_path = required(reader, table, "path", ("path of the file", span));
    reader.value(table, "path", &mut options.path, |path: String| {
        non_empty(&path, "a file path").map(|()| PathBuf::from(path))
    });
    reader.value(table, "rotate_size", &mut options.rotate_size, |n| within(n, 4_096, 1 << 40).map(Some));
    reader.value(table, "rotate_age", &mut options.rotate_age, |n| {
        seconds(n, 60, 31_536_000).map(Some::<Duration>)
    });
    reader.value(table, "keep", &mut options.keep, |n| within(n, 0, 1_000).map(|n| n as u32));
    has_path.then_some(options)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        config::{BadThreatList, Config, Problem, file},
        sinks::{Body, SyslogOptions, TlsOptions, Transport},
    };

    fn parse(text: &str) -> Result<Config, Vec<Problem>> {
        file::parse(text, Path::new("."), BadThreatList::Refused)
    }

    #[test]
    fn one_destination_keeps_the_cursor_of_earlier_versions() {
        for (text, path) in [("", None), ("output = \"-\"\n", None), ("output = \"/a\"\n", Some("/a"))] {
            let outputs = parse(text).unwrap().outputs;
            assert_eq!(outputs, [OutputOptions::single(path.map(PathBuf::from))]);
            assert_eq!(outputs[0].name, crate::storage::OUTPUT_CURSOR);
        }
    }

    #[test]
    fn one_output_beside_tables_is_said_plainly() {
        for text in ["output = \"/a\"\n[[output]]\ntype = \"stdout\"\n", "output = \"/a\"\noutput = \"/b\"\n"]
        {
            let problems = parse(text).unwrap_err();
            assert_eq!(problems[0].line, 2, "{problems:?}");
            let words = "`output` is there already: write either `output = …` or [[output]] tables";
            assert_eq!(problems[0].message, words);
        }
    }

    #[test]
    fn reads_several_outputs_with_their_keys() {
        let text = "[[output]]\ntype = \"stdout\"\n[[output]]\ntype = \"file\"\nname = \"flows\"\npath = \"/a\"\n\
                    take = \"flows\"\nmin_severity = \"high\"\nrotate_size = 4096\nrotate_age = 86400\nkeep = 3\n";
        let config = parse(text).unwrap();
        let [first, second] = &config.outputs[..] else { panic!("{:?}", config.outputs) };
        assert_eq!((first.name.as_str(), first.take), ("stdout", None));
        let options = FileOptions {
            path: "/a".into(),
            rotate_size: Some(4_096),
            rotate_age: Some(Duration::from_secs(86_400)),
            keep: 3,
        };
        let wanted = OutputOptions {
            name: "flows".to_owned(),
            take: Some(Take::Flows),
            min_severity: Severity::High,
            destination: Destination::File(options),
        };
        assert_eq!(*second, wanted);
        assert!(config.core_settings().flow_summaries, "an output takes them");
    }

    #[test]
    fn files_of_tls_are_beside_the_configuration() {
        let text = "[[output]]\ntype = \"syslog\"\nserver = \"[2001:db8::1]:6514\"\ntransport = \"tls\"\n\
                    format = \"cef\"\nfacility = \"auth\"\nca_file = \"ca.pem\"\n";
        let config = file::parse(text, Path::new("/etc/x"), BadThreatList::Refused).unwrap();
        let tls = TlsOptions { ca_file: Some("/etc/x/ca.pem".into()), client: None };
        let wanted = SyslogOptions {
            server: "[2001:db8::1]:6514".to_owned(),
            transport: Transport::Tls(tls),
            body: Body::Cef,
            facility: 4,
        };
        assert_eq!(config.outputs[0].destination, Destination::Syslog(wanted));
        let text = text.replace("ca_file", "key_file");
        let problems = file::parse(&text, Path::new("/etc/x"), BadThreatList::Refused).unwrap_err();
        assert!(problems[0].message.contains("go together"), "{problems:?}");
    }

    #[test]
    fn names_each_mistake_with_its_place() {
        for (keys, line, words) in [
            (
                "path = \"/a\"\n",
                1,
                "no `type`: write one of stdout, file, syslog, elasticsearch, nats, otlp, webhook",
            ),
            (
                "type = \"fil\"\n",
                2,
                "\"fil\" is unknown; write one of stdout, file, syslog, elasticsearch, nats, otlp, webhook",
            ),
            ("type = \"file\"\n", 1, "no `path`"),
            ("type = \"syslog\"\n", 1, "no `server`"),
            ("type = \"syslog\"\nserver = \"siem\"\n", 3, "write HOST:PORT"),
            ("type = \"syslog\"\nserver = \"[::1]:0\"\n", 3, "write HOST:PORT"),
            (
                "type = \"syslog\"\nserver = \"a:1\"\nca_file = \"x\"\n",
                4,
                "`ca_file` needs TLS: write transport",
            ),
            ("type = \"stdout\"\npath = \"/a\"\n", 3, "unknown key `path`"),
            ("type = \"stdout\"\nname = \"a/b\"\n", 3, "is no name"),
            ("type = \"stdout\"\ntake = \"all\"\n", 3, "incidents, flows, both"),
            ("type = \"stdout\"\nmin_severity = \"worst\"\n", 3, "low, medium, high, critical"),
            ("type = \"stdout\"\n[[output]]\ntype = \"stdout\"\n", 3, "give each its own `name`"),
            (
                "type = \"stdout\"\n[[output]]\ntype = \"stdout\"\nname = \"b\"\n",
                3,
                "writes to standard output already",
            ),
            (
                "type = \"file\"\npath = \"/a\"\n[[output]]\ntype = \"file\"\nname = \"b\"\npath = \"/a\"\n",
                4,
                "writes to /a already",
            ),
            (
                "type = \"nats\"\nservers = [\"nats://a\"]\nsite = \"v\"\nfleet_terms = true\n[[output]]\n\
                 type = \"nats\"\nname = \"b\"\nservers = [\"nats://b\"]\nsite = \"v\"\nfleet_terms = true\n",
                6,
                "only one can share known destinations",
            ),
        ] {
            let problems = parse(&format!("[[output]]\n{keys}")).unwrap_err();
            assert_eq!(problems[0].line, line, "{keys}: {problems:?}");
            assert!(problems.iter().any(|one| one.message.contains(words)), "{keys}: {problems:?}");
        }
    }
}
