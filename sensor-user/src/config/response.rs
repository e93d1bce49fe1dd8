//! `[response]`: the responses to incidents that the agent may make.

use std::{path::PathBuf, time::Duration};

use sensor_core::level::Severity;
use toml_span::de_helpers::TableHelper;

use super::{
    AutoBlock, ResponseOptions,
    reader::Reader,
    value::{non_empty, one_of, seconds, within},
};
use crate::{
    parse::network,
    response::exec::{self, ExecOptions},
};

/// The keys that say how the program is run.
const EXEC_KEYS: [&str; 4] = ["exec_user", "exec_min_severity", "exec_timeout", "exec_per_minute"];

/// Reads the section.
pub(super) fn read(reader: &mut Reader, table: &mut TableHelper<'_>, options: &mut ResponseOptions) {
    reader.section(table, "response", |reader, table| {
        reader.value(table, "auto_block", &mut options.auto_block, |name: String| {
            one_of(&name, &[("off", AutoBlock::Off), ("critical", AutoBlock::Critical)])
        });
        reader.value(table, "auto_block_for", &mut options.auto_block_for, |n| within(n, 1, 30 * 86_400));
        reader.value(table, "dry_run", &mut options.dry_run, Ok);
        reader.list(table, "never_block", &mut options.never_block, |net: String| network(&net));
        options.exec = exec(reader, table);
    });
}

/// The program that is run for incidents, if one is configured.
fn exec(reader: &mut Reader, table: &mut TableHelper<'_>) -> Option<ExecOptions> {
    let Some((_, values)) = reader.some(table, "exec") else {
        reader.without_effect(table, &EXEC_KEYS, "`exec`, the program to run");
        return None;
    };
    let mut words = Vec::new();
    for (index, mut value) in values.into_iter().enumerate() {
        words.extend(reader.checked("exec", &mut value, |word: String| {
            if word.contains('\0') {
                return Err("no argument may have a NUL character".to_owned());
            }
            if index == 0 {
                non_empty(&word, "the absolute path of a program")?;
                exec::problem(word.as_ref()).map_or(Ok(()), Err)?;
            }
            Ok(word)
        }));
    }
    let mut options = ExecOptions {
        program: PathBuf::new(),
        arguments: vec![],
        user: None,
        min_severity: Severity::Critical,
        timeout: Duration::from_secs(10),
        per_minute: 10,
    };
    reader.value(table, "exec_user", &mut options.user, |name: String| {
        non_empty(&name, "the name of a user").map(|()| Some(name))
    });
    reader.value(table, "exec_min_severity", &mut options.min_severity, |name: String| {
        one_of(&name, &Severity::ALL.map(|severity| (severity.name(), severity)))
    });
    reader.value(table, "exec_timeout", &mut options.timeout, |n| seconds(n, 1, 300));
    reader
        .value(table, "exec_per_minute", &mut options.per_minute, |n| within(n, 1, 600).map(|n| n as usize));
    let mut words = words.into_iter();
    // Without a word, the mistake is noted already.
    options.program = words.next()?.into();
    options.arguments = words.collect();
    Some(options)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{BadThreatList, Config, Problem, file};

    fn parse(keys: &str) -> Result<Config, Vec<Problem>> {
        file::parse(&format!("[response]\n{keys}"), Path::new("."), BadThreatList::Refused)
    }

    #[test]
    fn nothing_is_blocked_unless_configured() {
        let response = parse("never_block = [\"10.0.0.53\"]\n").unwrap().response;
        assert_eq!((response.auto_block, response.never_block.len()), (AutoBlock::Off, 1));
        let response = parse("auto_block = \"critical\"\ndry_run = true\n").unwrap().response;
        assert_eq!((response.auto_block, response.auto_block_for), (AutoBlock::Critical, 3_600));
        assert!(response.dry_run);
    }

    #[test]
    fn no_program_is_run_unless_configured() {
        assert_eq!(parse("").unwrap().response.exec, None);
        let exec = parse("exec = \"/bin/true\"\n").unwrap().response.exec.unwrap();
        assert_eq!((exec.program, exec.arguments), (PathBuf::from("/bin/true"), vec![]));
        assert_eq!(
            (exec.min_severity, exec.timeout.as_secs(), exec.per_minute),
            (Severity::Critical, 10, 10)
        );
        let keys = "exec = [\"/bin/true\", \"-x\"]\nexec_user = \"nobody\"\nexec_min_severity = \"high\"\nexec_timeout = 3\n\
                    exec_per_minute = 2\n";
        let exec = parse(keys).unwrap().response.exec.unwrap();
        assert_eq!((exec.arguments, exec.user.as_deref()), (vec!["-x".to_owned()], Some("nobody")));
        assert_eq!((exec.min_severity, exec.timeout.as_secs(), exec.per_minute), (Severity::High, 3, 2));
    }

    #[test]
    fn names_each_mistake() {
        for (keys, words) in [
            ("auto_block = \"high\"\n", "critical"),
            ("auto_block_for = 0\n", "1"),
            ("never_block = [\"dns.example\"]\n", "dns.example"),
            ("exec = \"isolate\"\n", "isolate is not an absolute path"),
            ("exec = [\"/no/such/program\"]\n", "No such file"),
            ("exec = [\"/bin\"]\n", "not a regular file"),
            ("exec = []\n", "empty list"),
            ("exec = \"/bin/true\"\nexec_timeout = 0\n", "use 1 to 300"),
            ("exec = \"/bin/true\"\nexec_per_minute = 0\n", "use 1 to 600"),
            ("exec = \"/bin/true\"\nexec_min_severity = \"bad\"\n", "critical"),
            ("exec_user = \"nobody\"\n", "`exec_user` needs `exec`"),
        ] {
            let problems = parse(keys).unwrap_err();
            assert!(problems[0].message.contains(words), "{keys}: {problems:?}");
            assert!(problems[0].line >= 2, "{problems:?}");
        }
    }
}
