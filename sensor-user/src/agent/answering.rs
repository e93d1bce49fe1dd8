//! Commands over the control socket.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sensor_common::counter::Counter;

use super::{Sensor, blocking::asked as asked_block};
use crate::{
    control::{Asked, Request},
    enforcement::{Enforcement, permitted},
    explain::explain,
    response::{Author, Peer, VerdictEntry},
};

/// Time that the store is given for what somebody is about to read.
const SAVE_PATIENCE: Duration = Duration::from_secs(1);

/// Who asks: the process at the other end, or somebody for whom the page of this agent does.
fn by(asked: &Asked, who: Option<&String>) -> Peer {
    who.map_or_else(|| asked.by.clone(), |name| Peer::Page { name: name.clone() })
}

impl Sensor {
    /// Answers a request over the control socket.
    pub(super) fn answer(&mut self, asked: Asked) -> Result<()> {
        let now = self.enforcement_now()?;
        // Requests about enforcement are answered with its state, all others with the requested data.
        let answer = match &*asked.request {
            Request::EnforcementStatus => None,
            Request::EnforcementOff => self.enforce(Enforcement::Off, now).map(|()| None)?,
            Request::EnforcementOn { seconds } => match permitted(self.config.profile) {
                Ok(()) => {
                    let seconds = seconds.unwrap_or(self.config.enforcement.expire_after);
                    self.enforce(Enforcement::on(now, seconds), now).map(|()| None)?
                }
                Err(reason) => Some(Err(reason)),
            },
            Request::Explain(query) => {
                let explanation = explain(&self.config, query, now.moment.at);
                Some(serde_json::to_string(&explanation).map_err(|error| error.to_string()))
            }
            Request::Status => {
                let status = self.status()?;
                Some(serde_json::to_string(&status).map_err(|error| error.to_string()))
            }
            Request::Block { target, seconds, reason, who } => {
                let block = asked_block(*target, *seconds, reason.clone(), by(&asked, who.as_ref()), now);
                Some(self.block(block, now))
            }
            Request::Unblock { target, who } => Some(self.unblock(*target, by(&asked, who.as_ref()), now)),
            Request::Blocks => Some(Ok(self.block_lines())),
            Request::Verdict { incident, verdict, note, who } => {
                let by = who.clone().map_or_else(|| Author::Peer(asked.by.clone()), Author::OnPage);
                let verdict_entry =
                    VerdictEntry { verdict: *verdict, note: note.clone(), by, at: now.moment.at };
                let (recorder, incident) = (self.verdicts.clone(), incident.clone());
                // The incident is read from the database, which the reader does not wait for.
                tokio::task::spawn_blocking(move || {
                    let recorded = recorder.record(&incident, &verdict_entry);
                    let done = recorded.is_ok();
                    asked.answer(done, recorded.unwrap_or_else(|error| format!("{error:#}")));
                });
                return Ok(());
            }
            Request::Reload => {
                self.read_config(Some(asked));
                return Ok(());
            }
            Request::SaveHits => {
                self.save_hits()?;
                let saved = self.pipeline.saving();
                // The command that asked reads them then; the reader does not wait for the disk.
                tokio::task::spawn_blocking(move || {
                    saved(SAVE_PATIENCE);
                    asked.answer(true, "");
                });
                return Ok(());
            }
        };
        if let Some(answer) = answer {
            let (done, text) = (answer.is_ok(), answer.unwrap_or_else(|error| error));
            asked.answer(done, text);
            return Ok(());
        }
        let counters = self.kernel.counter_values().context("cannot read the kernel's counters")?;
        let mut text = format!("enforcement is {}", self.enforcement);
        for counter in Counter::ENFORCEMENT {
            text.push_str(&format!("\n{} {}", counter.name(), counters.get(*counter)));
        }
        asked.answer(true, text);
        Ok(())
    }
}
