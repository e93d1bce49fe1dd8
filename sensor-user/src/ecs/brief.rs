//! The fields of a document for outputs with a format of their own. They are stored with the document, so that no such output has
//! to parse it.

use serde::{Deserialize, Serialize};

use super::fields::{Endpoint, Event, Network, Observer, Outcome, Rule};

/// A document in few fields, which are typed. An absent one is not in the document either.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Brief {
    /// `event.action`.
    pub action: String,
    /// `event.outcome`.
    pub outcome: Option<Outcome>,
    /// `rule.id` and `rule.name`.
    pub rule: Option<(String, String)>,
    /// `source`.
    pub source: End,
    /// `destination`.
    pub destination: End,
    /// `network.transport`.
    pub transport: Option<String>,
    /// `network.protocol`.
    pub protocol: Option<String>,
    /// `source.user.name`.
    pub user: Option<String>,
    /// `observer.version`.
    pub version: String,
    /// `observer.hostname`.
    pub hostname: String,
    /// The incident that the document is about.
    pub incident: Option<String>,
    /// `message`.
    pub message: Option<String>,
}

/// One end of a connection.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    /// `ip`.
    pub ip: Option<String>,
    /// `port`.
    pub port: Option<u16>,
}

impl Brief {
    /// What `event` and `observer` say.
    pub(super) fn of(event: &Event, observer: &Observer) -> Self {
        Self {
            action: event.action.clone(),
            outcome: Some(event.outcome),
            version: observer.version.clone(),
            hostname: observer.hostname.clone(),
            ..Self::default()
        }
    }

    pub(super) fn of_rule(mut self, rule: &Rule) -> Self {
        self.rule = Some((rule.id.clone(), rule.name.clone()));
        self
    }

    pub(super) fn between(mut self, source: &Endpoint, destination: &Endpoint, network: &Network) -> Self {
        let end = |of: &Endpoint| End { ip: of.ip.clone(), port: of.port };
        (self.source, self.destination) = (end(source), end(destination));
        self.user = source.user.as_ref().and_then(|user| user.name.clone());
        self.transport = network.transport.map(str::to_owned);
        self.protocol = network.protocol.map(str::to_owned);
        self
    }

    /// Reads a kept one. The document of an earlier version has none, and the answer is empty then.
    pub(crate) fn read(kept: &[u8]) -> Self {
        rmp_serde::from_slice(kept).unwrap_or_default()
    }

    /// In the form in which it is kept.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Plain data with text keys: this does not fail.
        rmp_serde::to_vec_named(self).unwrap_or_default()
    }
}

/// A document that can say this of itself.
pub(super) trait Briefed: Serialize {
    fn brief(&self) -> Brief;
}
