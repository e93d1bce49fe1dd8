//! The table of what was written of each scenario.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use anyhow::Result;
use sensor_lab::missing_for;

use super::incident::{Incident, incidents};
use super::{Played, Scenario};

/// Scenarios that are played at the same time: most of what they take is waiting.
const AT_ONCE: usize = 3;
/// Actions of documents, in the order in which an incident has them.
const ACTIONS: [&str; 4] = ["opened", "escalated", "updated", "closed"];

/// A line for each scenario, and what differed from what is expected.
#[derive(Default)]
pub struct IncidentTable {
    lines: Vec<String>,
    differences: Vec<String>,
}

impl IncidentTable {
    /// Plays the scenarios whose name contains `wanted`.
    ///
    /// # Errors
    /// When one cannot be played; the error says what is missing, where something is.
    pub fn of(scenarios: &[Scenario], wanted: &str) -> Result<Self> {
        let scenarios: Vec<&Scenario> = scenarios.iter().filter(|one| one.name.contains(wanted)).collect();
        for scenario in &scenarios {
            if let Some(reason) = missing_for(scenario.needs) {
                anyhow::bail!("{} cannot be played here: {reason}", scenario.name);
            }
        }
        let results = Mutex::new(scenarios.iter().map(|_| None).collect::<Vec<Option<Result<Played>>>>());
        let next = Mutex::new(0..scenarios.len());
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        // The lock is let go before the scenario is played.
                        let taken = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(at) = taken else { break };
                        let played = scenarios[at].play();
                        results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(played);
                    }
                });
            }
        });
        let mut table = Self::default();
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (scenario, played) in scenarios.iter().zip(results.into_iter().flatten()) {
            table.add(scenario, &played?);
        }
        Ok(table)
    }

    /// What is not as expected, each with the name of its scenario.
    #[must_use]
    pub fn differences(&self) -> &[String] {
        &self.differences
    }

    fn add(&mut self, scenario: &Scenario, played: &Played) {
        let all = incidents(&played.documents);
        // Of a flood, the incidents that it is about; the rest is a number.
        let (shown, beside) = if scenario.expected.incidents.is_empty() || all.len() < 5 {
            (&all[..], 0)
        } else {
            let mut worst = all.iter().enumerate().collect::<Vec<_>>();
            worst.sort_by_key(|(_, one)| std::cmp::Reverse(one.severity()));
            let at = worst.first().map_or(0, |(at, _)| *at);
            (&all[at..=at], all.len() - 1)
        };
        let join = |of: &dyn Fn(&Incident) -> String| {
            let parts: Vec<String> = shown.iter().map(of).collect();
            if parts.is_empty() { "–".to_owned() } else { parts.join("<br>") }
        };
        let count = if beside > 0 { format!("{} (one shown)", all.len()) } else { all.len().to_string() };
        let differences = scenario.differences(played);
        self.lines.push(format!(
            "| {}{} | {} | {count} | {} | {} | {} | {} | {} |",
            scenario.about,
            if differences.is_empty() { "" } else { " (**not as expected**)" },
            scenario.direction.word(),
            join(&documents),
            join(&|one| one.severity().map_or_else(|| "?".to_owned(), |severity| severity.to_string())),
            join(&|one| one.evidence().to_owned()),
            join(&|one| or_dash(&one.techniques().join(" "))),
            played.of_the_twin().len(),
        ));
        self.differences.extend(differences.into_iter().map(|one| format!("{}: {one}", scenario.name)));
    }
}

/// How many documents of each action an incident has.
fn documents(incident: &Incident) -> String {
    let counted = ACTIONS.map(|action| (action, incident.count(action)));
    let parts: Vec<String> = counted
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(action, count)| format!("{count} {action}"))
        .collect();
    parts.join(", ")
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { text.to_owned() }
}

impl fmt::Display for IncidentTable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| scenario | direction | incidents | documents | severity | evidence | techniques | documents of the internal twin |"
        )?;
        writeln!(out, "|---|---|---:|---|---|---|---|---:|")?;
        self.lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}
