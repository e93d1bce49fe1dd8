//! Subjects: `smb-sensor.SITE.SENSOR.KIND`.

use crate::storage::DocumentKind;

/// The first token of all subjects.
const PREFIX: &str = "smb-sensor";

/// Most characters of a token.
const MAX_TOKEN: usize = 64;

/// The subjects of a sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    site: String,
    sensor: String,
}

impl Subjects {
    /// Those of a sensor at a site.
    ///
    /// # Errors
    /// If one of the two is no token.
    pub fn new(site: &str, sensor: &str) -> Result<Self, String> {
        token(site)?;
        token(sensor)?;
        Ok(Self { site: site.to_owned(), sensor: sensor.to_owned() })
    }

    /// The subject of documents of this kind.
    pub(super) fn of(&self, kind: DocumentKind) -> String {
        let kind = match kind {
            DocumentKind::Incident => "incident",
            DocumentKind::Flow => "flow",
        };
        format!("{PREFIX}.{}.{}.{kind}", self.site, self.sensor)
    }

    /// The `Nats-Msg-Id` of a document with this identifier. Two sensors on one path may give the same identifier to what they saw.
    pub(super) fn message_id(&self, id: &str) -> String {
        format!("{}/{}/{id}", self.site, self.sensor)
    }

    /// All subjects of this sensor.
    pub(super) fn own(&self) -> String {
        format!("{PREFIX}.{}.{}.*", self.site, self.sensor)
    }

    /// The subject of its health.
    pub(super) fn health(&self) -> String {
        format!("{PREFIX}.{}.{}.health", self.site, self.sensor)
    }

    /// The site.
    pub(super) fn site(&self) -> &str {
        &self.site
    }

    /// The name of the sensor at its site.
    pub(super) fn name(&self) -> &str {
        &self.sensor
    }

    /// The name of the sensor, for the server's list of connections.
    pub(super) fn sensor(&self) -> String {
        format!("{PREFIX} {}/{}", self.site, self.sensor)
    }

    /// The subjects of this kind of all sensors.
    #[must_use]
    pub fn all(kind: &str) -> String {
        format!("{PREFIX}.*.*.{kind}")
    }

    /// All subjects of all sensors.
    pub(super) fn every() -> String {
        format!("{PREFIX}.>")
    }
}

/// Checks a part of a subject. Dots and wildcards have a meaning there.
///
/// # Errors
/// What is allowed.
fn token(text: &str) -> Result<(), String> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if text.is_empty() || text.len() > MAX_TOKEN || !text.chars().all(fits) {
        return Err(format!(
            "{text:?} cannot be part of a subject; use 1 to {MAX_TOKEN} letters, digits, - and _"
        ));
    }
    Ok(())
}

/// A host name as a part of a subject.
#[must_use]
pub fn host_token(name: &str) -> String {
    let fitting = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    let token: String = name.chars().take(MAX_TOKEN).map(fitting).collect();
    if token.is_empty() { "unknown".to_owned() } else { token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_names_site_sensor_and_kind() {
        let subjects = Subjects::new("vienna", "gate_1").unwrap();
        assert_eq!(subjects.of(DocumentKind::Incident), "smb-sensor.vienna.gate_1.incident");
        assert_eq!(subjects.of(DocumentKind::Flow), "smb-sensor.vienna.gate_1.flow");
    }

    #[test]
    fn what_has_a_meaning_in_subjects_is_no_token() {
        for text in ["", "a.b", "*", ">", "a b", "\u{e9}", &"x".repeat(65)] {
            assert!(
                Subjects::new("vienna", text).is_err() && Subjects::new(text, "gate").is_err(),
                "{text:?}"
            );
        }
        assert_eq!(host_token("gate.example.com"), "gate-example-com");
        assert!(token(&host_token("\u{e9}.*")).is_ok() && token(&host_token("")).is_ok());
    }
}
