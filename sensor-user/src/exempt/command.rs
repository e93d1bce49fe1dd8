//! `smb-sensor exempt`: adds, lists, removes and tests exemptions.
//!
//! Added exemptions are in a file of the state directory. A running agent reads it at once; if it rejects the new file,
//! the old one is restored, so that the file always matches the running agent.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context as _, Result, anyhow, bail};
use sensor_common::slot::{TCP, UDP};

use super::{
    Exemption, Exemptions, Question, added,
    arguments::{AddArgs, ExemptArgs, ExemptCommand, TestArgs},
    entered::{Entered, entered, in_another_form, is_new},
    listing,
    lock::Lock,
    shared, with_added,
};
use crate::{
    config::{BadThreatList, Config, Overrides, Service},
    control::{self, ControlError, Request},
    state, stdout,
    storage::{Reader, StorageError},
    wall_clock,
};
use sensor_core::time::Timestamp;

/// Runs the command.
///
/// # Errors
/// The failure; nothing was changed.
pub fn run(args: &ExemptArgs) -> Result<ExitCode> {
    let overrides = Overrides { state_dir: args.state_dir.clone(), ..Overrides::default() };
    let config = Config::load_with(args.config.as_deref(), &overrides, BadThreatList::LeftOut)?;
    let now = wall_clock::now();
    let (text, code) = match &args.what {
        ExemptCommand::Add(entry) => (add(&config, entry, None, now)?, ExitCode::SUCCESS),
        ExemptCommand::List => (list(config, now)?, ExitCode::SUCCESS),
        ExemptCommand::Remove { id } => (remove(&config, id)?, ExitCode::SUCCESS),
        ExemptCommand::Test(question) => test(config, question, now)?,
    };
    stdout::write(|out| writeln!(out, "{text}"))?;
    Ok(code)
}

/// Adds an exemption and has a running agent apply it; says what was done. `by` is who adds it, if that is not the user of this
/// process. `config` is without exemptions that were added before.
///
/// # Errors
/// The failure; nothing was changed.
pub(crate) fn add(config: &Config, entry: &AddArgs, by: Option<&str>, now: Timestamp) -> Result<String> {
    let Entered { mut one, notes } = entered(config, entry, now)?;
    if let (Some(by), Some(added)) = (by, &mut one.added) {
        by.clone_into(&mut added.by);
    }
    let _alone = Lock::take(&config.state_dir)?;
    let mut all = added::read(&config.state_dir, &config.lists)?;
    is_new(config, &all, &one)?;
    let text = format!("exempt {}: {one}", one.id);
    all.push(one);
    let put = put(config, &all)?;
    Ok([vec![format!("{text}; {put}")], notes].concat().join("\n"))
}

fn remove(config: &Config, id: &str) -> Result<String> {
    let _alone = Lock::take(&config.state_dir)?;
    let mut all = added::read(&config.state_dir, &config.lists)?;
    let before = all.len();
    all.retain(|one| one.id != id);
    if all.len() == before {
        let configured = config.exemptions.iter().any(|one| one.id == id);
        bail!(
            "no exemption {id:?} was added{}; nothing was changed",
            match (configured, shared::read(&config.state_dir, &config.lists).iter().any(|one| one.id == id))
            {
                (true, _) => ": it is in the configuration; remove it there",
                (_, true) => ": the fleet shares it; remove it with `smb-sensor fleet exempt remove`",
                _ => "",
            }
        );
    }
    Ok(format!("no longer exempt: {id}; {}", put(config, &all)?))
}

/// Writes the file and lets a running agent read it; returns the result. The lock is held meanwhile, so that the restored
/// text is the one before this change.
fn put(config: &Config, all: &[Exemption]) -> Result<String> {
    let state_dir = &config.state_dir;
    let before = added::write(state_dir, all, &config.lists)?;
    match control::ask(state_dir, &Request::Reload) {
        Ok(answer) if answer.done => Ok("in force".to_owned()),
        Ok(answer) => {
            added::put(state_dir, &before)?;
            bail!("the agent does not take it, and nothing was changed: {}", answer.text);
        }
        Err(error) if error.is_absence() => {
            Ok(format!("no agent runs on {}: in force when one starts", state_dir.display()))
        }
        Err(error) => Err(anyhow!(error).context(format!(
            "it is in {} and will be in force at the agent's next start or SIGHUP",
            added::file(state_dir).display()
        ))),
    }
}

