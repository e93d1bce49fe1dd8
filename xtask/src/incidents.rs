//! Plays every scenario of the tests and writes the table of what the sensor reported about each.

use std::{env, fs, process::ExitCode};

use anyhow::{Context, bail};

use crate::{build::build_debug, cargo::workspace_root, privilege::Privilege, setup, steps::Steps};

/// Arguments of `incidents`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Play only the scenarios whose name contains this; their table is printed and not kept
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// The page that holds the table, in the workspace.
const PAGE: &str = "docs/incidents.md";

/// The lines of the page between which the table stands.
const BEGIN: &str = "<!-- begin: written by `cargo xtask incidents` -->\n";
const END: &str = "<!-- end: written by `cargo xtask incidents` -->\n";

/// Plays the scenarios; fails if a result is not as expected.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let steps = Steps::begin("incidents")?;
    setup::prepare(&steps, setup::Purpose::Tests)?;
    let agent = build_debug(&steps, "sensor-user", "smb-sensor")?;
    let program = build_debug(&steps, "sensor-tests", "incident-table")?;
    let Some(mut command) = Privilege::detect().command("env") else {
        bail!(
            "the scenarios need network namespaces, which need root, and sudo cannot be used here; run as root: cargo xtask \
             incidents"
        );
    };
    // sudo may set its own PATH; the peers are on the user's PATH or among administrators' programs.
    let path = env::var("PATH").unwrap_or_default();
    command.arg(format!("PATH={path}:/usr/local/sbin:/usr/sbin:/sbin"));
    command.arg(format!("SMB_SENSOR_BIN={}", agent.display())).arg(program).args(&arguments.name);
    let output = steps.run("Play the scenarios, which takes minutes", |_| {
        command.output().context("starting the scenarios as root")
    })?;
    // The differences from what is expected.
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).context("reading the table")?;
    print!("{table}");
    if arguments.name.is_none() && !table.is_empty() {
        let path = workspace_root().join(PAGE);
        let page = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        fs::write(&path, with_table(&page, &table)?)
            .with_context(|| format!("writing {}", path.display()))?;
        println!("Wrote the table into {}", path.display());
    }
    Ok(if output.status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The page with this table in place of the one that it has.
fn with_table(page: &str, table: &str) -> anyhow::Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        bail!("{PAGE} lacks the lines between which the table stands: put back {BEGIN:?} and {END:?}");
    };
    Ok(format!("{before}{BEGIN}\n{}\n\n{END}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_table_and_keeps_the_page() {
        let page = format!("# Page\n{BEGIN}\n| old |\n\n{END}after\n");
        let new = with_table(&page, "| new |\n").expect("the page has its lines");
        assert_eq!(new, format!("# Page\n{BEGIN}\n| new |\n\n{END}after\n"));
        assert_eq!(with_table(&new, "| new |\n").expect("the page has its lines"), new);
        assert!(with_table("# Page\n", "| new |\n").is_err());
    }
}
