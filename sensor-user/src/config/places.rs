//! Positions of settings in the configuration file, for `smb-sensor explain`.

use std::{fmt, path::Path, sync::Arc};

use toml_span::{Value, value::ValueInner};

use super::Problem;

/// Where a setting is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// At a line of a file.
    File {
        /// File.
        path: Arc<Path>,
        /// Line, from 1.
        line: usize,
    },
    /// On the command line.
    CommandLine,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::CommandLine => f.write_str("the command line"),
        }
    }
}

/// Lines of a configuration file. Settings without a line were on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    path: Arc<Path>,
    internal: Vec<usize>,
    exemptions: Vec<usize>,
}

impl Default for Places {
    fn default() -> Self {
        Self { path: Path::new("").into(), internal: vec![], exemptions: vec![] }
    }
}

impl Places {
    /// Finds the lines in a valid file.
    #[must_use]
    pub(super) fn of(path: &Path, text: &str) -> Self {
        let Ok(root) = toml_span::parse(text) else { return Self::default() };
        let lines = |list: Option<&Value<'_>>| match list.map(Value::as_ref) {
            Some(ValueInner::Array(items)) => {
                items.iter().map(|item| Problem::at(text, item.span.start, String::new()).line).collect()
            }
            _ => vec![],
        };
        Self {
            path: path.into(),
            internal: lines(root.pointer("/networks/internal")),
            exemptions: lines(root.pointer("/exempt")),
        }
    }

    /// Position of internal network number `number`.
    #[must_use]
    pub fn internal(&self, number: usize) -> Written {
        self.written(&self.internal, number)
    }

    /// Position of exemption number `number`.
    #[must_use]
    pub fn exemption(&self, number: usize) -> Written {
        self.written(&self.exemptions, number)
    }

    fn written(&self, lines: &[usize], number: usize) -> Written {
        match lines.get(number) {
            Some(line) => Written::File { path: Arc::clone(&self.path), line: *line },
            None => Written::CommandLine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_networks_and_exemptions_at_their_lines() {
        let text = "# ours\n[networks]\ninternal = [\n  \"9.0.0.0/8\",\n  # one more\n  \"11.0.0.0/8\",\n]\n\
                    [[exempt]]\nsource = \"9.0.0.1\"\nreason = \"a\"\n\n[[exempt]]\nsource = \"9.0.0.2\"\nreason = \"b\"\n";
        let places = Places::of(Path::new("/etc/s.toml"), text);
        let shown = |written: Written| written.to_string();
        assert_eq!(shown(places.internal(0)), "/etc/s.toml:4");
        assert_eq!(shown(places.internal(1)), "/etc/s.toml:6");
        assert_eq!(shown(places.internal(2)), "the command line");
        assert_eq!(shown(places.exemption(0)), "/etc/s.toml:8");
        assert_eq!(shown(places.exemption(1)), "/etc/s.toml:12");
    }
}
