//! The body of a request, from a template.

use std::{fmt, fs, io, path::PathBuf};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use thiserror::Error;

use super::values;
use crate::storage::DocumentRow;

/// Name of the only template.
const NAME: &str = "body";

/// Work that one body may cost, in instructions of the template.
const FUEL: u64 = 1_000_000;

/// Where the values are listed.
const LIST: &str = "docs/outputs.md lists the values that it can name";

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
    #[error("{}, {source}", path.display())]
    Mistake {
        /// File.
        path: PathBuf,
        /// Mistake.
        #[source]
        source: TemplateMistake,
    },
}

/// A mistake in a template.
#[derive(Debug, Error)]
pub enum TemplateMistake {
    /// It names a field of the document, which it has only as a whole.
    #[error("line {line}: {name} is not a value of a template; {}", remedy(name))]
    Field {
        /// Line, from 1.
        line: usize,
        /// Name.
        name: String,
    },
    /// The template cannot be read, or not be filled.
    #[error("{}", Reported(.0))]
    Jinja(#[from] minijinja::Error),
}

/// What to do about a name that begins with `document.`.
fn remedy(name: &str) -> String {
    match name.strip_prefix("document.").and_then(values::instead_of) {
        Some(value) => format!("write {value}"),
        None => format!("`document` is the whole document as text, and {LIST}"),
    }
}

/// An error of Jinja, with its line first.
struct Reported<'a>(&'a minijinja::Error);

impl fmt::Display for Reported<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        write!(f, "line {}: {}", error.line().unwrap_or(1), error.kind())?;
        if let Some(detail) = error.detail() {
            write!(f, ": {detail}")?;
        }
        if error.kind() == ErrorKind::UndefinedError { write!(f, "; {LIST}") } else { Ok(()) }
    }
}

impl Template {
    pub(super) fn read(path: &PathBuf) -> Result<Self, TemplateError> {
        let text =
            fs::read_to_string(path).map_err(|source| TemplateError::File { path: path.clone(), source })?;
        Self::parse(text).map_err(|source| TemplateError::Mistake { path: path.clone(), source })
    }

    /// Parses a template and fills it with examples, so that a name which it cannot have is found before there is a document.
    fn parse(text: String) -> Result<Self, TemplateMistake> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Json);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.add_template_owned(NAME, text.clone())?;
        let template = Self(environment);
        let mut names: Vec<_> =
            template.0.get_template(NAME)?.undeclared_variables(true).into_iter().collect();
        names.retain(|name| name.starts_with("document."));
        let fields = names.into_iter().map(|name| (line_of(&name, &text), name));
        if let Some((line, name)) = fields.min() {
            return Err(TemplateMistake::Field { line, name });
        }
        for example in values::examples() {
            template.render(&example)?;
        }
        Ok(template)
    }

    /// The body for a document.
    pub(super) fn render(&self, document: &DocumentRow) -> Result<String, minijinja::Error> {
        self.0.get_template(NAME)?.render(values::of(document))
    }
}

/// The first line that has this name outside comments; 1 where white space divides the name.
fn line_of(name: &str, text: &str) -> usize {
    let mut line = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let (part, comment) = rest.split_once("{#").map_or((rest, ""), |(part, after)| (part, after));
        if let Some((before, _)) = part.split_once(name) {
            return line + before.matches('\n').count();
        }
        let (comment, after) = comment.split_once("#}").unwrap_or((comment, ""));
        line += part.matches('\n').count() + comment.matches('\n').count();
        rest = after;
    }
    1
}

