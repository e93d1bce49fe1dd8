//! `smb-sensor fleet exempt`: exemptions that sensors share, with their authors and reasons.

use std::{process::ExitCode, time::Duration};

use anyhow::{Error, Result};

use super::{
    arguments::{ServerArgs, SharedCommand, SiteArgs},
    load, output,
};
use crate::{
    config::parse_added,
    exempt::{Entered, entered, listed, shared},
    sinks::{self, NatsOptions, SharedExemptions, Subjects, scope},
    stdout, wall_clock,
};

/// Time for a server to do what is asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command.
///
/// # Errors
/// The failure; nothing was changed.
pub(super) fn run(what: &SharedCommand) -> Result<ExitCode> {
    let now = wall_clock::now();
    let text = match what {
        SharedCommand::Add { server, sites, entry } => {
            let config = load(server)?;
            let Entered { one, notes } = entered(&config, entry, now)?;
            let options = output(&config, server)?;
            let key = key(sites, &one.id)?;
            let replicas = options.create.as_ref().map_or(1, |stream| stream.replicas);
            let text = shared::entry(&one);
            ask(options, async |shared| shared.add(&key, text, replicas).await)?;
            let done = format!("shared {}: {one}; in force on a sensor when it has read it", one.id);
            [vec![done], notes].concat().join("\n")
        }
        SharedCommand::Remove { id, server, sites } => {
            let key = key(sites, id)?;
            ask(output(&load(server)?, server)?, async |shared| shared.remove(&key).await)?;
            format!("no longer shared: {id}")
        }
        SharedCommand::List { server } => list(server)?,
    };
    stdout::write(|out| writeln!(out, "{text}"))?;
    Ok(ExitCode::SUCCESS)
}

fn list(server: &ServerArgs) -> Result<String> {
    let (config, now) = (load(server)?, wall_clock::now());
    let all = ask(output(&config, server)?, async |shared| shared.all().await)?;
    if all.is_empty() {
        return Ok("no exemptions".to_owned());
    }
    let lines = all.iter().map(|(key, entry)| {
        let sites = match key.split('.').collect::<Vec<_>>()[..] {
            ["site", site, _] => format!("site {site}"),
            _ => "all sites".to_owned(),
        };
        match parse_added(entry, &config.lists).as_deref() {
            Ok([one]) => format!("{}\n  sites:   {sites}", listed(one, now)),
            _ => format!(
                "{key}  cannot be read here: it names lists that this configuration has not, or is none"
            ),
        }
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The key of an exemption.
fn key(sites: &SiteArgs, id: &str) -> Result<String> {
    let token = |what: &str, text: &str| {
        Subjects::new(text, text).map(|_| ()).map_err(|wrong| Error::msg(format!("{what}: {wrong}")))
    };
    token("--id", id)?;
    if let Some(site) = &sites.site {
        token("--site", site)?;
    }
    Ok(format!("{}.{id}", scope(sites.site.as_deref())))
}

/// Does something with the shared exemptions of a server.
fn ask<T>(options: &NatsOptions, work: impl AsyncFnOnce(SharedExemptions) -> Result<T, String>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async {
        let asked = async {
            let jetstream = sinks::connect(options).await?;
            work(SharedExemptions::of(jetstream)).await
        };
        let stopped = |_| Err("the server stopped answering".to_owned());
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(stopped)
    });
    asked.map_err(Error::msg)
}
