//! `[restart]`: whether the kernel program stays attached when the agent ends.

use std::path::PathBuf;

use toml_span::de_helpers::TableHelper;

use super::{
    reader::Reader,
    value::{directory, non_empty},
};
use crate::kernel::pins::DEFAULT_DIRECTORY;

/// Options of restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartOptions {
    /// Whether the kernel program stays attached when the agent ends, so that the next one goes on with it.
    pub keep_attached: bool,
    /// Whether the command line says so.
    pub is_typed: bool,
    /// Where it is pinned then; on a BPF file system.
    pub pin_directory: PathBuf,
}

impl Default for RestartOptions {
    fn default() -> Self {
        Self { keep_attached: false, is_typed: false, pin_directory: PathBuf::from(DEFAULT_DIRECTORY) }
    }
}

impl RestartOptions {
    /// Whether the kernel program stays attached. What the configuration says is meant for a service: somebody who starts the agent
    /// on a terminal finds nothing attached afterwards, unless the command line says so.
    #[must_use]
    pub const fn stays_attached(&self, on_terminal: bool) -> bool {
        self.keep_attached && (self.is_typed || !on_terminal)
    }
}

/// Reads the section.
pub(super) fn read(reader: &mut Reader, table: &mut TableHelper<'_>, options: &mut RestartOptions) {
    reader.section(table, "restart", |reader, table| {
        reader.value(table, "keep_attached", &mut options.keep_attached, Ok);
        reader.value(table, "pin_directory", &mut options.pin_directory, |path: String| {
            non_empty(&path, "a directory path").and_then(|()| directory(path.as_ref()))?;
            Ok(PathBuf::from(path))
        });
    });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{BadThreatList, file};

    #[test]
    fn nothing_stays_attached_unless_configured() {
        let parse = |keys: &str| {
            let text = format!("[restart]\n{keys}");
            file::parse(&text, Path::new("."), BadThreatList::Refused).map(|config| config.restart)
        };
        assert!(!parse("").unwrap().keep_attached);
        let restart = parse("keep_attached = true\npin_directory = \"/run/bpf\"\n").unwrap();
        assert_eq!((restart.keep_attached, restart.pin_directory), (true, "/run/bpf".into()));
        let problems = parse("pin_directory = \"\"\n").unwrap_err();
        assert!(problems[0].message.contains("pin_directory"), "{problems:?}");
    }

    #[test]
    fn only_the_command_line_leaves_something_attached_from_a_terminal() {
        let configured = RestartOptions { keep_attached: true, ..RestartOptions::default() };
        assert!(configured.stays_attached(false) && !configured.stays_attached(true));
        let typed = RestartOptions { is_typed: true, ..configured };
        assert!(typed.stays_attached(false) && typed.stays_attached(true));
        assert!(!RestartOptions { keep_attached: false, ..typed }.stays_attached(false));
    }
}
