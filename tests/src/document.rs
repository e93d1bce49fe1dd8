//! The output of an agent: documents, checked against their schemas, and the statistics line.

use std::sync::LazyLock;

use anyhow::{Context as _, Result, bail};
use jsonschema::Validator;
use sensor_core::level::EvidenceLevel;
use serde_json::Value;

/// The schema of each kind of document, by its `event.dataset` and, where two share that, its `event.action`.
static SCHEMAS: LazyLock<Result<[(&str, Validator); 7]>> = LazyLock::new(|| {
    let of = |kind, schema| Ok::<_, anyhow::Error>((kind, validator(schema)?));
    Ok([
        of("incident", include_str!("../../sensor-user/schema/incident.schema.json"))?,
        of("campaign", include_str!("../../sensor-user/schema/campaign.schema.json"))?,
        of("quota", include_str!("../../sensor-user/schema/quota.schema.json"))?,
        of("response", include_str!("../../sensor-user/schema/response.schema.json"))?,
        of("exec", include_str!("../../sensor-user/schema/exec.schema.json"))?,
        of("verdict", include_str!("../../sensor-user/schema/verdict.schema.json"))?,
        of("flow", include_str!("../../sensor-user/schema/flow.schema.json"))?,
    ])
});

fn validator(schema: &str) -> Result<Validator> {
    let schema = serde_json::from_str(schema)?;
    jsonschema::draft202012::options().build(&schema).map_err(|error| anyhow::anyhow!("{error}"))
}

/// The kind of a document.
fn kind(document: &Value) -> &str {
    match (text(document, "/event/dataset"), text(document, "/event/action")) {
        ("smb_sensor.incident", "incident-summary") => "quota",
        ("smb_sensor.incident", action) if action.starts_with("campaign-") => "campaign",
        ("smb_sensor.incident", action) if action.starts_with("block-") => "response",
        ("smb_sensor.incident", "exec-ended") => "exec",
        ("smb_sensor.incident", "verdict-given") => "verdict",
        ("smb_sensor.incident", _) => "incident",
        ("network_traffic.flow", _) => "flow",
        (other, _) => other,
    }
}

/// Checks a document against the schema of its kind.
///
/// # Errors
/// If it does not match; the error shows where, and the document.
pub fn follows_schema(document: &Value) -> Result<()> {
    let schemas = SCHEMAS.as_ref().map_err(|error| anyhow::anyhow!("read the schemas: {error}"))?;
    let kind = kind(document);
    let (_, schema) = schemas
        .iter()
        .find(|(name, _)| *name == kind)
        .with_context(|| format!("a document of no known kind: {document:#}"))?;
    let errors: Vec<_> =
        schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if !errors.is_empty() {
        bail!("against the schema: {errors:#?} in {document:#}");
    }
    Ok(())
}

/// The output of an agent that ended.
#[derive(Debug)]
pub struct Ended {
    /// Alert documents, in the order of writing; each follows the schema.
    pub documents: Vec<Value>,
    /// The last statistics line.
    pub statistics: String,
    /// All its lines on standard error.
    pub log: String,
    /// Exit code, if it ended by itself.
    pub code: Option<i32>,
}

/// Reads documents, one per line.
///
/// # Errors
/// When a line is no JSON or against the schema; the error quotes it.
pub fn documents_of<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Value>> {
    let mut documents = Vec::new();
    for line in lines {
        let document: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        follows_schema(&document)?;
        documents.push(document);
    }
    Ok(documents)
}

/// The text at `pointer`, or an empty one.
#[must_use]
pub fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at `pointer`, or 0.
#[must_use]
pub fn number(document: &Value, pointer: &str) -> u64 {
    document.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// The texts of the list at `pointer`.
#[must_use]
pub fn texts<'a>(document: &'a Value, pointer: &str) -> Vec<&'a str> {
    let list = document.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether a document has a finding of this rule and this evidence level.
pub fn has_finding(rule: &str, level: &str) -> impl Fn(&Value) -> bool {
    move |document| finds(document, rule) && text(document, "/smb_sensor/incident/evidence") == level
}

