//! Blocks on the page: the form that blocks the external host of an incident, and the list of blocks, each with a form that ends
//! it. The agent carries them out, as for `smb-sensor block`.

use anyhow::{Result, bail};
use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use sensor_core::incident::Incident;
use sensor_dissect::escape::shown;
use serde::Deserialize;

use super::{
    decoded,
    format::second,
    frame::{Frame, not_allowed, not_found, refused, rendered},
    read, waiting,
};
use crate::{
    config::reason,
    control::{self, Request},
    http::{Source, snapshot::BlockState},
    response::{Target, duration},
};

/// Most characters of who blocks.
const MAX_NAME: usize = 64;

/// The form on the page of an incident.
pub(super) struct BlockForm {
    pub(super) token: String,
    /// What may be blocked, each with what that means.
    pub(super) targets: Vec<(String, &'static str)>,
}

/// A form, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    token: String,
    target: String,
    time: String,
    who: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "blocks.html")]
struct Blocks {
    frame: Frame,
    rows: Vec<Row>,
    /// Whether blocks can be ended here.
    may_end: bool,
}

struct Row {
    target: String,
    since: String,
    until: String,
    by: String,
    reason: String,
    /// Identifier of the incident that was the cause, or nothing.
    incident: String,
    packets: u64,
    is_dry: bool,
    token: String,
}

#[derive(Template)]
#[template(path = "blocked.html")]
struct Done {
    frame: Frame,
    text: String,
}

impl BlockForm {
    /// The form for an incident, where hosts may be blocked here and it is about one external host.
    pub(super) fn of(source: &Source, incident: &Incident) -> Option<Self> {
        let forms = source.block_forms.as_ref()?;
        let targets = targets(incident);
        let token = forms.token(&about(&incident.id.to_string()));
        (!targets.is_empty()).then_some(Self { token, targets })
    }
}

/// What may be blocked on the page of an incident.
fn targets(incident: &Incident) -> Vec<(String, &'static str)> {
    let Some(external) = incident.external.only_address() else { return vec![] };
    let pair = incident.internal.only_address().map(|internal| {
        (Target::between(internal, external).to_string(), "the traffic between these two hosts")
    });
    pair.into_iter()
        .chain([(Target::Network(external.into()).to_string(), "all traffic of the external host")])
        .collect()
}

/// What the token of a form is for.
fn about(what: &str) -> String {
    format!("block {what}")
}

pub(super) async fn page(State(source): State<Source>) -> Response {
    waiting(source, |source| {
        let states = source.snapshot().map(|snapshot| snapshot.blocks.clone()).unwrap_or_default();
        let rows = states.iter().map(|state| row(source, state)).collect();
        let may_end = source.block_forms.is_some();
        Ok(rendered(&Blocks { frame: Frame::of(source, "blocks"), rows, may_end }))
    })
    .await
}

fn row(source: &Source, BlockState { block, packets }: &BlockState) -> Row {
    let target = block.target.to_string();
    Row {
        since: second(block.since),
        until: second(block.until),
        by: shown(block.by.to_string().as_bytes()),
        reason: shown(block.reason.as_bytes()),
        incident: block.incident.clone().unwrap_or_default(),
        packets: *packets,
        is_dry: block.is_dry,
        token: source.block_forms.as_ref().map(|forms| forms.token(&about(&target))).unwrap_or_default(),
        target,
    }
}

/// Blocks a host or pair of an incident.
pub(super) async fn begin(
    State(source): State<Source>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    read(source, move |source, reader| {
        if let Some(answer) = refusal(source, &id, &typed, &headers) {
            return Ok(answer);
        }
        let Some(row) = reader.identified(&id)? else {
            return Ok(not_found(source, format!("There is no incident {}.", shown(id.as_bytes()))));
        };
        let incident = decoded(&row)?;
        Ok(done(source, asked(&incident, &typed)))
    })
    .await
}

/// Ends a block.
pub(super) async fn end(
    State(source): State<Source>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    waiting(source, move |source| {
        if let Some(answer) = refusal(source, &typed.target, &typed, &headers) {
            return Ok(answer);
        }
        let request = || {
            let target: Target = typed.target.parse().map_err(anyhow::Error::msg)?;
            Ok(Request::Unblock { target, who: Some(who(&typed)?) })
        };
        Ok(done(source, request()))
    })
    .await
}

