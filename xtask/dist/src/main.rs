//! Makes the packages from a built agent: a .deb, an .rpm, a tarball, a list of components and checksums; and a source
//! distribution with kernel objects.
//!
//! All packages have the same files, listed once in [`contents`]. The same input gives the same bytes: times come from
//! SOURCE_DATE_EPOCH.
#![expect(clippy::print_stdout, reason = "it reports to the person who runs it")]

mod checksums;
mod components;
mod contents;
mod deb;
mod generated;
mod release;
mod requirements;
mod rpm_package;
mod source;
mod staged;
mod tarball;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;

use self::{contents::contents, release::Release, requirements::Requirements, staged::Staged};

/// Makes the packages from a built agent.
#[derive(Parser)]
struct Arguments {
    /// The agent
    #[arg(long)]
    agent: PathBuf,
    /// Folder of the sources
    #[arg(long)]
    sources: PathBuf,
    /// Folder with a folder of kernel objects for each kind of machine; then a source distribution is made too
    #[arg(long)]
    objects: Option<PathBuf>,
    /// Folder for the packages
    #[arg(long)]
    output: PathBuf,
    /// Version of the packages, if not that of the agent
    #[arg(long)]
    package_version: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let release = Release::of(&arguments.agent, arguments.package_version)?;
    let output = &arguments.output;
    fs::create_dir_all(output).with_context(|| format!("making {}", output.display()))?;
    let scratch = tempfile::tempdir().context("making a folder")?;
    let requirements = Requirements::of(&arguments.agent)?;
    let generated = generated::make(&arguments.agent, &release, &scratch.path().join("generated"))?;
    let files = contents(&arguments.sources, &generated)?;
    let staged = Staged::new(&files, &scratch.path().join("files"), &release)?;

    let mut made = vec![
        components::make(&arguments.sources, &release, output)?,
        deb::make(&staged, &release, &requirements, &arguments.sources, output)?,
        rpm_package::make(&staged, &release, &requirements, &arguments.sources, output)?,
        tarball::make(&staged, &release, output)?,
    ];
    if let Some(objects) = &arguments.objects {
        let scratch = scratch.path().join("source");
        made.push(source::make(&arguments.sources, objects, &release, &scratch, output)?);
    }
    checksums::write(&made, output)?;
    made.iter().for_each(|path| println!("{}", path.display()));
    Ok(())
}
