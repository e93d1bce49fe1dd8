//! Exemptions, checked against each network one by one.

use std::net::IpAddr;

use ipnet::IpNet;
use sensor_user::{config::Config, exempt::End};

use super::places::Places;

/// The exempt networks: of clients, of servers, and of both of a pair.
pub(super) struct Exempt {
    clients: Vec<IpNet>,
    servers: Vec<IpNet>,
    pairs: Vec<[Vec<IpNet>; 2]>,
}

impl Exempt {
    pub(super) fn new(config: &Config) -> Self {
        let mut exempt = Self { clients: vec![], servers: vec![], pairs: vec![] };
        let nets = |end: &End| end.networks().to_vec();
        for one in &config.exemptions {
            match (&one.source, &one.destination) {
                (Some(client), Some(server)) => exempt.pairs.push([nets(client), nets(server)]),
                (Some(client), None) => exempt.clients.extend(client.networks()),
                (None, Some(server)) => exempt.servers.extend(server.networks()),
                (None, None) => {}
            }
        }
        exempt
    }

    pub(super) fn client(&self, address: IpAddr) -> bool {
        Places::among(&self.clients, address)
    }

    pub(super) fn server(&self, address: IpAddr) -> bool {
        Places::among(&self.servers, address)
    }

    /// Whether an exemption covers a client's request to a server.
    pub(super) fn request(&self, client: IpAddr, server: IpAddr) -> bool {
        let pair = |[clients, servers]: &[Vec<IpNet>; 2]| {
            Places::among(clients, client) && Places::among(servers, server)
        };
        self.client(client) || self.server(server) || self.pairs.iter().any(pair)
    }
}
