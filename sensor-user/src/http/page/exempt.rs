//! The form that exempts the traffic of an incident. It adds the same entry as `smb-sensor exempt add`.

use anyhow::{Result, anyhow};
use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use sensor_core::incident::{Incident, covered::Covered};
use sensor_dissect::escape::shown;
use serde::Deserialize;

use super::{
    frame::{Frame, not_allowed, not_found, rendered},
    incident::{self, Sent},
    read,
};
use crate::{
    config::{reason, service},
    exempt::{self, AddArgs},
    http::Source,
    response::{Author, Verdict, VerdictEntry, verdict},
    wall_clock,
};

/// Most bytes of a form.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// The form, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    pub(super) token: String,
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) service: String,
    pub(super) who: String,
    pub(super) reason: String,
    pub(super) until: String,
}

/// The form on a page.
pub(super) struct ExemptForm {
    pub(super) typed: Typed,
    /// Why it was not taken.
    pub(super) mistake: Option<String>,
}

#[derive(Template)]
#[template(path = "exempted.html")]
struct Done {
    frame: Frame,
    id: String,
    lines: Vec<String>,
}

impl ExemptForm {
    /// The form for an incident, where exemptions may be added here. The verdict that it is benign fills in who says so and why.
    pub(super) fn of(
        source: &Source,
        incident: &Incident,
        verdict_entry: Option<&VerdictEntry>,
    ) -> Option<Self> {
        let forms = source.exempt_forms.as_ref()?;
        let Covered { source, destination, services } = Covered::of(incident);
        let benign = verdict_entry.filter(|one| one.verdict == Verdict::Benign);
        let typed = Typed {
            token: forms.token(&about(&incident.id.to_string())),
            source: source.unwrap_or_default(),
            destination: destination.unwrap_or_default(),
            service: services.join(", "),
            until: "30d".to_owned(),
            reason: benign.and_then(|one| one.note.clone()).unwrap_or_default(),
            who: match benign.map(|one| &one.by) {
                Some(Author::OnPage(name)) => name.clone(),
                _ => String::new(),
            },
        };
        Some(Self { typed, mistake: None })
    }
}

/// Why there are no such forms.
const CLOSED: &str = "Exemptions cannot be added here: `exempt_form` under [http] allows it.";

/// What the token of a form is for.
fn about(id: &str) -> String {
    format!("exempt {id}")
}

pub(super) async fn add(
    State(source): State<Source>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    read(source, move |source, reader| {
        let forms = (source.exempt_forms.as_ref(), CLOSED);
        if let Some(answer) = not_allowed(source, forms, (&about(&id), &typed.token), &headers) {
            return Ok(answer);
        }
        let Some(row) = reader.identified(&id)? else {
            return Ok(not_found(source, format!("There is no incident {}.", shown(id.as_bytes()))));
        };
        match exempted(source, &typed) {
            Ok(text) => {
                let lines = text.lines().map(|line| shown(line.as_bytes())).collect();
                Ok(rendered(&Done { frame: Frame::of(source, "incidents"), id, lines }))
            }
            Err(error) => {
                let form = ExemptForm { typed, mistake: Some(shown(format!("{error:#}").as_bytes())) };
                let sent = Sent { exempt: Some(form), ..Sent::default() };
                let page = incident::rendered_with(source, reader, &row, sent)?;
                Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
            }
        }
    })
    .await
}

/// The name of the person who sends a form.
pub(super) fn who(typed: &str) -> Result<String> {
    let name = verdict::name(typed);
    name.map_err(|_| anyhow!("Who: write your name, {} characters at most", verdict::MAX_NAME))
}

/// Adds the exemption; says what was done.
fn exempted(source: &Source, typed: &Typed) -> Result<String> {
    let who = who(&typed.who)?;
    let words =
        |text: &str| text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let services: Vec<String> = words(&typed.service);
    let named = |name: &'static str| move |wrong: String| anyhow!("{name}: {wrong}");
    let entry = AddArgs {
        source: words(&typed.source),
        destination: words(&typed.destination),
        service: services
            .iter()
            .map(|one| service(one))
            .collect::<Result<_, _>>()
            .map_err(named("Services"))?,
        process: None,
        reason: reason(&typed.reason).map_err(named("Why"))?,
        expires: Some(typed.until.trim()).filter(|until| !until.is_empty()).map(str::to_owned),
        id: None,
    };
    let mut config = (source.load)()?;
    // As the command reads it: what was added before is read with the file locked.
    config.exemptions.retain(|one| one.added.is_none());
    exempt::add(&config, &entry, Some(&who), wall_clock::now())
}
