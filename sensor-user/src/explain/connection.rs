//! One connection: the verdict of each profile, with reasons.

use std::net::IpAddr;

use sensor_common::slot::UDP;
use serde::{Deserialize, Serialize};

use super::{
    Query,
    address::{Matches, Network, matching, name},
};
use crate::config::{Config, Service};
use sensor_core::exempt;
use sensor_core::profile::{
    Field, ProfileName, Question, Rulebook,
    verdict::{Because, Condition, RuleVerdict},
};
use sensor_core::time::Timestamp;

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Client.
    pub client: IpAddr,
    /// Server.
    pub server: IpAddr,
    /// `tcp` or `udp`.
    pub transport: String,
    /// Port of the server.
    pub port: u16,
    /// Exemptions that cover it; if there is one, no rule of any profile fires.
    pub exempt: Matches,
    /// The verdict of each profile.
    pub profiles: Vec<ProfileSays>,
}

/// The verdict of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileSays {
    /// Profile.
    pub profile: ProfileName,
    /// The place of the client.
    pub client: Seen,
    /// The place of the server.
    pub server: Seen,
    /// Its rules.
    pub rules: Vec<RuleSays>,
}

/// The place of an end in a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// `internal`, `reserved` or `external`.
    pub place: String,
    /// The network that decides.
    pub by: Option<Network>,
}

/// Whether a rule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fires {
    /// Yes.
    Yes,
    /// When its conditions hold.
    If,
    /// No.
    No,
}

/// The verdict of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSays {
    /// Identifier.
    pub rule: String,
    /// The published rule.
    pub source: String,
    /// Whether it fires.
    pub fires: Fires,
    /// Why it does not fire; if it fires, its conditions.
    pub because: Vec<String>,
}

impl Connection {
    pub(super) fn of(
        (client, server): (IpAddr, IpAddr),
        (query, now): (&Query, Timestamp),
        config: &Config,
        rulebooks: &[Rulebook],
    ) -> Self {
        let question = Question {
            client,
            server,
            transport: query.transport(),
            port: query.port,
            smb: None,
            own_process: false,
        };
        let service = config.watched().service(query.transport(), query.port).unwrap_or(Service::Smb);
        // The process is unknown here: exemptions by process do not count.
        let connection =
            exempt::Question { client, server, service, port: query.port, process: [None, None] };
        let exempt = matching(config, now, [client, server], |one| one.mismatch(&connection).is_none());
        let says = |rulebook| ProfileSays::of(rulebook, &question, !exempt.entries.is_empty());
        Self {
            client,
            server,
            transport: if query.udp { "udp" } else { "tcp" }.to_owned(),
            port: query.port,
            profiles: rulebooks.iter().map(says).collect(),
            exempt,
        }
    }
}

impl ProfileSays {
    fn of(rulebook: &Rulebook, question: &Question, exempt: bool) -> Self {
        let seen = |address| {
            let placed = rulebook.place(address);
            Seen { place: name(placed.place).to_owned(), by: placed.by.map(Network::of) }
        };
        Self {
            profile: rulebook.profile().name,
            client: seen(question.client),
            server: seen(question.server),
            rules: rulebook.verdict(question).iter().map(|one| RuleSays::of(one, question, exempt)).collect(),
        }
    }

    /// Reasons why none of its rules fires, each once.
    #[must_use]
    pub fn refusals(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = Vec::new();
        for reason in self.rules.iter().flat_map(|rule| &rule.because) {
            if !reasons.contains(&reason.as_str()) {
                reasons.push(reason);
            }
        }
        reasons
    }
}

impl RuleSays {
    fn of(verdict: &RuleVerdict, question: &Question, exempt: bool) -> Self {
        let decides = |condition: &Condition| !matches!(condition, Condition::Unseen(_));
        let (fires, because) = if !verdict.fits() {
            (Fires::No, vec![refusal(verdict, question)])
        } else if exempt {
            (Fires::No, vec!["an exemption covers it".to_owned()])
        } else if verdict.conditions.iter().any(decides) {
            (Fires::If, conditions(verdict))
        } else {
            (Fires::Yes, conditions(verdict))
        };
        Self { rule: verdict.rule.rule.id.to_owned(), source: verdict.rule.source.to_owned(), fires, because }
    }
}

fn refusal(verdict: &RuleVerdict, question: &Question) -> String {
    let end = |address| if address == question.client { "client" } else { "server" };
    match verdict.because {
        // Rules that match have no reason.
        Because::Fits => String::new(),
        Because::NotInternal(address) => format!("the {} is not internal", end(address)),
        Because::NotInternet(address) => format!("the {} is not on the Internet", end(address)),
        Because::Port => {
            let transport = if question.transport == UDP { "UDP" } else { "TCP" };
            format!("{transport} {} is none of its ports", question.port)
        }
        Because::OtherProcess => "a process of this machine opened it".to_owned(),
    }
}

fn conditions(verdict: &RuleVerdict) -> Vec<String> {
    let sentence = |condition: &Condition| match condition {
        Condition::New { field, address, days } => {
            let end = match field {
                Field::SourceIp => "client",
                Field::DestinationIp => "server",
            };
            format!("the {end} {address} ({}) was not seen by this rule for {days} days", field.name())
        }
        Condition::SmbRecognised => "SMB is recognised by its messages".to_owned(),
        Condition::Evidence(what) => (*what).to_owned(),
        Condition::Unseen(what) => {
            format!("assumed, because no packet shows it: {}", what.join(", "))
        }
    };
    verdict.conditions.iter().map(sentence).collect()
}
