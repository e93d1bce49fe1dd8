//! The traffic that an exemption for an incident covers.

use super::{Incident, Scope};
use crate::service::Service;

/// The traffic of an incident, as an exemption names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Its clients; all where there is none.
    pub source: Option<String>,
    /// Its servers; likewise.
    pub destination: Option<String>,
    /// Its services.
    pub services: Vec<&'static str>,
}

impl Covered {
    /// The ends that the incident is about, and the services that were used.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        let server = incident.server().only_address().filter(|_| incident.scope != Scope::Client);
        let client = incident.client().only_address().filter(|_| incident.scope != Scope::Exposure);
        let mut services: Vec<&str> = incident
            .ports
            .iter()
            .map(|(.., service)| match service {
                Service::Smb => "smb",
                Service::Rpc => "rpc",
                Service::Netbios => "netbios",
                Service::SmbOverQuic => "quic",
                Service::WebDav => "webdav",
            })
            .collect();
        services.sort_unstable();
        services.dedup();
        Self {
            source: client.map(|address| address.to_string()),
            destination: server.map(|address| address.to_string()),
            services,
        }
    }

    /// The command that exempts it and as little else as possible. The reason is in the quotes of a shell.
    #[must_use]
    pub fn command(&self, reason: &str) -> String {
        let services = Some(self.services.join(",")).filter(|services| !services.is_empty());
        let mut command = "smb-sensor exempt add".to_owned();
        for (option, value) in
            [("destination", &self.destination), ("source", &self.source), ("service", &services)]
        {
            if let Some(value) = value {
                command.push_str(&format!(" --{option} {value}"));
            }
        }
        command + " --reason " + reason
    }
}
