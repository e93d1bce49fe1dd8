//! Finds relative links in the Markdown files of the workspace whose file or heading does not exist.

use std::{
    fs, iter,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;

use crate::cargo::workspace_root;

/// Checks every link and lists the dead ones.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let dead = dead_links(&workspace_root())?;
    for link in &dead {
        println!("{link}");
    }
    if dead.is_empty() {
        println!("Every relative link leads to a file and a heading");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// One line for each dead link below `root`: file, line, target.
fn dead_links(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut dead = Vec::new();
    for file in markdown_files(root)? {
        let text = read(&file)?;
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        for (number, line) in prose(&text) {
            for target in targets(line) {
                if let Some(reason) = fault(&file, target)? {
                    dead.push(format!("{shown}:{number}: {target}: {reason}"));
                }
            }
        }
    }
    Ok(dead)
}

/// The Markdown files below a folder, without those of build folders and hidden folders.
fn markdown_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("listing {}", folder.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(markdown_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The numbered lines that are not inside a fenced code block.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((number, line))
    })
}

/// The targets of `[text](target)` and `![text](target)` in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    iter::from_fn(move || {
        let (_, after) = rest.split_once("](")?;
        let (target, after) = after.split_once(')')?;
        rest = after;
        Some(target)
    })
}

/// What is wrong with a target, if anything. Targets with a scheme are not checked.
fn fault(file: &Path, target: &str) -> anyhow::Result<Option<&'static str>> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(None);
    }
    let (path, heading) = match target.split_once('#') {
        Some((path, heading)) => (path, Some(heading)),
        None => (target, None),
    };
    let linked = if path.is_empty() { file.to_owned() } else { file.with_file_name("").join(path) };
    if !linked.exists() {
        return Ok(Some("no such file"));
    }
    let Some(heading) = heading.filter(|_| linked.extension().is_some_and(|extension| extension == "md"))
    else {
        return Ok(None);
    };
    let text = read(&linked)?;
    let found = prose(&text).any(|(_, line)| line.starts_with('#') && anchor(line) == heading);
    Ok((!found).then_some("no such heading"))
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_documents_have_no_dead_links() {
        assert_eq!(dead_links(&workspace_root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn lists_dead_files_and_headings_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        let readme = "# A\n[a](docs/b.md) [b](docs/none.md)\n```\n[c](none)\n```\n[d](#a) [e](docs/b.md#one-two) [f](#none)\n\
                      [g](https://example.net/none) ![h](picture.svg)\n";
        fs::write(folder.path().join("README.md"), readme).unwrap();
        fs::write(folder.path().join("docs/b.md"), "## One, `two`\n[up](../README.md#a)\n").unwrap();
        let expected = [
            "README.md:2: docs/none.md: no such file",
            "README.md:6: #none: no such heading",
            "README.md:7: picture.svg: no such file",
        ];
        assert_eq!(dead_links(folder.path()).unwrap(), expected);
    }
}