#[cfg(test)]
mod tests {
    use sensor_core::level::Severity;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        ecs::{Brief, End, Outcome},
        storage::DocumentKind,
    };

    /// The templates in packaging/webhook.
    const SHIPPED: [(&str, &str); 3] = [
        ("splunk-hec", include_str!("../../../../packaging/webhook/splunk-hec.json.j2")),
        ("slack", include_str!("../../../../packaging/webhook/slack.json.j2")),
        ("teams", include_str!("../../../../packaging/webhook/teams.json.j2")),
    ];

    fn document(message: &str) -> DocumentRow {
        let brief = Brief {
            action: "incident-opened".to_owned(),
            outcome: Some(Outcome::Failure),
            rule: Some(("r".to_owned(), "R".to_owned())),
            source: End { ip: Some("10.0.0.2".to_owned()), port: Some(50_000) },
            destination: End { ip: Some("2001:db8::1".to_owned()), port: None },
            transport: Some("tcp".to_owned()),
            protocol: Some("smb".to_owned()),
            user: Some("ada".to_owned()),
            version: "1".to_owned(),
            hostname: "gate".to_owned(),
            incident: Some("f00".to_owned()),
            message: Some(message.to_owned()),
        };
        DocumentRow {
            sequence: 1,
            id: "f00-1".to_owned(),
            kind: DocumentKind::Incident,
            severity: Some(Severity::High),
            at: 1_700_000_000_500_000_000,
            body: "{\"z\": 1.0,  \"a\":\"<\"}".to_owned(),
            brief: brief.to_bytes(),
        }
    }

    /// One that an earlier version stored.
    fn old(kind: DocumentKind) -> DocumentRow {
        DocumentRow { kind, severity: None, brief: Vec::new(), ..document("") }
    }

    fn rendered(template: &str, document: &DocumentRow) -> String {
        Template::parse(template.to_owned()).unwrap().render(document).unwrap()
    }

    fn mistake(template: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("body.j2");
        fs::write(&path, template).unwrap();
        let error = Template::read(&path).unwrap_err().to_string();
        error.strip_prefix(&format!("{}, ", path.display())).expect("the file is named").to_owned()
    }

    #[test]
    fn values_are_inserted_as_json() {
        let all = [
            ("id", json!("f00-1")),
            ("kind", json!("incident")),
            ("severity", json!(73)),
            ("severity_name", json!("high")),
            ("time", json!(1_700_000_000.5)),
            ("action", json!("incident-opened")),
            ("outcome", json!("failure")),
            ("rule", json!({ "id": "r", "name": "R" })),
            ("source.ip", json!("10.0.0.2")),
            ("source.port", json!(50_000)),
            ("destination", json!({ "ip": "2001:db8::1", "port": null })),
            ("transport", json!("tcp")),
            ("protocol", json!("smb")),
            ("user", json!("ada")),
            ("hostname", json!("gate")),
            ("version", json!("1")),
            ("incident", json!("f00")),
            ("message", json!("a \"b\" <c>")),
        ];
        for (name, expected) in all {
            let text = rendered(&format!("{{{{ {name} }}}}"), &document("a \"b\" <c>"));
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn document_is_inserted_as_it_is_stored() {
        let document = document("m");
        assert_eq!(
            rendered("{\"event\":{{ document }}}", &document),
            format!("{{\"event\":{}}}", document.body)
        );
        let broken = DocumentRow { body: "not JSON".to_owned(), ..document };
        assert_eq!(rendered("{{ document }}", &broken), "not JSON", "nobody reads it");
    }

    #[test]
    fn field_of_the_document_is_a_mistake_with_its_line_and_the_value_to_use() {
        let text = "{# document.rule.name #}\n{\"a\": {{ id }},\n \"b\": {{ document.rule.name or \"-\" }}}";
        assert_eq!(mistake(text), "line 3: document.rule.name is not a value of a template; write rule.name");
        // Also where no example takes the branch.
        let text = "{% if kind == \"other\" %}\n{{ document.smb_sensor.shares }}{% endif %}";
        let said = mistake(text);
        assert!(said.starts_with("line 2: document.smb_sensor.shares is not a value"), "{said}");
        assert!(said.contains("`document` is the whole document as text") && said.contains(LIST), "{said}");
        for text in
            ["\n{{ document[\"message\"] or id }}", "{% set all = document %}\n{{ all.message or id }}"]
        {
            let said = mistake(text);
            assert!(said.starts_with("line 2: undefined value") && said.ends_with(LIST), "{said}");
        }
    }

    #[test]
    fn every_field_with_a_value_of_its_own_is_named_with_it() {
        for field in ["message", "event.severity", "smb_sensor.incident.severity", "source.user.name"] {
            let said = mistake(&format!("{{{{ document.{field} }}}}"));
            let value = said.rsplit_once("; write ").unwrap().1;
            assert!(Template::parse(format!("{{{{ {value} }}}}")).is_ok(), "{said}");
        }
    }

    #[test]
    fn unknown_names_and_endless_templates_are_mistakes() {
        assert!(mistake("\n{{ a").starts_with("line 2: syntax error"), "{}", mistake("\n{{ a"));
        for text in ["{{ sentence or id }}", "\n\n{{ rule.title }}"] {
            let said = mistake(text);
            assert!(said.contains(": undefined value") && said.ends_with(LIST), "{said}");
        }
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(mistake(endless).contains("fuel"), "{}", mistake(endless));
    }

    #[test]
    fn shipped_examples_for_people_show_names_of_strangers_as_text() {
        let hostile = "<!channel> & <https://evil.example|log in> [log in](https://evil.example)";
        let [_, (_, slack), (_, teams)] = SHIPPED;
        let shown =
            |template| -> Value { serde_json::from_str(&rendered(template, &document(hostile))).unwrap() };
        let slack = shown(slack);
        let text = slack["text"].as_str().unwrap();
        assert!(
            text.starts_with("[high] &lt;!channel&gt; &amp; &lt;https://evil.example|log in&gt;"),
            "{text}"
        );
        assert!(text.ends_with("\nIncident f00, incident-opened"), "{text}");
        let teams = shown(teams);
        let card = &teams["attachments"][0]["content"]["body"];
        assert_eq!(
            (&card[0]["type"], &card[0]["inlines"][0]["text"]),
            (&"RichTextBlock".into(), &hostile.into())
        );
        let facts: Vec<_> = card[1]["facts"].as_array().unwrap().iter().map(|one| &one["value"]).collect();
        assert_eq!(facts, ["high", "R", "f00", "incident-opened"]);
    }

    #[test]
    fn shipped_examples_give_json_for_every_document() {
        for (name, template) in SHIPPED {
            for document in [document("m"), old(DocumentKind::Incident), old(DocumentKind::Flow)] {
                let body = rendered(template, &document);
                let json = serde_json::from_str::<Value>(&body);
                assert!(json.is_ok_and(|json| json.is_object()), "{name}: {body}");
            }
        }
        let [_, (_, slack), (_, teams)] = SHIPPED;
        let old = old(DocumentKind::Flow);
        assert_eq!(rendered(slack, &old), "{\"text\": \"[flow] f00-1\\nIncident -, -\"}");
        assert!(rendered(teams, &old).contains("\"text\": \"f00-1\""), "what is known of it");
    }
}
