//! One line of the check, as text and as JSON.

use std::io::{self, Write};

use serde_json::json;

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Fine, with the finding.
    Ok(String),
    /// It works with less: what is lost.
    Limited(String),
    /// It does not work: the fix.
    Missing(String),
}

impl Line {
    const fn parts(&self) -> (&'static str, &String) {
        match self {
            Self::Ok(text) => ("ok", text),
            Self::Limited(text) => ("limited", text),
            Self::Missing(text) => ("missing", text),
        }
    }
}

/// The subject of the check, and its result.
pub(super) type Lines = Vec<(String, Line)>;

/// Whether nothing is missing.
pub(super) fn is_fine(lines: &Lines) -> bool {
    lines.iter().all(|(_, line)| !matches!(line, Line::Missing(_)))
}

/// Writes one line of text for each check.
pub(super) fn write_text(out: &mut impl Write, lines: &Lines) -> io::Result<()> {
    for (what, line) in lines {
        let (state, text) = line.parts();
        writeln!(out, "{state:<8}{what:<14}{text}")?;
    }
    Ok(())
}

/// Writes one object: whether nothing is missing, and an object for each check.
pub(super) fn write_json(out: &mut impl Write, lines: &Lines) -> io::Result<()> {
    let checks: Vec<_> = lines
        .iter()
        .map(|(what, line)| {
            let (state, text) = line.parts();
            json!({ "check": what, "state": state, "text": text })
        })
        .collect();
    let report = json!({ "version": env!("CARGO_PKG_VERSION"), "ok": is_fine(lines), "checks": checks });
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_same_lines_as_text_and_json() {
        let mut lines = vec![("jit".to_owned(), Line::Ok("it \"compiles\"".into()))];
        assert!(is_fine(&lines));
        lines.push(("kernel".to_owned(), Line::Missing("newer".into())));
        assert!(!is_fine(&lines));
        let (mut text, mut report) = (vec![], vec![]);
        write_text(&mut text, &lines).unwrap();
        write_json(&mut report, &lines).unwrap();
        assert!(String::from_utf8(text).unwrap().contains("missing kernel        newer\n"));
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(report["ok"], false);
        assert_eq!(report["checks"][0], json!({ "check": "jit", "state": "ok", "text": "it \"compiles\"" }));
    }
}
