//! Exemptions: traffic that somebody declared safe, with a reason and an optional expiry.
//!
//! An [`Exemption`] says which connections it covers by their client, server, service and process; a part that it omits may
//! be anything. [`Exemptions`] applies all of them and counts their hits. The kernel gets their [`Exemption::prefixes`].

mod breadth;
mod end;
mod hit;
mod set;

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use sensor_common::prefix::PrefixFlags;

pub use self::{
    end::End,
    hit::Hit,
    set::{Exemptions, next_expiry},
};
use crate::{process::Process, service::Service, time::Timestamp, view::FlowView};

/// A service or a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// A service, on whatever port.
    Service(Service),
    /// A port of the server.
    Port(u16),
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(Service::Smb) => f.write_str("smb"),
            Self::Service(Service::Rpc) => f.write_str("rpc"),
            Self::Service(Service::Netbios) => f.write_str("netbios"),
            Self::Service(Service::SmbOverQuic) => f.write_str("quic"),
            Self::Service(Service::WebDav) => f.write_str("webdav"),
            Self::Port(port) => write!(f, "{port}"),
        }
    }
}

/// Who added an exemption by command, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// Name of the user.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Known safe traffic: all of its conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exemption {
    /// Its name.
    pub id: String,
    /// Clients; `None` is any.
    pub source: Option<End>,
    /// Servers; `None` is any.
    pub destination: Option<End>,
    /// Services, one of which must match; empty is any.
    pub services: Vec<Spoken>,
    /// Name or program file of the process that opened the connection. It does not match an unknown process.
    pub process: Option<String>,
    /// The reason.
    pub reason: String,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// Who added it; `None` if it is in the configuration.
    pub added: Option<Added>,
}

/// A connection as exemptions see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// Client.
    pub client: IpAddr,
    /// Server.
    pub server: IpAddr,
    /// Service.
    pub service: Service,
    /// Port of the server.
    pub port: u16,
    /// Name and program file of the process that opened it, if known.
    pub process: [Option<&'a str>; 2],
}

impl<'a> Question<'a> {
    /// The question about a connection.
    #[must_use]
    pub fn of(view: &FlowView<'a>) -> Self {
        let process: Option<&Process> = view.process.map(AsRef::as_ref);
        let name = process.and_then(|process| process.name.as_deref());
        let executable = process
            .and_then(|process| process.executable.as_ref())
            .map(|executable| executable.path.as_str());
        Self {
            client: view.client.ip(),
            server: view.server.ip(),
            service: view.service,
            port: view.server.port(),
            process: [name, executable],
        }
    }
}

