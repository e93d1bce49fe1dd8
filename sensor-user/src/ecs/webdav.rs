//! `smb_sensor.webdav`: the evidence that HTTP is WebDAV.

use schemars::JsonSchema;
use sensor_core::incident::WebDavSeen;
use sensor_dissect::{Facts, facts::WebDav};
use serde::Serialize;

/// WebDAV.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebDavFields {
    /// The first method that only WebDAV has.
    method: Option<String>,
    /// The program of the client, as it calls itself.
    user_agent: Option<String>,
}

impl WebDavFields {
    /// That of a connection.
    pub(super) fn of_connection(facts: Option<&Facts>) -> Option<Self> {
        let WebDav { method, user_agent, evidence } = &facts?.webdav;
        evidence.any().then(|| Self { method: method.clone(), user_agent: user_agent.clone() })
    }

    /// That of an incident.
    pub(super) fn of_incident(seen: &WebDavSeen) -> Self {
        Self { method: seen.method.clone(), user_agent: seen.user_agent.clone() }
    }
}
