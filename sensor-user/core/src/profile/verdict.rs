//! The verdict of a profile on a connection: pure, from addresses, port and further knowledge.

use std::net::IpAddr;

use sensor_common::{
    classify::Place,
    slot::{TCP, UDP},
};

use super::{
    Field, Ports, Profile, ProfileName, ProfileRule, Settings, Windows,
    networks::{Entry, Placed, entries, place},
};
use crate::{
    address::Direction,
    rules::WEBDAV,
    service::{Service, ServicePorts},
};

/// A connection as input for a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Client.
    pub client: IpAddr,
    /// Server.
    pub server: IpAddr,
    /// IP protocol number.
    pub transport: u8,
    /// Port of the server.
    pub port: u16,
    /// Whether SMB messages were recognised; `None` if unknown.
    pub smb: Option<bool>,
    /// Whether a known process of this machine opened it.
    pub own_process: bool,
}

/// Why a rule matches or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// Everything in the question matches.
    Fits,
    /// The port is not one of the rule's, and no SMB was recognised on it.
    Port,
    /// This end is not internal.
    NotInternal(IpAddr),
    /// This end is not on the Internet.
    NotInternet(IpAddr),
    /// A process of this machine opened it, and the rule is about another process.
    OtherProcess,
}

/// A further condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The rule has not seen this end for this many days.
    New {
        /// Which end.
        field: Field,
        /// Its address.
        address: IpAddr,
        /// Days.
        days: u64,
    },
    /// SMB messages are recognised on the port.
    SmbRecognised,
    /// The connection shows this.
    Evidence(&'static str),
    /// A condition about the client's process that cannot be observed here.
    Unseen(&'static [&'static str]),
}

/// The verdict of one rule.
#[derive(Clone, Debug)]
pub struct RuleVerdict {
    /// Rule.
    pub rule: &'static ProfileRule,
    /// Why it matches, or why not.
    pub because: Because,
    /// The further conditions, if it matches.
    pub conditions: Vec<Condition>,
}

impl RuleVerdict {
    /// Whether it fires if its conditions hold.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.because == Because::Fits
    }
}

/// A profile under its settings.
#[derive(Clone, Debug)]
pub struct Rulebook {
    profile: &'static Profile,
    services: ServicePorts,
    entries: Vec<Entry>,
    windows: Windows,
}

impl Rulebook {
    /// The rulebook of a profile, active or not.
    #[must_use]
    pub fn of(name: ProfileName, settings: &Settings) -> Self {
        let profile = name.profile();
        Self {
            profile,
            services: profile.services(&settings.services),
            entries: entries(profile, settings),
            windows: settings.windows.clone(),
        }
    }

    /// The profile.
    #[must_use]
    pub const fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// The place of an address.
    #[must_use]
    pub fn place(&self, address: IpAddr) -> Placed<'_> {
        place(&self.entries, self.profile.unwraps, address)
    }

    /// The verdict of each of its rules on a connection.
    #[must_use]
    pub fn verdict(&self, question: &Question) -> Vec<RuleVerdict> {
        let places = (self.place(question.client).place, self.place(question.server).place);
        self.profile.rules.iter().map(|rule| self.rule_verdict(rule, question, places)).collect()
    }

    fn rule_verdict(
        &self,
        rule: &'static ProfileRule,
        question: &Question,
        (client, server): (Place, Place),
    ) -> RuleVerdict {
        let refused = |because| RuleVerdict { rule, because, conditions: vec![] };
        let direction = rule.direction().unwrap_or(match client {
            Place::Internal => Direction::Outbound,
            _ => Direction::Inbound,
        });
        let ((inside, inner), (outside, outer)) = match direction {
            Direction::Outbound => ((question.client, client), (question.server, server)),
            Direction::Inbound => ((question.server, server), (question.client, client)),
        };
        if inner != Place::Internal {
            return refused(Because::NotInternal(inside));
        }
        if outer != Place::External {
            return refused(Because::NotInternet(outside));
        }
        let Some(mut conditions) = self.port_conditions(rule, question) else {
            return refused(Because::Port);
        };
        if !rule.process.is_empty() {
            if question.own_process {
                return refused(Because::OtherProcess);
            }
            conditions.push(Condition::Unseen(rule.process));
        }
        if let Some(term) = rule.new_term() {
            let address = match term.field {
                Field::SourceIp => question.client,
                Field::DestinationIp => question.server,
            };
            let days = self.windows.days(rule.rule.id).unwrap_or(term.days);
            conditions.push(Condition::New { field: term.field, address, days });
        }
        conditions.extend(rule.evidence().map(Condition::Evidence));
        RuleVerdict { rule, because: Because::Fits, conditions }
    }

    /// The conditions for the port to be one of the rule's; `None` if it is not.
    fn port_conditions(&self, rule: &ProfileRule, question: &Question) -> Option<Vec<Condition>> {
        let (listed, anywhere) = match rule.ports {
            // It has no port of its own: its messages are the evidence that the rule asks for.
            Ports::Of(services) if services == WEBDAV => {
                let watched = question.transport == TCP && self.services.smb_any_port;
                return watched.then(Vec::new);
            }
            Ports::Of(services) => {
                let service = self.services.service(question.transport, question.port);
                let over_quic = services.contains(&Service::SmbOverQuic)
                    && question.transport == UDP
                    && self.services.quic_udp.contains(&question.port);
                (
                    over_quic || service.is_some_and(|one| services.contains(&one)),
                    service.is_none() && self.services.smb_any_port && services.contains(&Service::Smb),
                )
            }
            Ports::Fixed { tcp, udp, smb_on_any } => {
                let listed = match question.transport {
                    TCP => tcp.contains(&question.port),
                    UDP => udp.contains(&question.port),
                    _ => false,
                };
                (listed, smb_on_any)
            }
        };
        match question.smb {
            _ if listed => Some(vec![]),
            Some(true) if anywhere && question.transport == TCP => Some(vec![]),
            None if anywhere && question.transport == TCP => Some(vec![Condition::SmbRecognised]),
            _ => None,
        }
    }
}