/// Why the form of a block is not looked at; `None` if it is.
fn refusal(source: &Source, what: &str, typed: &Typed, headers: &HeaderMap) -> Option<Response> {
    let forms =
        (source.block_forms.as_ref(), "Nothing can be blocked here: `block_form` under [http] allows it.");
    not_allowed(source, forms, (&about(what), &typed.token), headers)
}

/// What is asked of the agent.
fn asked(incident: &Incident, typed: &Typed) -> Result<Request> {
    if !targets(incident).iter().any(|(target, _)| *target == typed.target) {
        bail!("What: this incident is not about {}", typed.target);
    }
    let target = typed.target.parse().map_err(anyhow::Error::msg)?;
    let seconds =
        duration(typed.time.trim()).map_err(|wrong| anyhow::anyhow!("How long: {wrong}"))?.as_secs();
    let reason = reason(&typed.reason).map_err(|wrong| anyhow::anyhow!("Why: {wrong}"))?;
    Ok(Request::Block { target, seconds, reason, who: Some(who(typed)?) })
}

fn who(typed: &Typed) -> Result<String> {
    let who = typed.who.trim();
    if who.is_empty() || who.chars().count() > MAX_NAME || who.chars().any(char::is_control) {
        bail!("Who: write your name, {MAX_NAME} characters at most");
    }
    Ok(who.to_owned())
}

/// Asks the agent, and shows its answer.
fn done(source: &Source, request: Result<Request>) -> Response {
    let answer = request.and_then(|request| Ok(control::ask(&source.state_dir, &request)?));
    let text = match answer {
        Ok(answer) if answer.done => {
            let text = shown(answer.text.as_bytes());
            return rendered(&Done { frame: Frame::of(source, "blocks"), text });
        }
        Ok(answer) => answer.text,
        Err(error) => format!("{error:#}"),
    };
    let words = format!("{}. Nothing was changed.", shown(text.as_bytes()));
    refused(source, StatusCode::UNPROCESSABLE_ENTITY, words)
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::fixtures;

    use super::*;

    fn offered(incident: &Incident) -> Vec<String> {
        targets(incident).into_iter().map(|(target, _)| target).collect()
    }

    #[test]
    fn only_the_hosts_of_an_incident_are_offered() {
        assert_eq!(offered(&fixtures::leak_accepted()), ["10.0.0.2,8.8.4.4", "8.8.4.4"]);
        assert_eq!(offered(&fixtures::sweep()), [""; 0], "many external hosts");
        let mut sweep = fixtures::sweep();
        std::mem::swap(&mut sweep.internal, &mut sweep.external);
        assert_eq!(offered(&sweep), ["10.0.0.31"], "one that tries many internal ones");
    }

    #[test]
    fn names_each_mistake() {
        let good = Typed {
            target: "8.8.4.4".into(),
            time: "1h".into(),
            who: " Ada ".into(),
            reason: "leak".into(),
            ..Typed::default()
        };
        let incident = fixtures::leak_accepted();
        let expected = Request::Block {
            target: "8.8.4.4".parse().unwrap(),
            seconds: 3_600,
            reason: "leak".into(),
            who: Some("Ada".into()),
        };
        assert_eq!(asked(&incident, &good).unwrap(), expected);
        for (typed, words) in [
            (Typed { target: "9.9.9.9".into(), ..good.clone() }, "What: this incident is not about 9.9.9.9"),
            (Typed { time: "soon".into(), ..good.clone() }, "How long: "),
            (Typed { time: "31d".into(), ..good.clone() }, "How long: "),
            (Typed { reason: String::new(), ..good.clone() }, "Why: "),
            (Typed { who: "a\nb".into(), ..good.clone() }, "Who: "),
            (Typed { who: String::new(), ..good.clone() }, "Who: "),
        ] {
            let mistake = asked(&incident, &typed).unwrap_err().to_string();
            assert!(mistake.starts_with(words), "{mistake}");
        }
    }
}
