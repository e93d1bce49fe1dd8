//! The body of a request, from a template.

use std::{fs, io, path::PathBuf};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use sensor_core::level::Severity;
use thiserror::Error;

use crate::storage::{DocumentKind, DocumentRow};

/// Name of the only template.
const NAME: &str = "body";

/// Work that one body may cost, in instructions of the template.
const FUEL: u64 = 1_000_000;

/// A template of Jinja. What it inserts is written as JSON.
#[derive(Debug)]
pub(super) struct Template(Environment<'static>);

/// Why a template cannot be used.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// Its file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// It has a mistake.
    #[error("{}: {source:#}", path.display())]
    Mistake {
        /// File.
        path: PathBuf,
        /// Mistake.
        #[source]
        source: minijinja::Error,
    },
}

impl Template {
    pub(super) fn read(path: &PathBuf) -> Result<Self, TemplateError> {
        let text =
            fs::read_to_string(path).map_err(|source| TemplateError::File { path: path.clone(), source })?;
        Self::parse(text).map_err(|source| TemplateError::Mistake { path: path.clone(), source })
    }

    fn parse(text: String) -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Json);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment.add_template_owned(NAME, text)?;
        Ok(Self(environment))
    }

    /// The body for a document. Which of its fields are needed, the template alone knows.
    pub(super) fn render(&self, document: &DocumentRow) -> Result<String, minijinja::Error> {
        let fields: Value = serde_json::from_str(&document.body).unwrap_or_default();
        let kind = match document.kind {
            DocumentKind::Incident => "incident",
            DocumentKind::Flow => "flow",
        };
        let seconds = document.at as f64 / 1e9;
        self.0.get_template(NAME)?.render(context! {
            id => document.id.clone(),
            kind => kind,
            severity => document.severity.map_or(0, Severity::number),
            time => seconds,
            document => fields,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Template, *};

    fn document() -> DocumentRow {
        let body = "{\"message\":\"a \\\"b\\\" <c>\",\"event\":{\"action\":\"incident-opened\"},\
                    \"rule\":{\"name\":\"R\"},\"smb_sensor\":{\"incident\":{\"id\":\"f00\",\"severity\":\"high\"}}}";
        DocumentRow {
            sequence: 1,
            id: "f00-1".to_owned(),
            kind: DocumentKind::Incident,
            severity: Some(Severity::High),
            at: 1_700_000_000_500_000_000,
            body: body.to_owned(),
            brief: Vec::new(),
        }
    }

    #[test]
    fn values_are_inserted_as_json() {
        let template = "{\"id\":{{ id }},\"text\":{{ document.message }},\"none\":{{ document.no.such }},\"all\":{{ document }}}";
        let body = Template::parse(template.to_owned()).unwrap().render(&document()).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["id"], &body["text"]), (&"f00-1".into(), &"a \"b\" <c>".into()));
        assert!(body["none"].is_null() && body["all"]["rule"]["name"] == "R", "{body}");
    }

    #[test]
    fn mistakes_and_endless_templates_are_errors() {
        let error = Template::parse("{{ a".to_owned()).unwrap_err().to_string();
        assert!(error.contains("syntax error"), "{error}");
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(Template::parse(endless.to_owned()).unwrap().render(&document()).is_err());
    }

    #[test]
    fn shipped_examples_for_people_show_names_of_strangers_as_text() {
        let hostile = "<!channel> & <https://evil.example|log in> [log in](https://evil.example)";
        let body = serde_json::json!({ "message": hostile }).to_string();
        let document = DocumentRow { body, ..document() };
        let rendered = |text: &str| -> Value {
            let body = Template::parse(text.to_owned()).unwrap().render(&document).unwrap();
            serde_json::from_str(&body).unwrap()
        };
        let slack = rendered(include_str!("../../../../packaging/webhook/slack.json.j2"));
        let text = slack["text"].as_str().unwrap();
        assert!(text.contains("&lt;!channel&gt; &amp; &lt;https://evil.example|log in&gt;"), "{text}");
        let teams = rendered(include_str!("../../../../packaging/webhook/teams.json.j2"));
        let first = &teams["attachments"][0]["content"]["body"][0];
        assert_eq!(
            (&first["type"], &first["inlines"][0]["text"]),
            (&"RichTextBlock".into(), &hostile.into())
        );
    }

    #[test]
    fn shipped_examples_give_json_for_every_document() {
        for (name, text) in [
            ("splunk-hec", include_str!("../../../../packaging/webhook/splunk-hec.json.j2")),
            ("slack", include_str!("../../../../packaging/webhook/slack.json.j2")),
            ("teams", include_str!("../../../../packaging/webhook/teams.json.j2")),
        ] {
            let template = Template::parse(text.to_owned()).unwrap();
            for document in [document(), DocumentRow { body: "{}".to_owned(), ..document() }] {
                let body = template.render(&document).unwrap();
                let json = serde_json::from_str::<Value>(&body);
                assert!(json.is_ok_and(|json| json.is_object()), "{name}: {body}");
            }
        }
    }
}
