//! What an agent had said: alert documents, checked against their schema, and the statistics line.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use anyhow::{Context as _, Result, bail};
use jsonschema::{Registry, Validator};
use serde_json::Value;

const ALERT: &str = include_str!("../../sensor-user/schema/alert.schema.json");

/// The schema of each kind of document, by its `event.dataset`.
static SCHEMAS: LazyLock<Result<[(&str, Validator); 4]>> = LazyLock::new(|| {
    let of = |dataset, schema| Ok::<_, anyhow::Error>((dataset, validator(schema)?));
    Ok([
        of("smb_sensor.alert", ALERT)?,
        of("smb_sensor.sweep", include_str!("../../sensor-user/schema/sweep.schema.json"))?,
        of("smb_sensor.suppression", include_str!("../../sensor-user/schema/suppression.schema.json"))?,
        of("network_traffic.flow", include_str!("../../sensor-user/schema/flow.schema.json"))?,
    ])
});

/// A schema, with that of alerts beside it.
fn validator(schema: &str) -> Result<Validator> {
    let beside: Value = serde_json::from_str(ALERT)?;
    let id = text(&beside, "/$id").to_owned();
    let registry = Registry::new().add(&id, beside)?.prepare()?;
    let schema = serde_json::from_str(schema)?;
    let options = jsonschema::draft202012::options();
    options.with_registry(&registry).build(&schema).map_err(|error| anyhow::anyhow!("{error}"))
}

/// Checks a document against the schema of its kind.
///
/// # Errors
/// When it is against it; the error shows where, and the document.
pub fn follows_schema(document: &Value) -> Result<()> {
    let schemas = SCHEMAS.as_ref().map_err(|error| anyhow::anyhow!("read the schemas: {error}"))?;
    let dataset = text(document, "/event/dataset");
    let (_, schema) = schemas
        .iter()
        .find(|(name, _)| *name == dataset)
        .with_context(|| format!("a document of no known kind: {document:#}"))?;
    let errors: Vec<_> =
        schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if !errors.is_empty() {
        bail!("against the schema: {errors:#?} in {document:#}");
    }
    Ok(())
}

/// What an agent had said when it ended.
#[derive(Debug)]
pub struct Ended {
    /// Alert documents, in the order of writing; each follows the schema.
    pub documents: Vec<Value>,
    /// The last statistics line.
    pub statistics: String,
    /// All it told on standard error.
    pub log: String,
    /// Exit code, if it ended by itself.
    pub code: Option<i32>,
}

/// Reads documents, one a line.
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

/// Whether a document is of this rule and tells this level of evidence.
pub fn tells(rule: &str, level: &str) -> impl Fn(&Value) -> bool {
    move |document| {
        text(document, "/rule/id") == rule && text(document, "/smb_sensor/evidence/level") == level
    }
}

impl Ended {
    /// The rules of the distinct alerts, sorted: one entry an alert, however many documents it has.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        let alerts: BTreeSet<_> = self
            .documents
            .iter()
            .map(|document| (text(document, "/rule/id"), text(document, "/event/id")))
            .collect();
        alerts.into_iter().map(|(rule, _)| rule.to_owned()).collect()
    }

    /// The last document of the one alert of `rule`.
    ///
    /// # Errors
    /// When there is not exactly one such alert, or its last document does not close it.
    pub fn closed(&self, rule: &str) -> Result<&Value> {
        if self.rules().iter().filter(|one| *one == rule).count() != 1 {
            bail!("not exactly one alert of {rule}: {:?}\n{}", self.rules(), self.log);
        }
        self.documents
            .iter()
            .rfind(|document| text(document, "/rule/id") == rule)
            .filter(|document| text(document, "/smb_sensor/alert/status") == "closed")
            .with_context(|| format!("the alert of {rule} is not closed: {:#?}", self.documents))
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
