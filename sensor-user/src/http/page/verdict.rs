//! The form for a verdict on an incident. It has the effect of `smb-sensor alerts ID --verdict`.

use anyhow::{Context as _, Result, anyhow};
use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use clap::ValueEnum as _;
use sensor_dissect::escape::shown;
use serde::Deserialize;

use super::{
    exempt::who,
    frame::{Frame, not_allowed, not_found, rendered},
    incident::{self, Sent},
    read,
};
use crate::{
    http::Source,
    response::{Verdict, verdict},
    verdicts,
};

/// The form, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    pub(super) token: String,
    pub(super) verdict: String,
    pub(super) note: String,
    pub(super) who: String,
}

/// The form on a page.
pub(super) struct VerdictForm {
    pub(super) typed: Typed,
    /// The verdicts to choose from.
    pub(super) choices: [&'static str; 3],
    /// Why it was not taken.
    pub(super) mistake: Option<String>,
}

#[derive(Template)]
#[template(path = "verdict_given.html")]
struct Done {
    frame: Frame,
    id: String,
    lines: Vec<String>,
    /// Whether the page of the incident has a form that exempts its traffic, which is benign.
    can_exempt: bool,
}

impl VerdictForm {
    /// The form for an incident, where verdicts may be given here.
    pub(super) fn of(source: &Source, id: &str) -> Option<Self> {
        let token = source.verdict_forms.as_ref()?.token(&about(id));
        Some(Self::with(Typed { token, ..Typed::default() }, None))
    }

    fn with(typed: Typed, mistake: Option<String>) -> Self {
        Self { typed, choices: Verdict::ALL.map(Verdict::name), mistake }
    }
}

/// Why there are no such forms.
const CLOSED: &str = "Verdicts cannot be given here: `verdict_form` under [http] allows it.";

/// What the token of a form is for.
fn about(id: &str) -> String {
    format!("verdict {id}")
}

pub(super) async fn give(
    State(source): State<Source>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    read(source, move |source, reader| {
        let forms = (source.verdict_forms.as_ref(), CLOSED);
        if let Some(answer) = not_allowed(source, forms, (&about(&id), &typed.token), &headers) {
            return Ok(answer);
        }
        let Some(row) = reader.identified(&id)? else {
            return Ok(not_found(source, format!("There is no incident {}.", shown(id.as_bytes()))));
        };
        match given(source, &id, &typed) {
            Ok((verdict, text)) => {
                let lines = text.lines().map(|line| shown(line.as_bytes())).collect();
                let can_exempt = verdict == Verdict::Benign && source.exempt_forms.is_some();
                Ok(rendered(&Done { frame: Frame::of(source, "incidents"), id, lines, can_exempt }))
            }
            Err(error) => {
                let mistake = shown(format!("{error:#}").as_bytes());
                let sent = Sent { verdict: Some(VerdictForm::with(typed, Some(mistake))), ..Sent::default() };
                let page = incident::rendered_with(source, reader, &row, sent)?;
                Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
            }
        }
    })
    .await
}

/// Gives the verdict; says what was done.
fn given(source: &Source, id: &str, typed: &Typed) -> Result<(Verdict, String)> {
    let verdict = Verdict::from_str(&typed.verdict, false).ok().context("Verdict: choose one")?;
    let note = Some(typed.note.as_str()).filter(|note| !note.trim().is_empty());
    let note = note.map(verdict::note).transpose().map_err(|wrong| anyhow!("Why: {wrong}"))?;
    let text = verdicts::give(&source.state_dir, id, verdict, note, Some(who(&typed.who)?))?;
    Ok((verdict, text))
}
