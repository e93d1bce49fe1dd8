//! The verdict on a connection, as `smb-sensor explain` gives it.

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::{
    frame::{Frame, rendered},
    waiting,
};
use crate::{
    config::ServerPort,
    control::{self, Request},
    explain::{self, Explanation, Fires},
    http::Source,
};

/// The question, as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Question {
    client: String,
    server: String,
    port: String,
}

#[derive(Template)]
#[template(path = "explain.html")]
struct Page {
    frame: Frame,
    question: Question,
    /// What is wrong with the question.
    mistake: Option<String>,
    answer: Option<Answer>,
}

/// The answer.
struct Answer {
    /// What the active profile says of a connection in each direction.
    verdicts: Vec<String>,
    lines: Vec<String>,
}

pub(super) async fn page(State(source): State<Source>, Query(question): Query<Question>) -> Response {
    waiting(source, move |source| {
        let frame = Frame::of(source, "explain");
        if question.client.trim().is_empty() && question.server.trim().is_empty() {
            return Ok(rendered(&Page { frame, question, mistake: None, answer: None }));
        }
        let query = match query(&question) {
            Ok(query) => query,
            Err(mistake) => {
                let page = Page { frame, question, mistake: Some(mistake), answer: None };
                return Ok((StatusCode::UNPROCESSABLE_ENTITY, rendered(&page)).into_response());
            }
        };
        let answer = Some(Answer::of(&asked(source, &query)?));
        Ok(rendered(&Page { frame, question, mistake: None, answer }))
    })
    .await
}

/// The question, if it is one.
fn query(typed: &Question) -> Result<explain::Query, String> {
    let address = |name: &str, text: &str| {
        let wrong = |_| format!("{name}: not an IP address; write it like 192.0.2.7 or 2001:db8::7");
        text.trim().parse::<IpAddr>().map_err(wrong)
    };
    let port = if typed.port.trim().is_empty() { "445" } else { typed.port.trim() };
    let port: ServerPort = port.parse().map_err(|wrong: String| format!("Port: {wrong}"))?;
    Ok(explain::Query {
        first: address("Client", &typed.client)?,
        second: Some(address("Server", &typed.server)?),
        udp: port.is_udp(),
        port: port.number,
    })
}

/// The agent's explanation, by its configuration in force.
fn asked(source: &Source, query: &explain::Query) -> Result<Explanation> {
    let answer = control::ask(&source.state_dir, &Request::Explain(*query))?;
    if !answer.done {
        bail!("the agent gives no explanation: {}", answer.text);
    }
    serde_json::from_str(&answer.text).context("the answer of the agent is not understood")
}

impl Answer {
    fn of(explanation: &Explanation) -> Self {
        let verdicts = explanation.connections.iter().map(|connection| {
            let ends = format!("{} to {}, port {}", connection.client, connection.server, connection.port);
            let active = connection.profiles.iter().filter(|one| one.profile == explanation.profile);
            let rules = |fires: Fires| {
                let of = active.clone().flat_map(|one| &one.rules).filter(move |rule| rule.fires == fires);
                of.map(|rule| rule.rule.clone()).collect::<Vec<_>>().join(", ")
            };
            let (certain, possible) = (rules(Fires::Yes), rules(Fires::If));
            if !connection.exempt.entries.is_empty() {
                return format!("{ends}: exempt, no incident");
            }
            match (certain.is_empty(), possible.is_empty()) {
                (false, true) => format!("{ends}: an incident by {certain}"),
                (false, false) => format!("{ends}: an incident by {certain}, and perhaps by {possible}"),
                (true, false) => format!("{ends}: perhaps an incident by {possible}"),
                (true, true) => format!("{ends}: no incident"),
            }
        });
        Self {
            verdicts: verdicts.collect(),
            lines: explanation.to_string().lines().map(str::to_owned).collect(),
        }
    }
}
