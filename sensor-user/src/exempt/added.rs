//! Exemptions that were added by command: a file in the state directory, with or without a running agent.
//!
//! The file has the form of the configuration's `[[exempt]]`. It is read and validated as a whole, also before it is
//! written, and replaced atomically.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::{End, Exemption, Spoken, shared};
use crate::{
    config::{Config, ConfigError, Lists, parse_added, read_text},
    durable,
    rfc3339::exact_rfc3339,
};

/// Name of the file in the state directory.
const FILE: &str = "exemptions.toml";

/// The comment above the entries.
const HEAD: &str =
    "# Exemptions added with `smb-sensor exempt add`. `smb-sensor exempt remove` takes them out again.\n";

/// The file of a state directory.
#[must_use]
pub fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// Its text; `None` without a file.
///
/// # Errors
/// [`ConfigError::Unreadable`], or [`ConfigError::Invalid`] if it is not UTF-8.
pub fn text(state_dir: &Path) -> Result<String, ConfigError> {
    let path = file(state_dir);
    match read_text(&path) {
        Err(ConfigError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(String::new())
        }
        read => read,
    }
}

/// The configuration with the exemptions that were added by command to its state directory, and those that the fleet shares.
///
/// # Errors
/// [`ConfigError`] with every mistake of their file.
pub fn with_added(mut config: Config) -> Result<Config, ConfigError> {
    config.exemptions.extend(read(&config.state_dir, &config.lists)?);
    for one in shared::read(&config.state_dir, &config.lists) {
        // An own one of the same name has precedence.
        if config.exemptions.iter().all(|known| known.id != one.id) {
            config.exemptions.push(one);
        }
    }
    config.resolve_names();
    Ok(config)
}

/// The entries; `lists` are those of the configuration.
///
/// # Errors
/// [`ConfigError`] with every mistake.
pub fn read(state_dir: &Path, lists: &Lists) -> Result<Vec<Exemption>, ConfigError> {
    checked(&text(state_dir)?, state_dir, lists)
}

/// Writes `all` into the file and returns the old text, so that it can be restored.
///
/// # Errors
/// [`ConfigError`]; the file stays as it was.
pub fn write(state_dir: &Path, all: &[Exemption], lists: &Lists) -> Result<String, ConfigError> {
    let before = text(state_dir)?;
    let mut new = HEAD.to_owned();
    for one in all {
        new.push_str(&entry(one));
    }
    checked(&new, state_dir, lists)?;
    put(state_dir, &new)?;
    Ok(before)
}

/// Writes a text into the file; `None` removes it.
///
/// # Errors
/// [`ConfigError::Unwritable`]; the file stays as it was.
pub fn put(state_dir: &Path, text: &str) -> Result<(), ConfigError> {
    let path = file(state_dir);
    let put = || {
        if text.is_empty() {
            return fs::remove_file(&path);
        }
        fs::create_dir_all(state_dir)?;
        durable::write(&path, text.as_bytes())
    };
    put().map_err(|source| ConfigError::Unwritable { path: path.clone(), source })
}

fn checked(text: &str, state_dir: &Path, lists: &Lists) -> Result<Vec<Exemption>, ConfigError> {
    parse_added(text, lists).map_err(|problems| ConfigError::Invalid { path: file(state_dir), problems })
}

/// An entry in the form of the file.
pub(super) fn entry(one: &Exemption) -> String {
    let mut text = String::from("\n[[exempt]]\n");
    let mut line = |key: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{key} = {value}");
    };
    let list = |words: Vec<String>| {
        format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
    };
    let end = |end: &End| list(end.written.clone());
    line("id", quoted(&one.id));
    if let Some(source) = &one.source {
        line("source", end(source));
    }
    if let Some(destination) = &one.destination {
        line("destination", end(destination));
    }
    if !one.services.is_empty() {
        line("service", list(one.services.iter().map(Spoken::to_string).collect()));
    }
    if let Some(process) = &one.process {
        line("process", quoted(process));
    }
    line("reason", quoted(&one.reason));
    if let Some(expires) = one.expires {
        line("expires", quoted(&exact_rfc3339(expires)));
    }
    if let Some(added) = &one.added {
        line("added_by", quoted(&added.by));
        line("added_at", quoted(&exact_rfc3339(added.at)));
    }
    text
}

/// A basic string of TOML, with the escapes of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sensor_core::time::Timestamp;

    use crate::{config::Service, exempt::Added};

    fn every_part() -> Exemption {
        Exemption {
            services: vec![Spoken::Service(Service::Smb), Spoken::Port(4445)],
            process: Some("/opt/a \"b\"\\c".into()),
            expires: Some(Timestamp::from_unix_seconds(1_900_000_000)),
            added: Some(Added { by: "root".into(), at: Timestamp::from_unix_seconds(1_700_000_000) }),
            ..Exemption::between(
                "10.0.0.0/24".parse().ok(),
                "2001:db8::1/128".parse().ok(),
                "copies, nightly",
            )
        }
    }

    #[test]
    fn reads_back_what_it_wrote_and_can_restore_it() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let lists = Lists::new();
        assert!(read(&state, &lists).unwrap().is_empty());
        let before = write(&state, &[every_part()], &lists).unwrap();
        assert_eq!(read(&state, &lists).unwrap(), [every_part()]);
        put(&state, &before).unwrap();
        assert!(!file(&state).exists());
    }

    #[test]
    fn refuses_a_bad_entry_and_names_a_damaged_file() {
        let directory = tempfile::tempdir().unwrap();
        let lists = Lists::new();
        write(directory.path(), &[every_part()], &lists).unwrap();
        let twice = write(directory.path(), &[every_part(), every_part()], &lists).unwrap_err();
        assert!(twice.to_string().contains("already"), "{twice}");
        assert_eq!(read(directory.path(), &lists).unwrap().len(), 1);
        fs::write(file(directory.path()), "[[exempt]\n").unwrap();
        let damaged = read(directory.path(), &lists).unwrap_err();
        assert!(damaged.to_string().contains("exemptions.toml"), "{damaged}");
    }
}
