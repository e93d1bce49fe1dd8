//! Tables that tasks write into pages of the documentation.

use std::fs;

use anyhow::{Context, bail};

use crate::cargo::workspace_root;

/// Writes a table of a task into a page of the workspace, in place of the one that it has.
pub(crate) fn keep(page: &str, task: &str, table: &str) -> anyhow::Result<()> {
    let path = workspace_root().join(page);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let text = with_table(&text, task, table).with_context(|| format!("no place for the table in {page}"))?;
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("Wrote the table into {}", path.display());
    Ok(())
}

/// The page with this table in place of the one that it has.
fn with_table(page: &str, task: &str, table: &str) -> anyhow::Result<String> {
    // The lines of the page between which the table stands.
    let line = |which: &str| format!("<!-- {which}: written by `cargo xtask {task}` -->\n");
    let (begin, end) = (line("begin"), line("end"));
    let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let Some((before, after)) = parts else {
        bail!("it lacks the lines between which the table stands: put back {begin:?} and {end:?}");
    };
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- begin: written by `cargo xtask incidents` -->\n";
    const END: &str = "<!-- end: written by `cargo xtask incidents` -->\n";

    #[test]
    fn replaces_the_table_and_keeps_the_page() {
        let page = format!("# Page\n{BEGIN}\n| old |\n\n{END}after\n");
        let table = |page: &str| with_table(page, "incidents", "| new |\n");
        let new = table(&page).expect("the page has its lines");
        assert_eq!(new, format!("# Page\n{BEGIN}\n| new |\n\n{END}after\n"));
        assert_eq!(table(&new).expect("the page has its lines"), new);
        assert!(table("# Page\n").is_err());
        assert!(with_table(&page, "other", "| new |\n").is_err(), "the table of another task");
    }
}
