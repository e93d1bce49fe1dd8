//! The table of the documents of each scenario.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use anyhow::Result;
use sensor_lab::missing_for;

use super::incident::{Incident, incidents};
use super::{Played, Scenario};

/// Scenarios that are played at the same time: they mostly wait.
const AT_ONCE: usize = 3;
/// Actions of documents, in the order in which an incident has them.
const ACTIONS: [&str; 4] = ["opened", "escalated", "updated", "closed"];

/// A row for each scenario, and the differences from the expected results.
#[derive(Default)]
pub struct IncidentTable {
    lines: Vec<String>,
    differences: Vec<String>,
}

impl IncidentTable {
    /// Plays the scenarios whose name contains `wanted`.
    ///
    /// # Errors
    /// If one cannot be played; the error names what is missing.
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
                        // The lock is released before the scenario is played.
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

    /// Results that are not as expected, each with the name of its scenario.
    #[must_use]
    pub fn differences(&self) -> &[String] {
        &self.differences
    }

    fn add(&mut self, scenario: &Scenario, played: &Played) {
        let all = incidents(&played.documents);
        // Of a flood, the incidents of interest; the others are counted.
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::all;
    use super::*;

    fn document(sequence: u64, action: &str, severity: (&str, u64)) -> Value {
        let (word, number) = severity;
        json!({
            "event": {
                "kind": if action == "updated" { "event" } else { "alert" }, "action": format!("incident-{action}"),
                "severity": number, "id": format!("7f-{sequence}"), "sequence": sequence, "outcome": "failure",
            },
            "rule": { "id": "smb-to-internet" },
            "source": { "ip": "10.0.0.2" }, "destination": { "ip": "8.8.4.4" },
            "network": { "direction": "outbound" },
            "message": "a credential was given away",
            "threat": { "technique": { "id": ["T1187"] } },
            "smb_sensor": {
                "incident": {
                    "id": "7f", "status": "open", "severity": word, "evidence": "credential", "connections": 1,
                    "internal": "10.0.0.2", "external": "8.8.4.4",
                },
                "findings": [
                    { "rule": "smb-to-internet" }, { "rule": "rare-smb-destination" },
                    { "rule": "ntlm-credential-to-internet" },
                ],
                "credentials": [{ "user": "alice" }],
            },
        })
    }

    fn table_of(documents: Vec<Value>) -> IncidentTable {
        let scenario = all().into_iter().find(|one| one.name == "leak-refused").unwrap();
        let mut table = IncidentTable::default();
        table.add(&scenario, &Played { documents, lateral: 9 });
        table
    }

    #[test]
    fn line_has_what_was_written() {
        let documents = vec![
            document(0, "opened", ("low", 21)),
            document(1, "escalated", ("high", 73)),
            document(2, "updated", ("high", 73)),
        ];
        let table = table_of(documents);
        assert_eq!(table.differences(), &[] as &[String]);
        let line = "| outbound | 1 | 1 opened, 1 escalated, 1 updated | high | credential | T1187 | 0 |\n";
        assert!(table.to_string().ends_with(line), "{table}");
    }

    #[test]
    fn unseen_twin_proves_nothing() {
        let scenario = all().into_iter().find(|one| one.name == "leak-refused").unwrap();
        let played = Played { documents: vec![document(0, "opened", ("high", 73))], lateral: 0 };
        assert_eq!(scenario.differences(&played), ["the sensor did not see the internal twin"]);
    }

    #[test]
    fn marks_a_line_with_an_unexpected_result() {
        let mut twins = document(0, "opened", ("high", 73));
        twins["destination"]["ip"] = json!("10.0.1.2");
        let table = table_of(vec![twins]);
        assert_ne!(table.differences(), &[] as &[String]);
        assert!(table.to_string().contains("(**not as expected**)"), "{table}");
        assert!(table.to_string().ends_with("| 1 |\n"), "the twin's document is counted: {table}");
    }
}