/// Whether a document has a finding of this rule and this evidence level or a higher one.
pub fn reaches(rule: &str, level: EvidenceLevel) -> impl Fn(&Value) -> bool {
    move |document| finds(document, rule) && evidence(document).is_some_and(|reached| reached >= level)
}

/// The level of evidence of an incident.
#[must_use]
pub fn evidence(document: &Value) -> Option<EvidenceLevel> {
    EvidenceLevel::named(text(document, "/smb_sensor/incident/evidence"))
}

/// Whether the incident of a document has a finding of a rule.
#[must_use]
pub fn finds(document: &Value, rule: &str) -> bool {
    let findings = document.pointer("/smb_sensor/findings").and_then(Value::as_array);
    findings.into_iter().flatten().any(|finding| text(finding, "/rule") == rule)
}

/// The last document of each incident, in the order in which they were opened.
#[must_use]
pub fn last_of_each(documents: &[Value]) -> Vec<&Value> {
    let mut incidents: Vec<&Value> = Vec::new();
    for document in documents {
        let id = text(document, "/smb_sensor/incident/id");
        if kind(document) != "incident" {
            continue;
        }
        match incidents.iter_mut().find(|known| text(known, "/smb_sensor/incident/id") == id) {
            Some(known) => *known = document,
            None => incidents.push(document),
        }
    }
    incidents
}

/// The rules that found something, sorted: one entry for each incident and rule.
pub(crate) fn rules_of(documents: &[Value]) -> Vec<String> {
    let mut rules = Vec::new();
    for incident in last_of_each(documents) {
        let findings = incident.pointer("/smb_sensor/findings").and_then(Value::as_array);
        rules.extend(findings.into_iter().flatten().map(|one| text(one, "/rule").to_owned()));
    }
    rules.sort();
    rules
}

impl Ended {
    /// The last document of each incident, in the order in which they were opened.
    #[must_use]
    pub fn incidents(&self) -> Vec<&Value> {
        last_of_each(&self.documents)
    }

    /// The rules that found something, sorted: one entry for each incident and rule.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        rules_of(&self.documents)
    }

    /// The last document of the one incident.
    ///
    /// # Errors
    /// When there is not exactly one.
    pub fn only(&self) -> Result<&Value> {
        match self.incidents().as_slice() {
            [one] => Ok(one),
            others => bail!("not exactly one incident: {others:#?}\n{}", self.log),
        }
    }

    /// The last document of the one incident in which `rule` found something.
    ///
    /// # Errors
    /// When there is not exactly one such incident.
    pub fn found(&self, rule: &str) -> Result<&Value> {
        match self.incidents().into_iter().filter(|one| finds(one, rule)).collect::<Vec<_>>().as_slice() {
            [one] => Ok(one),
            others => bail!("not exactly one incident of {rule}: {others:#?}\n{}", self.log),
        }
    }

    /// A number of the statistics line by its name.
    ///
    /// # Errors
    /// When the line has no such number.
    pub fn number(&self, name: &str) -> Result<u64> {
        let key = format!("{name}=");
        self.statistics
            .split_whitespace()
            .find_map(|word| word.strip_prefix(&key))
            .and_then(|value| value.trim_end_matches([';', ',']).parse().ok())
            .with_context(|| format!("no number {name} in {:?}", self.statistics))
    }

    /// The sum of the outcomes that the statistics line names for the packets seen.
    ///
    /// # Errors
    /// When the line has another form.
    pub fn outcomes(&self) -> Result<u64> {
        let (_, rest) = self.statistics.split_once(" = ").context("no sum in the statistics")?;
        let (sum, _) = rest.split_once(';').context("no end of the sum")?;
        sum.split(" + ")
            .map(|term| {
                let (_, value) = term.split_once('=').with_context(|| format!("no number in {term}"))?;
                value.parse::<u64>().with_context(|| format!("no number in {term}"))
            })
            .sum()
    }
}