fn list(config: Config, now: Timestamp) -> Result<String> {
    // A running agent saves its hits first; without one they are those of its end.
    if let Err(error @ ControlError::Late { .. }) = control::ask(&config.state_dir, &Request::SaveHits) {
        tracing::warn!("{error}: the hits are those of a minute ago");
    }
    let config = with_added(config)?;
    let hits = match Reader::open(&config.state_dir).and_then(|reader| reader.hits()) {
        Ok(rows) => state::hits(rows),
        Err(StorageError::Missing { .. } | StorageError::Empty { .. }) => BTreeMap::new(),
        Err(error) => return Err(error).context("cannot read the hits of exemptions"),
    };
    Ok(listing::table(&config.exemptions, &hits, now))
}

fn test(config: Config, question: &TestArgs, now: Timestamp) -> Result<(String, ExitCode)> {
    let config = with_added(config)?;
    let (port, watched) = (question.port, config.watched());
    let transports = port.transport.map_or_else(|| vec![TCP, UDP], |transport| vec![transport]);
    let service = transports.into_iter().find_map(|transport| watched.service(transport, port.number));
    let ends = format!("{} -> {} port {port}", question.client, question.server);
    if service.is_none() && port.is_udp() {
        return Ok((
            format!("not exempt: {ends} is not watched, so no incident is opened for it"),
            ExitCode::FAILURE,
        ));
    }
    let named = question.process.as_deref();
    let asked = Question {
        client: question.client,
        server: question.server,
        service: service.unwrap_or(Service::Smb),
        port: port.number,
        process: if named.is_some_and(|name| name.starts_with('/')) { [None, named] } else { [named, None] },
    };
    let all = Exemptions::new(config.exemptions);
    let (text, code) = match all.covering(&asked, now) {
        Some(one) => (format!("exempt by {}: {one}\nreason: {}", one.id, one.reason), ExitCode::SUCCESS),
        None => (listing::why_not(all.all(), &asked, &ends, now), ExitCode::FAILURE),
    };
    let notes = [question.client, question.server].into_iter().filter_map(in_another_form);
    Ok((std::iter::once(text).chain(notes).collect::<Vec<_>>().join("\n"), code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sensor_core::profile::ProfileName;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn entry(number: usize) -> AddArgs {
        AddArgs {
            source: vec![format!("10.0.{number}.0/24")],
            destination: vec![],
            service: vec![],
            process: None,
            reason: "test".into(),
            expires: None,
            id: Some(format!("entry-{number}")),
        }
    }

    #[test]
    fn concurrent_changes_lose_no_entry() {
        let state = tempfile::tempdir().unwrap();
        let config = Config { state_dir: state.path().to_owned(), ..Config::default() };
        std::thread::scope(|scope| {
            let add = |number| {
                let config = &config;
                scope.spawn(move || add(config, &entry(number), None, NOW))
            };
            for adding in (0..8).map(add).collect::<Vec<_>>() {
                adding.join().unwrap().unwrap();
            }
        });
        assert_eq!(added::read(state.path(), &config.lists).unwrap().len(), 8);
        std::thread::scope(|scope| {
            let config = &config;
            let adding = scope.spawn(|| add(config, &entry(8), None, NOW));
            for number in 0..8 {
                scope.spawn(move || remove(config, &format!("entry-{number}")));
            }
            adding.join().unwrap().unwrap();
        });
        let left = added::read(state.path(), &config.lists).unwrap();
        assert_eq!(left.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["entry-8"]);
    }

    #[test]
    fn trial_uses_the_ports_of_the_profile() {
        let state = tempfile::tempdir().unwrap();
        let mut config = Config {
            state_dir: state.path().to_owned(),
            profile: ProfileName::Netography,
            exemptions: vec![Exemption {
                services: vec![crate::config::service("rpc").unwrap()],
                ..Exemption::between("10.0.0.0/8".parse().ok(), None, "test")
            }],
            ..Config::default()
        };
        // The profile has its own ports, among them 135.
        config.services.rpc_tcp = vec![];
        let question = TestArgs {
            client: "10.0.0.2".parse().unwrap(),
            server: "8.8.4.4".parse().unwrap(),
            port: "135".parse().unwrap(),
            process: None,
        };
        let (text, _) = test(config, &question, NOW).unwrap();
        assert!(text.starts_with("exempt by"), "{text}");
    }
}