/// The part of an exemption that does not match a connection.
enum Mismatch<'a> {
    Client(&'a End),
    Server(&'a End),
    Spoken,
    Process(&'a str),
}

impl Exemption {
    /// An exemption by its ends alone, with a name derived from them.
    #[must_use]
    pub fn between(source: Option<IpNet>, destination: Option<IpNet>, reason: &str) -> Self {
        let exemption = Self {
            source: source.map(End::from),
            destination: destination.map(End::from),
            reason: reason.to_owned(),
            ..Self::default()
        };
        Self { id: exemption.natural_id(), ..exemption }
    }

    /// A name derived from what it covers: the same entry has the same name after a restart, wherever it is written.
    #[must_use]
    pub fn natural_id(&self) -> String {
        blake3::hash(self.to_string().as_bytes()).to_hex()[..8].to_owned()
    }

    /// Whether it has not expired at `now`.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether it names this address.
    #[must_use]
    pub fn names(&self, address: IpAddr) -> bool {
        [&self.source, &self.destination].into_iter().flatten().any(|end| end.has(address))
    }

    /// Whether it covers a connection, apart from its expiry.
    #[must_use]
    pub fn covers(&self, question: &Question<'_>) -> bool {
        self.first_mismatch(question).is_none()
    }

    /// Why it does not cover a connection, as text, apart from its expiry; `None` if it does.
    #[must_use]
    pub fn mismatch(&self, question: &Question<'_>) -> Option<String> {
        Some(match self.first_mismatch(question)? {
            Mismatch::Client(source) => format!("the client {} is not in {source}", question.client),
            Mismatch::Server(destination) => {
                format!("the server {} is not in {destination}", question.server)
            }
            Mismatch::Spoken => {
                let spoken = Spoken::Service(question.service);
                format!("{spoken} on port {} is not {}", question.port, self.spoken())
            }
            Mismatch::Process(process) => match question.process {
                [None, None] => format!("the process is not known, but must be {process}"),
                [name, executable] => {
                    format!("the process {} is not {process}", name.or(executable).unwrap_or_default())
                }
            },
        })
    }

    /// The first part that does not match. Called for every exemption and connection, so it builds no text.
    fn first_mismatch(&self, question: &Question<'_>) -> Option<Mismatch<'_>> {
        if let Some(source) = self.source.as_ref().filter(|end| !end.has(question.client)) {
            return Some(Mismatch::Client(source));
        }
        if let Some(destination) = self.destination.as_ref().filter(|end| !end.has(question.server)) {
            return Some(Mismatch::Server(destination));
        }
        let speaks = |spoken: &Spoken| match spoken {
            Spoken::Service(service) => *service == question.service,
            Spoken::Port(port) => *port == question.port,
        };
        if !self.services.is_empty() && !self.services.iter().any(speaks) {
            return Some(Mismatch::Spoken);
        }
        let process = self.process.as_deref()?;
        (!question.process.contains(&Some(process))).then_some(Mismatch::Process(process))
    }

    /// The services, as written.
    #[must_use]
    pub fn spoken(&self) -> String {
        self.services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Whether it has no conditions besides its ends.
    fn is_by_ends_alone(&self) -> bool {
        self.services.is_empty() && self.process.is_none()
    }

    /// Whether it exempts a pair by its ends alone.
    #[must_use]
    pub fn is_pair(&self) -> bool {
        self.is_by_ends_alone() && self.source.is_some() && self.destination.is_some()
    }

    /// Whether the kernel handles its packets alone, so that the agent sees none of them.
    #[must_use]
    pub fn is_for_kernel(&self) -> bool {
        self.is_by_ends_alone() && !self.is_pair()
    }

    /// Its prefixes for the kernel's tries; `pair` is its number among the pairs.
    ///
    /// The kernel lets traffic pass that is exempt by one end alone. It keeps the packets of all other exemptions, and the agent
    /// decides; the kernel only needs to know what it must not drop. It sees no process and cannot decide part of a pair,
    /// so it lets pass whatever may be exempt.
    #[must_use]
    pub fn prefixes(&self, pair: u32) -> Vec<(IpNet, PrefixFlags)> {
        let flags = if self.is_pair() {
            [PrefixFlags::pair_client(pair), PrefixFlags::pair_server(pair)]
        } else if self.is_by_ends_alone() {
            [PrefixFlags::EXEMPT_SOURCE, PrefixFlags::EXEMPT_DESTINATION]
        } else {
            [PrefixFlags::MAYBE_EXEMPT_SOURCE, PrefixFlags::MAYBE_EXEMPT_DESTINATION]
        };
        // For a conditional exemption with both ends, a match at one end is enough not to drop.
        let ends = match (&self.source, &self.destination) {
            (Some(source), Some(_)) if !self.is_by_ends_alone() => [Some(source), None],
            (source, destination) => [source.as_ref(), destination.as_ref()],
        };
        let marked = ends.into_iter().zip(flags);
        let mut prefixes: Vec<_> = marked
            .filter_map(|(end, flags)| Some((end?, flags)))
            .flat_map(|(end, flags)| end.networks().iter().map(move |net| (*net, flags)))
            .collect();
        if self.may_be_any_tcp() {
            let all = [IpNet::default(), IpNet::V6(ipnet::Ipv6Net::default())];
            prefixes.extend(all.map(|net| (net, PrefixFlags::MAYBE_EXEMPT_SOURCE)));
        }
        prefixes
    }

    /// Whether it may cover TCP between any addresses, so that the kernel can drop nothing.
    #[must_use]
    pub fn may_be_any_tcp(&self) -> bool {
        let is_udp =
            |spoken: &Spoken| matches!(spoken, Spoken::Service(Service::Netbios | Service::SmbOverQuic));
        self.names_no_end() && (self.services.is_empty() || !self.services.iter().all(is_udp))
    }

    /// Whether it may cover any address.
    #[must_use]
    pub const fn names_no_end(&self) -> bool {
        self.source.is_none() && self.destination.is_none()
    }
}

/// What it covers and why, in one line.
impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = "any";
        let end = |end: &Option<End>| end.as_ref().map_or_else(|| any.to_owned(), ToString::to_string);
        write!(f, "{} -> {}", end(&self.source), end(&self.destination))?;
        if !self.services.is_empty() {
            write!(f, " ({})", self.spoken())?;
        }
        if let Some(process) = &self.process {
            write!(f, " by {process}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
